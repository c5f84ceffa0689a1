/// The queue in front of the device, which drops its oldest frames.
extension Engine {
  /// Brings a frame into the device if there is room and nobody waits, into the queue otherwise.
  nonisolated(nonsending) func encodeOrEnqueue(
    _ offered: OfferedFrame, capacity: Int
  ) async throws(EncoderError) {
    if offered.image == nil, core.withLock({ $0.backing.memory == .imported }) {
      throw EncoderError.frameInMemory
    }
    switch try await reservePassingNobody(offered) {
    case .dropped(let reason):
      drop(offered, because: reason)
      return
    case .buffer(let index):
      var ready = offered
      ready.options = settleKeyFrame(offered.options)
      // A refusal to read frames where they are is met again by the feeder, who may wait.
      guard try await submit(ready, in: index) != nil else { return }
    case nil: break
    }
    while let late = core.withLock({ $0.takeFrameInTheWay(of: offered) }) {
      drop(late, because: .late)
    }
    try enqueue(offered, capacity: capacity)
  }

  private nonisolated(nonsending) func reservePassingNobody(
    _ offered: OfferedFrame
  ) async throws(EncoderError) -> InputGrant? {
    let mayPass = core.withLock { core in
      let wantsKeyFrame = offered.options.forceKeyFrame || core.isKeyFrameOwed
      return !core.waiting.isBeingFed && !(wantsKeyFrame && core.setup.report.keyFrames == .restart)
    }
    guard mayPass else { return nil }
    return try await reserveAtOnce(
      InputClaim(
        frame: offered.frame, image: offered.image, patience: .wait, start: offered.start))
  }

  private func enqueue(_ offered: OfferedFrame, capacity: Int) throws(EncoderError) {
    let (error, displaced, mustFeed) = core.withLock {
      core -> (EncoderError?, OfferedFrame?, Bool) in
      let error = core.machine.terminalError ?? core.setup.writer.refusal(of: offered.frame)
      if let error { return (error, nil, false) }
      let displaced = core.waiting.count >= capacity ? core.waiting.removeFirst() : nil
      core.waiting.append(offered)
      return (nil, displaced, core.waiting.beginFeeding())
    }
    if let error { throw error }
    if mustFeed { Task.detached { await self.feed() } }
    // The loop has to know when the frame's time is over.
    if configuration.latencyBudget != nil { device.handle.wake() }
    if let displaced { drop(displaced, because: .displaced) }
    // A drain may have waited for a frame that was dropped.
    resumeWaiters()
  }

  // MARK: - Feeding

  /// Brings frames into the device until none waits.
  private func feed() async {
    while core.withLock({ $0.waiting.feedingGoesOn() }) {
      // There is nobody to tell of an error. An end of the session has emptied the queue; whatever
      // else keeps buffers from coming back (nobody reads, all are on loan) may pass.
      try? await feedOne()
    }
  }

  private nonisolated(nonsending) func feedOne() async throws(EncoderError) {
    let mustRestart = core.withLock { core in
      core.setup.report.keyFrames == .restart
        && (core.isKeyFrameOwed || core.waiting.first?.options.forceKeyFrame == true)
    }
    if mustRestart {
      try await drainDevice()
      core.withLock { core in
        core.isKeyFrameOwed = false
        core.waiting.settleKeyFrameOfFirst()
      }
    }
    let claim = InputClaim(image: core.withLock { $0.waiting.first?.image }, patience: .wait)
    guard case .buffer(let index) = try await reserve(claim) else { return }
    dropLateFrames()
    let refusal = await submitFirst(in: index)
    core.withLock { $0.waiting.settleInHand() }
    resumeWaiters()
    if let refusal { try await switchToCopies(refusal) }
  }

  /// Brings the oldest frame into a reserved buffer; returns the errno when the driver refuses to
  /// read frames where they are, and the frame waits again.
  private nonisolated(nonsending) func submitFirst(in index: Int) async -> Errno? {
    guard var offered = core.withLock({ $0.waiting.takeInHand() }) else {
      cancelReservation(of: index)
      return nil
    }
    offered.options = settleKeyFrame(offered.options)
    do throws(EncoderError) {
      guard let refusal = try await submit(offered, in: index) else { return nil }
      let hasEnded = core.withLock { core -> Bool in
        guard core.machine.terminalError == nil else { return true }
        core.waiting.putBack(offered)
        return false
      }
      if hasEnded { drop(offered, because: .ended) }
      return refusal
    } catch {
      let hasEnded = core.withLock { $0.machine.terminalError != nil }
      drop(offered, because: hasEnded ? .ended : .refused(error))
      return nil
    }
  }

  /// What is asked for a frame whose buffer is reserved, requests of dropped frames included.
  private func settleKeyFrame(_ options: FrameOptions) -> FrameOptions {
    var options = options
    options.inheritsKeyFrame = !options.forceKeyFrame
    options.forceKeyFrame = core.withLock { core in
      let isWanted = options.forceKeyFrame || core.isKeyFrameOwed
      guard core.setup.report.keyFrames == .restart else { return isWanted }
      // It came to its turn while another one's restart was under way; the next frame gets its own.
      core.isKeyFrameOwed = isWanted
      return false
    }
    return options
  }
}
