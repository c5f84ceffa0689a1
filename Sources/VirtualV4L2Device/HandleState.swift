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
  var interval = v4l2_fract(numerator: 1, denominator: 30)
  var controls = ControlValues()
  /// Counts changes of what a running codec has to follow.
  var settingsGeneration = 0
  /// FORCE_KEY_FRAME was pressed: the next queued frame becomes a key frame.
  var forcesNextKeyFrame = false
  var events = EventQueue()
  var drain = DrainState()
  var priority: UInt32
  var worker = WorkerPhase.none
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
    output = BufferQueue(direction: .output, type: outputType.rawValue)
    capture = BufferQueue(direction: .capture, type: captureType.rawValue)
    picture = PictureFormat(
      raw: rawFormats[0], width: 1280, height: 720, stride: 0, color: Colorimetry())
    crop = v4l2_rect(left: 0, top: 0, width: 1280, height: 720)
    coded = CodedFormat(
      codec: device.configuration.codecs.first ?? .h264, width: 1280, height: 720,
      sizeImage: CodedFormat.sizeImage(width: 1280, height: 720, asked: 0))
    priority = device.priorities.register()
  }

  func direction(of type: UInt32) -> Direction? {
    switch type {
    case output.type: .output
    case capture.type: .capture
    default: nil
    }
  }

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
    case .output: picture.size(ofPlane: plane)
    }
  }

  func planeCount(_ direction: Direction) -> Int {
    direction == .capture ? 1 : picture.raw.memoryPlanes
  }

  func planeLengths(_ direction: Direction) -> [Int] {
    (0..<planeCount(direction)).map { planeLength(direction, $0) }
  }

  /// What a codec has to know to encode.
  var codecSettings: CodecSettings {
    CodecSettings(
      codec: coded.codec, width: Int(crop.width), height: Int(crop.height),
      frameRate: Double(interval.denominator) / Double(max(1, interval.numerator)),
      rateNumerator: interval.denominator, rateDenominator: max(1, interval.numerator),
      color: picture.color, controls: controls)
  }

  /// Poll bits, as `v4l2_m2m_poll` computes them.
  var readiness: Readiness {
    if isClosed { return [.error, .hangUp] }
    var ready: Readiness = events.isEmpty ? [] : .event
    let isOutputIdle = !output.isStreaming || output.outstanding == 0
    let isCaptureIdle = !capture.isStreaming || capture.outstanding == 0
    if isOutputIdle, isCaptureIdle { return ready.union(.error) }
    if !output.done.isEmpty { ready.insert(.output) }
    if !capture.done.isEmpty || capture.lastWasDequeued { ready.insert(.capture) }
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
