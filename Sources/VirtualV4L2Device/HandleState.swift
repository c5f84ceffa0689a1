internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// Everything one open handle holds; each handle is an encoder of its own.
struct HandleState {
  /// The life of the thread that encodes.
  enum WorkerPhase { case none, running, stopping }

  /// What happens besides the answer to a request.
  struct Effects {
    /// Readiness may have changed for somebody who waits.
    var notifies = false
    /// The worker may have something to do.
    var wakesWorker = false
    /// The queue stopped: the worker has to end before its buffers return.
    var stops: Direction?
  }

  let device: DeviceCore
  let isMultiplanar: Bool
  /// The raw formats offered, never none.
  let rawFormats: [RawFormat]
  var output: BufferQueue
  var capture: BufferQueue
  var picture: PictureFormat
  var coded: CodedFormat
  var crop: v4l2_rect
  var interval: v4l2_fract
  var controls: ControlValues
  /// What was set of controls that are structures, by control id.
  var structures: [UInt32: [UInt32]] = [:]
  /// S_FMT of CAPTURE was done, which some drivers want first.
  var hasCodedFormat = false
  /// Counts changes of what a running codec has to follow.
  var settingsGeneration = 0
  /// FORCE_KEY_FRAME was pressed: the next queued frame becomes a key frame.
  var forcesNextKeyFrame = false
  var events = EventQueue()
  var drain = DrainState()
  var priority: UInt32
  var worker = WorkerPhase.none
  /// The driver encodes nothing more before it is opened again.
  var isSpent = false
  /// Threads that wait for the worker to end; none starts before they are done.
  var stopsInProgress = 0
  var isClosed = false

  init(device: DeviceCore) {
    self.device = device
    isMultiplanar = device.configuration.api == .multiplanar
    rawFormats = device.configuration.offeredRawFormats
    let outputType =
      isMultiplanar ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT
    let captureType =
      isMultiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE
    let times = UInt32(
      device.personality.has(.doesNotCopyTimes)
        ? V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN : V4L2_BUF_FLAG_TIMESTAMP_COPY)
    output = BufferQueue(
      direction: .output, type: outputType.rawValue, constantFlags: times)
    capture = BufferQueue(
      direction: .capture, type: captureType.rawValue, constantFlags: times)
    let personality = device.personality
    picture = PictureFormat(
      raw: rawFormats[0], width: 1280, height: 720, stride: 0, color: Colorimetry(),
      geometry: personality.geometry)
    crop = v4l2_rect(
      left: 0, top: 0, width: UInt32(picture.width), height: UInt32(picture.height))
    coded = CodedFormat(
      kind: device.configuration.codedKinds.first ?? .h264, width: picture.width,
      height: picture.height,
      sizeImage: CodedFormat.sizeImage(
        width: picture.width, height: picture.height, asked: 0, rule: personality.codedBufferSize)
        ?? 0)
    let initial = personality.frameRate.initial
    interval = v4l2_fract(numerator: initial.numerator, denominator: initial.denominator)
    controls = ControlValues(device.controlTable)
    priority = device.priorities.register()
  }

  var personality: VirtualDevice.Personality { device.personality }

  func direction(of type: UInt32) -> Direction? {
    switch type {
    case output.type: .output
    case capture.type: .capture
    default: nil
    }
  }

  /// Whether the device encodes what is queued.
  var isStreaming: Bool { output.isStreaming && capture.isStreaming }

  subscript(direction: Direction) -> BufferQueue {
    _read {
      switch direction {
      case .output: yield output
      case .capture: yield capture
      }
    }
    _modify {
      switch direction {
      case .output: yield &output
      case .capture: yield &capture
      }
    }
  }

  /// The bytes each plane of a buffer of this queue must hold.
  func planeLength(_ direction: Direction, _ plane: Int) -> Int {
    switch direction {
    case .capture: coded.sizeImage
    case .output:
      if !isContiguous { picture.size(ofPlane: plane) } else { plane == 0 ? frameLength : 0 }
    }
  }

  /// Whether the planes of a frame share the first one's memory.
  var isContiguous: Bool {
    personality.has(.planesAreContiguous) && picture.raw.memoryPlanes > 1
  }

  private var frameLength: Int {
    (0..<picture.raw.memoryPlanes).reduce(0) { $0 + picture.size(ofPlane: $1) }
  }

  func planeCount(_ direction: Direction) -> Int {
    direction == .capture ? 1 : picture.raw.memoryPlanes
  }

  func planeLengths(_ direction: Direction) -> [Int] {
    (0..<planeCount(direction)).map { planeLength(direction, $0) }
  }

  /// What a codec has to know to encode.
  var codecSettings: CodecSettings {
    var bitrate = controls[V4L2_CID_MPEG_VIDEO_BITRATE]
    if bitrate == 0, personality.has(.computesBitrateOfZero) {
      bitrate =
        Int(crop.width) * Int(crop.height) / 8 * Int(interval.denominator)
        / Int(max(1, interval.numerator))
    }
    return CodecSettings(
      codec: coded.codec, width: Int(crop.width), height: Int(crop.height),
      frameRate: Double(interval.denominator) / Double(max(1, interval.numerator)),
      rateNumerator: interval.denominator, rateDenominator: max(1, interval.numerator),
      color: picture.color, controls: controls, bitrate: bitrate,
      keyFrameInterval: keyFrameInterval)
  }

  /// What poll(2) reports.
  var readiness: Readiness {
    if isClosed { return [.error, .hangUp] }
    switch personality.polling {
    case .complete: return bufferReadiness
    case .inputOnly: return output.done.isEmpty && capture.done.isEmpty ? [] : .capture
    case .useless: return [.capture, .output]
    }
  }

  private var keyFrameInterval: Int {
    let names = personality.keyFrameDistance[coded.codec] ?? []
    return names.lazy.map { controls[Int32(bitPattern: $0.identifier)] }.first { $0 > 0 } ?? 0
  }

  /// Poll bits, as `v4l2_m2m_poll` computes them.
  var bufferReadiness: Readiness {
    if isClosed { return [.error, .hangUp] }
    var ready: Readiness = events.isEmpty ? [] : .event
    let isOutputIdle = !output.isStreaming || output.outstanding == 0
    let isCaptureIdle = !capture.isStreaming || capture.outstanding == 0
    if isOutputIdle, isCaptureIdle { return ready.union(.error) }
    if !output.done.isEmpty { ready.insert(.output) }
    if !capture.done.isEmpty || capture.hasEnded { ready.insert(.capture) }
    return ready
  }

  /// Frees everything; the worker has ended.
  mutating func close() {
    isClosed = true
    output.cancel()
    capture.cancel()
    output.removeAll(in: device.memory)
    capture.removeAll(in: device.memory)
    device.priorities.remove(priority)
  }
}

/// How far a drain has come; the words of `v4l2-mem2mem`.
struct DrainState {
  /// ENC_CMD_STOP was given, the LAST buffer was not yet written.
  var isDraining = false
  /// The LAST buffer was written; nothing is encoded until START or STREAMOFF.
  var hasStopped = false
  /// The OUTPUT buffer after which the drain ends; nil when none was queued.
  var lastSource: Int?
}
