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
    if let index = try reserveAtOnce(claim) { return .buffer(index) }
    if let refusal = refusal(of: claim) { return try refusal.get() }
    let identity = core.withLock { $0.makeIdentity() }
    let result = await withTaskCancellationHandler {
      await suspend { (suspension: Suspension<Result<InputGrant, EncoderError>>) in
        let mustWake = core.withLock { core -> Bool in
          core.inputWaiters.append(
            EngineCore.InputWaiter(
              identity: identity, claim: claim, since: .now, suspension: suspension))
          core.isUnderPressure = true
          return core.waitsFor.map { !$0.contains(.output) } ?? false
        }
        if mustWake { device.handle.wake() }
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
  func reserveAtOnce(_ claim: InputClaim) throws(EncoderError) -> Int? {
    if let index = try tryToReserve(claim) { return index }
    // The device may be done with a frame that nobody has fetched yet. Under pressure the device
    // thread asks for it anyway, and asking here too would be one request in vain per frame.
    guard claim.heldIndex == nil, !core.withLock({ $0.isUnderPressure }),
      reclaimOneInputInTransit()
    else { return nil }
    return try tryToReserve(claim)
  }

  private func tryToReserve(_ claim: InputClaim) throws(EncoderError) -> Int? {
    let (result, mustWake) = core.withLock { core -> (Result<Int?, EncoderError>, Bool) in
      if let frame = claim.frame, let refusal = core.setup.writer.refusal(of: frame) {
        return (.failure(refusal), false)
      }
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
      return (.success(index), false)
    }
    if mustWake { device.handle.wake() }
    return try result.get()
  }

  /// What those are told at once who do not wait for a buffer.
  ///
  /// A drain or a restart is waited for by everybody: it is no sign of a device that is too slow.
  private func refusal(of claim: InputClaim) -> Result<InputGrant, EncoderError>? {
    guard claim.patience != .wait else { return nil }
    return core.withLock { core in
      guard core.machine.state == .streaming, !core.pool.hasFree else { return nil }
      return claim.refusal(bufferCount: core.pool.count)
    }
  }

  // MARK: - Drops

  /// Accounts for a frame that is not given to the device.
  func drop(_ offered: OfferedFrame, because reason: FrameDropReason) {
    core.withLock { core in
      core.statistics.framesDropped.count(reason)
      if offered.options.forceKeyFrame { core.isKeyFrameOwed = true }
    }
    observer.event?(
      .frameDropped(presentationTime: offered.frame.presentationTime, reason: reason))
    // What the encoder had not begun at its end may be encoded by another one.
    if reason != .ended { observer.frameLeft?(offered.frame.presentationTime) }
  }

  /// Nothing that waits can come into the device any more.
  func abandonWaitingFrames() {
    for offered in core.withLock({ $0.waiting.removeAll() }) { drop(offered, because: .ended) }
  }
}
