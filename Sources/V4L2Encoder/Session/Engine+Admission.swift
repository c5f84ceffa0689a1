/// Which frames get an input buffer, and which are dropped.
extension Engine {
  /// What `encode` does when no buffer is free; the queue of `dropOldest` has a feeder that waits.
  var patience: InputClaim.Patience {
    switch configuration.admission {
    case .wait, .dropOldest: .wait
    case .dropNewest: .drop
    case .fail: .fail
    }
  }

  /// Reserves a free buffer, or leave to queue the one the caller holds.
  nonisolated(nonsending) func reserve(
    _ claim: InputClaim
  ) async throws(EncoderError) -> InputGrant {
    do throws(EncoderError) {
      if let grant = try await reserveAtOnce(claim) { return grant }
      if let refusal = refusal(of: claim) { return try refusal.get() }
    } catch {
      if error.code == .wouldBlock, claim.start != nil {
        announce(core.withLock { $0.noteOverrun() })
      }
      throw error
    }
    let identity = core.withLock { $0.makeIdentity() }
    let result = await withTaskCancellationHandler {
      await suspend { (suspension: Suspension<Result<InputGrant, EncoderError>>) in
        let (mustWake, divisor) = core.withLock { core -> (Bool, Int?) in
          core.inputWaiters.append(
            EngineCore.InputWaiter(
              identity: identity, claim: claim, since: .now, suspension: suspension))
          core.isUnderPressure = true
          let divisor = core.isOverrun(claim) ? core.noteOverrun() : nil
          // The loop has to know when the waiter's time is over.
          let hasLimit = core.latency != nil
          return (hasLimit || core.waitsFor.map { !$0.contains(.output) } ?? false, divisor)
        }
        if mustWake { device.handle.wake() }
        announce(divisor)
        armWatchdog()
        // A cancellation or a free buffer may have come before the waiter was in the table.
        if Task.isCancelled { cancelWaiter(identity) }
        resumeWaiters()
      }
    } onCancel: {
      cancelWaiter(identity)
    }
    return try result.get()
  }

  /// Reserves a buffer if that takes no waiting.
  nonisolated(nonsending) func reserveAtOnce(
    _ claim: InputClaim
  ) async throws(EncoderError) -> InputGrant? {
    if let grant = try tryToReserve(claim) { return grant }
    // The device may be done with a frame that nobody has fetched yet. Under pressure the device
    // thread asks for it anyway, and asking here too would be one request in vain per frame.
    guard claim.heldIndex == nil, !core.withLock({ $0.isUnderPressure }),
      await reclaimOneInputInTransit()
    else { return nil }
    return try tryToReserve(claim)
  }

  private func tryToReserve(_ claim: InputClaim) throws(EncoderError) -> InputGrant? {
    let (result, mustWake) = core.withLock { core -> (Result<InputGrant?, EncoderError>, Bool) in
      if let frame = claim.frame, let refusal = core.setup.writer.refusal(of: frame) {
        return (.failure(refusal), false)
      }
      if let refusal = core.lateness(of: claim) { return (refusal.map { $0 }, false) }
      guard claim.heldIndex != nil || core.inputWaiters.isEmpty else {
        return (.success(nil), false)
      }
      switch core.machine.admit() {
      case .proceed: break
      case .wait: return (.success(nil), false)
      case .restart: return (.success(nil), true)
      case .refuse(let error): return (.failure(error), false)
      }
      guard
        let index = claim.heldIndex ?? core.pool.reserve(preferring: core.place(of: claim.image))
      else { return (.success(nil), false) }
      core.machine.frameReserved()
      return (.success(.buffer(index)), false)
    }
    if mustWake { device.handle.wake() }
    return try result.get()
  }

  /// What those are told at once who do not wait for a buffer.
  ///
  /// A drain or a restart is waited for by everybody: it is no sign of a device that is too slow.
  private func refusal(of claim: InputClaim) -> Result<InputGrant, EncoderError>? {
    guard claim.patience != .wait, claim.heldIndex == nil else { return nil }
    return core.withLock { core in
      guard core.machine.state == .streaming, !core.pool.hasFree else { return nil }
      return claim.refusal(bufferCount: core.pool.count)
    }
  }

  // MARK: - Frame rate

  /// Whether a frame is to be encoded at the present frame rate.
  ///
  /// What will be refused is let through to its refusal.
  func isLetThrough(_ frame: VideoFrame?, at start: MonotonicTime) -> Bool {
    guard configuration.rateReduction != nil else { return true }
    let decision = core.withLock { core -> FrameRateReduction.Decision? in
      guard core.machine.terminalError == nil,
        frame.flatMap({ core.setup.writer.refusal(of: $0) }) == nil
      else { return nil }
      return core.rateReduction?.frame(at: .nanoseconds(start.nanoseconds))
    }
    announce(decision?.newDivisor)
    return decision?.isLetThrough ?? true
  }

  private func announce(_ divisor: Int?) {
    if let divisor { observer.event?(.frameRateDivided(by: divisor)) }
  }

  // MARK: - Drops

  /// Accounts for a frame that is not given to the device.
  func drop(
    _ presentationTime: Int64, _ options: FrameOptions, because reason: FrameDropReason
  ) {
    let divisor = core.withLock { core -> Int? in
      core.statistics.framesDropped.count(reason)
      if options.forceKeyFrame, !reason.isRefusal { core.isKeyFrameOwed = true }
      return reason.isOverrun ? core.noteOverrun() : nil
    }
    observer.event?(.frameDropped(presentationTime: presentationTime, reason: reason))
    // What the encoder had not begun at its end may be encoded by another one.
    if reason != .ended { observer.frameLeft?(presentationTime) }
    announce(divisor)
  }

  func drop(_ offered: OfferedFrame, because reason: FrameDropReason) {
    drop(offered.frame.presentationTime, offered.options, because: reason)
  }

  /// Drops what waits and would be late by now.
  func dropLateFrames() {
    while let late = core.withLock({ $0.takeLateFrame() }) { drop(late, because: .late) }
    resumeWaiters()
  }

  /// Nothing that waits can come into the device any more.
  func abandonWaitingFrames() {
    for offered in core.withLock({ $0.waiting.removeAll() }) { drop(offered, because: .ended) }
  }
}

extension EngineCore {
  /// Whether a frame waits because the device is too slow; with a budget, only a late one is.
  fileprivate func isOverrun(_ claim: InputClaim) -> Bool {
    latency == nil && claim.start != nil && claim.heldIndex == nil && machine.state == .streaming
      && !pool.hasFree
  }

  /// Counts a frame for which there was no room; the divisor of the frame rate, if it changes.
  fileprivate mutating func noteOverrun() -> Int? {
    statistics.overruns += 1
    return rateReduction?.overrun(at: .nanoseconds(MonotonicTime.now.nanoseconds))
  }
}

extension FrameDropReason {
  fileprivate var isRefusal: Bool {
    if case .refused = self { true } else { false }
  }

  /// Whether the device was too slow for the frame.
  fileprivate var isOverrun: Bool {
    switch self {
    case .noBuffer, .displaced, .late: true
    case .rateReduced, .ended, .refused: false
    }
  }
}
