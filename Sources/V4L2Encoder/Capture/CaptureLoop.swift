/// The camera's thread: takes filled buffers, hands them over as frames, and follows the signal.
struct CaptureLoop: ~Copyable {
  /// A signal that is not there.
  struct Outage {
    var loss: SignalLoss
    let since: MonotonicTime
  }

  private enum Pause {
    /// From one look at a signal that is away to the next.
    static let signalCheck = Duration.milliseconds(100)
    /// The same for a signal that is there, with drivers that tell of no change.
    static let unaskedCheck = Duration.seconds(1)
    /// After an answer that would make the next wait return at once.
    static let error = Duration.milliseconds(1)
  }

  let engine: CaptureEngine
  let setup: CaptureSetup
  private let handle: any DeviceHandle
  var stream: CaptureStream
  /// Whether the camera is started; it may refuse that without a signal.
  var isRunning = false
  var outage: Outage?
  /// Whether a frame came since the last set-up.
  var hasSeenFrame = false
  /// Whether the camera owes a frame: it runs, has buffers to fill and a signal.
  private var owesFrame = false
  private var lastSign = MonotonicTime.now
  private var nextCheck = MonotonicTime.now
  private var lastSequence: UInt32?
  /// Frames that are missing in front of pictures that were not handed over.
  private var lossToTell = 0
  private var lastFlaw: String?

  /// Sets the camera up for the first time.
  init(
    _ setup: CaptureSetup, engine: (CaptureStream) -> CaptureEngine
  ) throws(EncoderError) {
    self.setup = setup
    handle = setup.camera.handle
    switch setup.watch.read() {
    case .present(let timings):
      stream = try setup.makeStream(generation: 0, timings: timings)
    case .absent(let loss):
      stream = try setup.makeStream(generation: 0, timings: nil)
      outage = Outage(loss: loss, since: .now)
    }
    self.engine = engine(stream)
    if let outage { self.engine.reportLoss(outage.loss) }
  }

  /// Runs until the source is closed or the camera fails.
  mutating func run() throws(EncoderError) {
    while !engine.isClosing {
      let ready = try wait()
      let isTold = ready.contains(.event) ? try takeEvents() : false
      if isTold || MonotonicTime.now >= nextCheck { try checkSignal(isTold: isTold) }
      if !ready.isDisjoint(with: [.capture, .error, .hangUp]) { try takeFrame() }
      try checkDeadlines()
    }
  }

  func stop() { stream.stop() }

  /// Starts the camera; a failure for lack of a signal is an outage.
  mutating func start() throws(EncoderError) {
    hasSeenFrame = false
    lastSequence = nil
    lossToTell = 0
    lastSign = .now
    nextCheck = lastSign + checkInterval
    do throws(DeviceRequestError) {
      try stream.start()
      isRunning = true
    } catch {
      stream.stop()
      isRunning = false
      guard case .absent(let loss) = setup.watch.read() else {
        throw EncoderError(
          error.operation, error.errno, device: setup.path, while: "starting")
      }
      lose(loss)
    }
  }

  private var checkInterval: Duration {
    if outage != nil { return Pause.signalCheck }
    return setup.watch.hasEvents ? setup.configuration.deadlines.progress : Pause.unaskedCheck
  }

  private mutating func wait() throws(EncoderError) -> Readiness {
    var interest: Readiness = setup.watch.hasEvents ? .event : []
    let takesFrames = isRunning && !stream.isStarved
    if takesFrames { interest.insert(.capture) }
    let now = MonotonicTime.now
    let owedFrame = owesFrame
    owesFrame = takesFrames && outage == nil
    // A wait without buffers to fill may have been long: the camera's time starts after it.
    if !owesFrame || !owedFrame { lastSign = now }
    nextCheck = min(nextCheck, now + checkInterval)
    do throws(Errno) {
      return try handle.wait(
        for: interest, until: min(nextCheck, lastSign + setup.configuration.deadlines.progress))
    } catch {
      throw EncoderError("poll", error, device: setup.path, while: "waiting for it")
    }
  }

  private func takeEvents() throws(EncoderError) -> Bool {
    do throws(Errno) {
      return try handle.dequeueSourceChanges()
    } catch {
      throw EncoderError("VIDIOC_DQEVENT", error, device: setup.path, while: "taking events")
    }
  }

  private mutating func takeFrame() throws(EncoderError) {
    var buffer: DequeuedBuffer?
    do throws(Errno) {
      if isRunning, !stream.isStarved { buffer = try stream.take() }
      if let buffer { try deliver(buffer) }
    } catch {
      // Receivers fail their queue when the signal changes (vb2_queue_error).
      if error == .inputOutput, try followSignal() { return }
      throw EncoderError("VIDIOC_DQBUF", error, device: setup.path, while: "taking a frame")
    }
    if buffer == nil { try rest() }
  }

  /// After a report of an error without a buffer: makes sure that the camera is still there.
  private func rest() throws(EncoderError) {
    do throws(Errno) {
      _ = try handle.queryCapabilities()
    } catch {
      throw EncoderError("VIDIOC_QUERYCAP", error, device: setup.path, while: "capturing")
    }
    DeviceThread.sleep(Pause.error)
  }

