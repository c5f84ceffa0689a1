/// Encoders that follow each other when one fails, and everybody who waits meanwhile.
final class Recovery: Sendable {
  let core: Locked<RecoveryCore>
  let retained: RetainedFrames
  let policy: RecoveryPolicy
  let observer: EncoderObserver
  let opening: RecoveringEncoder.Opening
  let onDeviceLost: RecoveringEncoder.Replacement?

  private init(
    _ first: any VideoEncoder, _ configuration: EncoderConfiguration, retained: RetainedFrames,
    policy: RecoveryPolicy, observer: EncoderObserver,
    onDeviceLost: RecoveringEncoder.Replacement?, opening: @escaping RecoveringEncoder.Opening
  ) {
    core = Locked(RecoveryCore(first, configuration))
    self.retained = retained
    self.policy = policy
    self.observer = observer
    self.onDeviceLost = onDeviceLost
    self.opening = opening
  }

  static nonisolated(nonsending) func open(
    _ configuration: EncoderConfiguration, policy: RecoveryPolicy, observer: EncoderObserver,
    onDeviceLost: RecoveringEncoder.Replacement?, opening: @escaping RecoveringEncoder.Opening
  ) async throws(EncoderError) -> Recovery {
    if let finding = policy.finding { throw EncoderError(.invalidConfiguration, finding) }
    let retained = RetainedFrames()
    let first = try await opening(configuration, observer.telling(retained, of: 0))
    return Recovery(
      first, configuration, retained: retained, policy: policy, observer: observer,
      onDeviceLost: onDeviceLost, opening: opening)
  }

  /// How many losses a caller sits out; more than there can be when no packet comes between them,
  /// since those end with `recoveryFailed`.
  private var patience: Int {
    let (sum, isTooMuch) = policy.attempts.addingReportingOverflow(2)
    return isTooMuch ? .max : sum
  }

  var configuration: EncoderConfiguration { core.withLock { $0.configurationInForce } }
  var negotiated: NegotiationReport { core.withLock { $0.negotiated } }

  var statistics: EncoderStatistics {
    let (counted, earlier, streams) = core.withLock {
      ($0.counted, $0.earlierTelemetry, $0.streams)
    }
    let current = counted.current?.encoder
    var statistics = current?.statistics.following(counted.sum) ?? counted.sum
    if let earlier, let measured = current?.measured {
      statistics.measure(measured.following(earlier))
    }
    statistics.hasEnded = counted.sum.hasEnded
    // An encoder does not know what it is given for the second time.
    statistics.framesIn = max(
      0, retained.takenCount - statistics.framesDropped.total - statistics.framesWaiting)
    statistics.framesInFlight = retained.count
    statistics.packetsWaiting = streams.reduce(0) { $0 + $1.encoder.statistics.packetsWaiting }
    return statistics
  }

  // MARK: - Callers

  nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions
  ) async throws(EncoderError) {
    var losses = 0
    while true {
      let current = try await readyEncoder()
      let identity = retained.add(
        frame, presentationTime: frame.presentationTime, options: options, to: current.number)
      do throws(EncoderError) {
        try await current.encoder.encode(frame, options: options)
      } catch {
        retained.refused(identity)
        try judge(error, of: current)
        losses += 1
        // Perhaps it is this frame that no device survives.
        guard losses <= patience else { throw error }
        continue
      }
      if retained.taken(identity) { return }
    }
  }

  nonisolated(nonsending) func encode(
    _ buffer: consuming InputBuffer, presentationTime: Int64, duration: Int64,
    options: FrameOptions
  ) async throws(EncoderError) {
    let current = try await readyEncoder()
    guard !buffer.hasOutlivedItsDevice else {
      announceLost([presentationTime])
      return
    }
    let identity = retained.add(
      nil, presentationTime: presentationTime, options: options, to: current.number)
    do throws(EncoderError) {
      try await current.encoder.encode(
        buffer, presentationTime: presentationTime, duration: duration, options: options)
    } catch {
      retained.refused(identity)
      try judge(error, of: current)
      if case .refuse(let refusal) = core.withLock({ $0.admission }) { throw refusal }
      announceLost([presentationTime])
      return
    }
    if !retained.taken(identity) { announceLost([presentationTime]) }
  }

  nonisolated(nonsending) func update(
    _ settings: DynamicSettings
  ) async throws(EncoderError) -> [ControlOutcome] {
    try await retrying(isChange: true) { (encoder) async throws(EncoderError) in
      try await encoder.update(settings)
    }
  }

  nonisolated(nonsending) func reconfigure(
    _ configuration: EncoderConfiguration
  ) async throws(EncoderError) -> NegotiationReport {
    try await retrying(isChange: true) { (encoder) async throws(EncoderError) in
      try await encoder.reconfigure(configuration)
    }
  }

  nonisolated(nonsending) func requestKeyFrame() async throws(EncoderError) {
    try await retrying { (encoder) async throws(EncoderError) in
      try await encoder.requestKeyFrame()
    }
  }

  nonisolated(nonsending) func drain() async throws(EncoderError) {
    try await retrying { (encoder) async throws(EncoderError) in try await encoder.drain() }
  }

  /// Asks one encoder after the other, as often as the policy allows.
  nonisolated(nonsending) func retrying<Result>(
    isChange: Bool = false, _ body: (any VideoEncoder) async throws(EncoderError) -> Result
  ) async throws(EncoderError) -> Result {
    var losses = 0
    while true {
      let current = try await readyEncoder()
      do throws(EncoderError) {
        let result = try await body(current.encoder)
        // An encoder that has ended meanwhile may not have handed the change on.
        if !isChange || core.withLock({ $0.isWorking(current.number) }) { return result }
      } catch {
        try judge(error, of: current, afterChange: isChange)
        losses += 1
        guard losses <= patience else { throw error }
      }
    }
  }

  /// The encoder that takes frames; waits while there is none.
  nonisolated(nonsending) func readyEncoder() async throws(EncoderError) -> RecoveryCore.Numbered {
    while true {
      switch core.withLock({ $0.admission }) {
      case .encoder(let current): return current
      case .refuse(let error): throw error
      case .wait:
        if let error = await wait(asReader: false) { throw error }
        if Task.isCancelled { throw EncoderError(.cancelled, "the waiting task was cancelled") }
      }
    }
  }

  /// Begins a recovery when an error means the end of an encoder; else it is the caller's.
  ///
  /// A change that fails may leave a working encoder behind, with what was in force before.
  func judge(
    _ error: EncoderError, of current: RecoveryCore.Numbered, afterChange: Bool = false
  ) throws(EncoderError) {
    switch error.code {
    case .cancelled, .invalidFrame, .invalidConfiguration: throw error
    case .deviceLost where !afterChange, .deviceStalled where !afterChange: break
    default: guard current.encoder.statistics.hasEnded else { throw error }
    }
    noteFailure(of: current.number, error)
  }

  func announceLost(_ presentationTimes: [Int64]) {
    guard !presentationTimes.isEmpty else { return }
    core.withLock { $0.lost(presentationTimes.count) }
    for time in presentationTimes { observer.event?(.frameLost(presentationTime: time)) }
  }

  // MARK: - The reader

  func nextStream() -> RecoveryCore.Reading { core.withLock { $0.reading } }

  func deliver(_ packet: EncodedPacket, from number: Int) -> EncodedPacket {
    core.withLock { $0.deliver(packet, from: number) }
  }

  /// The packets of an encoder are all read; one that failed is followed by another.
  func streamEnded(_ number: Int, _ error: EncoderError?) {
    if let error { noteFailure(of: number, error) }
    // Not before: without a stream and without a recovery, packets are over.
    core.withLock { $0.streamEnded(number) }
  }

  // MARK: - The end

  func close() async {
    let (current, work) = endWork()
    await finish(current, work)
  }

  /// Waits for the end of everything; then frames whose packets will never come are released.
  private func finish(_ current: RecoveryCore.Numbered?, _ work: Task<Void, Never>?) async {
    await current?.encoder.close()
    await work?.value
    _ = retained.takeAll()
  }

  /// Asks for the end; does not wait for it.
  func requestClose() {
    let (current, work) = endWork()
    Task.detached { await self.finish(current, work) }
  }

  private func endWork() -> (RecoveryCore.Numbered?, Task<Void, Never>?) {
    retained.close()
    let (current, work) = core.withLock { $0.close() }
    work?.cancel()
    resumeWaiters()
    return (current, work)
  }

  // MARK: - Waiters

  /// Waits until a recovery has come further; an error ends the waiting.
  nonisolated(nonsending) func wait(asReader isReader: Bool) async -> EncoderError? {
    let identity = core.withLock { $0.makeIdentity() }
    return await withTaskCancellationHandler {
      await suspend { (suspension: Suspension<EncoderError?>) in
        let waiter = RecoveryCore.Waiter(
          identity: identity, isReader: isReader, suspension: suspension)
        let mustWait = core.withLock { core in !Task.isCancelled && core.enter(waiter) }
        if !mustWait { suspension.resume(returning: nil) }
      }
    } onCancel: {
      core.withLock { $0.takeWaiter(identity) }?.suspension.resume(returning: nil)
    }
  }

  /// Resumes everybody who need not wait any longer, outside the lock.
  func resumeWaiters() {
    for waiter in core.withLock({ $0.takeReadyWaiters() }) {
      waiter.suspension.resume(returning: nil)
    }
  }
}

extension EncoderObserver {
  /// The same observer for one of several encoders, which also tells what left it.
  ///
  /// It holds only the table, so that an encoder never holds who owns it.
  func telling(_ retained: RetainedFrames, of number: Int) -> EncoderObserver {
    var observer = self
    observer.frameLeft = { [frameLeft] presentationTime in
      frameLeft?(presentationTime)
      retained.left(presentationTime, number)
    }
    observer.event = { [event] happening in
      // Such a frame is given to the next encoder, unless there will be none.
      if case .frameDropped(_, .ended) = happening, !retained.isClosed { return }
      event?(happening)
    }
    return observer
  }
}
