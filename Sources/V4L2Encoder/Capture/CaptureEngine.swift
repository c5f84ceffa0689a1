/// A running camera: its thread takes filled buffers and hands them over as frames; a frame that
/// is dropped gives its buffer back.
final class CaptureEngine: Sendable {
  /// What stands behind one buffer.
  enum Backing: Sendable {
    case exported(ExportedBuffer)
    case mapped(MappedBuffer)
  }

  private struct State {
    /// Whether buffers may be queued.
    var isOpen = true
    var isClosing = false
    var framesLost = 0
    var queued = 0
  }

  private let handle: any DeviceHandle
  private let path: String
  private let bufferType: UInt32
  private let configuration: CaptureConfiguration
  private let layout: DriverLayout
  private let backings: [Backing]
  private let state = Locked(State())
  private let exited = Deferred<Void>()
  let format: QueueFormat
  let frameRate: Rational?
  let differences: [String]
  let mailbox: Mailbox<CapturedFrame>

  init(
    handle: any DeviceHandle, path: String, bufferType: UInt32,
    configuration: CaptureConfiguration, agreement: CaptureSetup.Agreement
  ) {
    self.handle = handle
    self.path = path
    self.bufferType = bufferType
    self.configuration = configuration
    self.layout = agreement.layout
    self.backings = agreement.backings
    self.format = agreement.format
    self.frameRate = agreement.frameRate
    self.differences = agreement.differences
    // One place for each buffer: a frame always finds room.
    mailbox = Mailbox(capacity: agreement.backings.count) {}
  }

  static nonisolated(nonsending) func open(
    _ configuration: CaptureConfiguration, on selector: DeviceSelector
  ) async throws(EncoderError) -> CaptureEngine {
    guard case .node(let path, let transport) = selector.choice else {
      throw EncoderError(
        .invalidConfiguration, "name the camera: there is no automatic choice of a camera")
    }
    let opened = Deferred<Result<CaptureEngine, EncoderError>>()
    do throws(Errno) {
      try DeviceThread.start(named: "v4l2-capture") {
        let result = Result { () throws(EncoderError) in
          try CaptureSetup(path: path, configuration: configuration).open(transport)
        }
        let isWanted = opened.fulfill(result)
        guard case .success(let engine) = result else { return }
        if !isWanted { engine.requestClose() }
        engine.run()
      }
    } catch {
      throw EncoderError(
        .outOfMemory, operation: "pthread_create", errno: error, "no thread for the camera")
    }
    let limit = configuration.deadlines.setup
    guard let result = await opened.value(within: limit) else {
      throw EncoderError(
        .deviceStalled, "\(path) has not finished its set-up within \(limit); it may hang")
    }
    return try result.get()
  }

  var framesLost: Int { state.withLock { $0.framesLost } }

  /// How frames lie in their DMABUFs, if there are DMABUFs.
  var inputMemory: InputMemory {
    guard case .exported? = backings.first else { return .copied }
    return .dmabuf(planes: colorPlanes)
  }

  private var colorPlanes: [PlaneLayout] {
    layout.planes.map { PlaneLayout(offset: $0.offset, bytesPerLine: $0.bytesPerLine) }
  }

  func requestClose() {
    state.withLock { $0.isClosing = true }
    handle.wake()
  }

  nonisolated(nonsending) func close() async {
    requestClose()
    _ = await exited.value(within: configuration.deadlines.setup)
  }

  /// The camera's thread.
  private func run() {
    do throws(EncoderError) {
      try start()
      try capture()
      mailbox.finish(.success(()))
    } catch {
      mailbox.finish(.failure(error))
    }
    state.withLock { $0.isOpen = false }
    // What fails here fails because the camera is gone.
    try? handle.streamOff(bufferType)
    handle.close()
    exited.fulfill(())
  }

  private func start() throws(EncoderError) {
    do throws(Errno) {
      for index in backings.indices {
        try handle.queueEmpty(bufferType, index: index, planeCount: format.planes.count)
        state.withLock { $0.queued += 1 }
      }
      try handle.streamOn(bufferType)
    } catch {
      throw EncoderError("VIDIOC_STREAMON", error, device: path, while: "starting")
    }
  }