  private mutating func deliver(_ buffer: DequeuedBuffer) throws(Errno) {
    guard outage == nil else {
      // Noise, or what the hardware shows for want of a signal.
      lastSequence = buffer.sequence
      return stream.giveBack(buffer.index)
    }
    let picture: CaptureStream.Picture
    do throws(EncoderError) {
      picture = engine.mailbox.hasRoom() ? try stream.picture(in: buffer) : .noRoom
    } catch {
      // The planes were checked when the camera was set up, but not where the driver begins in
      // them.
      throw .invalidArgument
    }
    switch picture {
    case .frame(let frame):
      lastSign = .now
      hasSeenFrame = true
      let lost = lossToTell + framesLost(before: buffer.sequence)
      lossToTell = 0
      lastSequence = buffer.sequence
      engine.deliver(
        CapturedFrame(
          frame: frame, format: stream.format, sequence: buffer.sequence, framesLostBefore: lost,
          isCorrupt: stream.isCorrupt(buffer),
          clock: buffer.flags.contains(.timestampMonotonic) ? .monotonic : .unknown))
    case .noRoom:
      lastSign = .now
      if lastSequence == nil { lastSequence = buffer.sequence &- 1 }
      stream.giveBack(buffer.index)
    case .undecodable(let reason):
      lossToTell += framesLost(before: buffer.sequence)
      lastSequence = buffer.sequence
      lastFlaw = reason
      engine.reportUndecodable(buffer.sequence, reason: reason)
      stream.giveBack(buffer.index)
    }
  }

  private func framesLost(before sequence: UInt32) -> Int {
    guard let lastSequence else { return 0 }
    let lost = Int(sequence &- lastSequence &- 1)
    // A sequence that starts again says nothing of losses.
    return (0..<1_000_000).contains(lost) ? lost : 0
  }

  private mutating func checkDeadlines() throws(EncoderError) {
    let now = MonotonicTime.now
    if let outage {
      guard case .upTo(let patience) = setup.configuration.signalPatience,
        now >= outage.since + patience
      else { return }
      throw EncoderError(
        .noSignal,
        "\(setup.path) has had \(outage.loss) for \(patience); connect or switch on what it is to "
          + "receive")
    }
    let limit = setup.configuration.deadlines.progress
    guard owesFrame, now >= lastSign + limit else { return }
    // Drivers that tell of no change may just fall silent.
    try checkSignal(isTold: false)
    if outage != nil || MonotonicTime.now < lastSign + limit { return }
    if let lastFlaw {
      throw EncoderError(
        .deviceStalled,
        "\(setup.path) sent no picture that can be decoded within \(limit): \(lastFlaw)")
    }
    throw EncoderError(
      .deviceStalled, "\(setup.path) sent no frame within \(limit); is there a signal?")
  }
}

extension CaptureLoop {
  /// Looks at the signal, and follows what changed.
  private mutating func checkSignal(isTold: Bool) throws(EncoderError) {
    nextCheck = MonotonicTime.now + checkInterval
    switch setup.watch.read() {
    case .absent(let loss): lose(loss)
    case .present(let timings):
      let hasReturned = outage != nil
      if hasReturned {
        outage = nil
        lastSign = .now
        engine.emit(.signalReturned)
      }
      let isAnother =
        if let timings {
          !(stream.timings?.matches(timings) ?? false)
        } else {
          // Without timings only the driver knows what changed.
          isTold && !hasReturned
        }
      if isAnother || !isRunning { try restart(timings) }
    }
  }

  /// After a failure of the queue: true when the signal explains it and has been followed.
  private mutating func followSignal() throws(EncoderError) -> Bool {
    switch setup.watch.read() {
    case .absent(let loss):
      stream.stop()
      isRunning = false
      lose(loss)
      return true
    case .present(let timings?) where hasSeenFrame:
      try restart(timings)
      return true
    case .present: return false
    }
  }

  private mutating func lose(_ loss: SignalLoss) {
    if outage?.loss == loss { return }
    if outage == nil {
      outage = Outage(loss: loss, since: .now)
      engine.reportLoss(loss)
    } else {
      outage?.loss = loss
      engine.emit(.signalLost(loss))
    }
  }

  /// Sets the camera up for the signal that is there now.
  private mutating func restart(_ timings: DVTimings?) throws(EncoderError) {
    stream.stop()
    isRunning = false
    let former = stream.format
    do throws(EncoderError) {
      stream = try setup.makeStream(generation: former.generation + 1, timings: timings)
    } catch {
      // It may have gone again in between.
      guard case .absent(let loss) = setup.watch.read() else { throw error }
      return lose(loss)
    }
    engine.adopt(stream)
    let now = stream.format
    if now.size != former.size || now.frameRate != former.frameRate {
      engine.emit(.timingsChanged(size: now.size, frameRate: now.frameRate))
    }
    try start()
  }
}