  private func capture() throws(EncoderError) {
    var lastSequence: UInt32?
    var lastSign = MonotonicTime.now
    while true {
      let (isClosing, isStarved) = state.withLock { ($0.isClosing, $0.queued == 0) }
      if isClosing { return }
      // With every buffer in the application's hands the camera has nothing to fill.
      if isStarved { lastSign = .now }
      let ready: Readiness
      do throws(Errno) {
        ready = try handle.wait(
          for: isStarved ? [] : .capture,
          until: isStarved ? .now + .milliseconds(20) : lastSign + configuration.deadlines.progress)
      } catch {
        throw EncoderError("poll", error, device: path, while: "waiting for it")
      }
      guard ready.contains(.capture) || ready.contains(.error) else {
        if !isStarved, MonotonicTime.now >= lastSign + configuration.deadlines.progress {
          throw EncoderError(
            .deviceStalled,
            "\(path) sent no frame within \(configuration.deadlines.progress); is there a signal?")
        }
        continue
      }
      if isStarved {
        DeviceThread.sleep(.milliseconds(1))
        continue
      }
      do throws(Errno) {
        guard case .buffer(let buffer) = try handle.dequeue(bufferType) else {
          DeviceThread.sleep(.milliseconds(1))
          continue
        }
        lastSign = .now
        state.withLock { $0.queued -= 1 }
        try deliver(buffer, after: &lastSequence)
      } catch {
        throw EncoderError("VIDIOC_DQBUF", error, device: path, while: "taking a frame")
      }
    }
  }

  private func deliver(
    _ buffer: DequeuedBuffer, after lastSequence: inout UInt32?
  ) throws(Errno) {
    guard backings.indices.contains(buffer.index) else { throw .invalidArgument }
    let lost = lastSequence.map { Int(buffer.sequence &- $0 &- 1) } ?? 0
    // A sequence that starts again says nothing of losses.
    let framesLost = (0..<1_000_000).contains(lost) ? lost : 0
    lastSequence = buffer.sequence
    state.withLock { $0.framesLost += framesLost }
    let index = buffer.index
    let giveBack = { @Sendable [weak self] in
      guard let self else { return }
      self.giveBack(index)
    }
    do throws(EncoderError) {
      mailbox.deliver(
        CapturedFrame(
          frame: try frame(index, time: buffer.timestamp, giveBack: giveBack),
          sequence: buffer.sequence, framesLostBefore: framesLost,
          isCorrupt: buffer.flags.contains(.error)))
    } catch {
      // The planes were checked when the camera was opened.
      throw .invalidArgument
    }
  }

  private func frame(
    _ index: Int, time: Int64, giveBack: @escaping @Sendable () -> Void
  ) throws(EncoderError) -> VideoFrame {
    switch backings[index] {
    case .exported(let exported):
      let planes = layout.planes.map { plane in
        DMABUFPlane(
          descriptor: exported.descriptors[plane.memoryPlane], offset: plane.offset,
          bytesPerLine: plane.bytesPerLine)
      }
      return try VideoFrame(
        dmabuf: planes, format: format.format, size: format.size, presentationTime: time
      ) {
        // The descriptors live as long as somebody may import them.
        withExtendedLifetime(exported) { giveBack() }
      }
    case .mapped(let mapped):
      return try VideoFrame(
        format: format.format, size: format.size, memory: mapped.lend(giveBack),
        planes: colorPlanes, presentationTime: time)
    }
  }

  /// Called by whoever drops a frame, on his thread.
  private func giveBack(_ index: Int) {
    let isOpen = state.withLock { state -> Bool in
      if state.isOpen { state.queued += 1 }
      return state.isOpen
    }
    guard isOpen else { return }
    do throws(Errno) {
      try handle.queueEmpty(bufferType, index: index, planeCount: format.planes.count)
    } catch {
      // A camera that is gone is met by its own thread as well.
      state.withLock { $0.queued -= 1 }
    }
  }
}
