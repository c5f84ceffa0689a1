/// What must not take longer than it may.
extension EngineLoop {
  mutating func checkDeadlines(hasRoom: Bool) {
    let now = MonotonicTime.now
    let deadlines = engine.configuration.deadlines
    if let since = roomMissingSince, now >= since + deadlines.consumer {
      roomMissingSince = now
      failWaiters(
        EncoderError(
          .consumerStalled,
          "nobody has read packets for \(deadlines.consumer); read `packets` from another task"))
    }
    if engine.configuration.latencyBudget != nil { engine.dropLateFrames() }
    let oldest = MonotonicTime(
      nanoseconds: now.nanoseconds - deadlines.progress.inNanoseconds)
    let allLent = EncoderError(
      .buffersLent,
      "all input buffers are on loan; give one back, or open the encoder with more")
    while let resumption = engine.core.withLock({ core in
      core.nextHopelessWaiter(since: oldest, allLent)
    }) { resumption.resume() }
    if hasRoom { judgeProgress(now) }
  }

  /// Tells a device that is done, or rests, from one that is stuck.
  mutating func judgeProgress(_ now: MonotonicTime) {
    let deadlines = engine.configuration.deadlines
    let interval = engine.core.withLock { $0.configuration.frameRate.value }
    let patience = max(deadlines.progress, .seconds(interval > 0 ? 3 / interval : 0))
    let mustLook = engine.core.withLock { core -> Bool in
      guard case .draining(let sign) = core.machine.state else {
        return now - core.lastProgress >= patience
      }
      return now - core.lastProgress >= deadlines.patience(after: sign)
    }
    guard mustLook else {
      frameComingSince = nil
      return
    }
    // Frames that the device is done with were not fetched while nobody wanted their buffers.
    while engine.core.withLock({ $0.machine.expectsPackets }), engine.reclaimOneInput() {}
    enum Finding { case fine, drained, stalled(String) }
    let isSilent = isQuiet
    let inRequestSince = engine.turn.withLock { $0.begun }
    let coming = frameComing(now, isInRequest: inRequestSince != nil)
    let finding = engine.core.withLock { core -> Finding in
      // A drain after a rest has not reached the device yet; its time starts when it does.
      guard !core.machine.hasCommand else { return .fine }
      let rest = now - core.lastProgress
      switch core.machine.state {
      case .draining(let sign):
        guard rest >= deadlines.patience(after: sign) else { return .fine }
        // A frame that the driver still holds is still being encoded.
        let isDone = (isSilent && core.pool.heldByDriver == 0) || rest >= deadlines.progress
        if isDone, core.machine.silencePassed() { return .drained }
        guard rest >= deadlines.progress else { return .fine }
        return .stalled("did not finish the drain; \(core.pending.count) frames are missing")
      case .streaming, .stopping:
        guard rest >= patience else { return .fine }
        if let inRequestSince, now - inRequestSince >= patience {
          return .stalled("has not returned from taking a frame")
        }
        guard core.pool.heldByDriver > 0 else {
          guard coming == .overdue, core.hasWaiters else { return .fine }
          return .stalled("was not given a frame that its caller has begun to write")
        }
        // A device may keep frames back until more come: then nobody waits for it.
        let owesPackets = core.framesKeptBack != nil && !core.isResting
        let isAwaited = coming != .soon && (core.hasWaiters || !core.pool.hasFree)
        guard owesPackets || isAwaited else { return .fine }
        return .stalled(
          "returned none of \(core.pool.heldByDriver) frames"
            + (isSilent ? "" : ", though it says that buffers are ready,"))
      case .drained, .restarting, .failed, .closed: return .fine
      }
    }
    switch finding {
    case .fine: break
    case .drained: finishDrain()
    case .stalled(let what):
      engine.fail(
        EncoderError(
          .deviceStalled,
          "\(device.path) \(what) within \(patience); open the encoder again"))
    }
    engine.resumeWaiters()
  }

  /// A frame that a caller is still writing, and that a silent device may need.
  private enum FrameComing {
    case none, soon
    /// Its caller may never come back, say because it lies in a file whose server hangs: others who
    /// wait are to hear of it.
    case overdue
  }

  private mutating func frameComing(_ now: MonotonicTime, isInRequest: Bool) -> FrameComing {
    guard !isInRequest, engine.core.withLock({ $0.machine.framesInTransit > 0 }) else {
      frameComingSince = nil
      return .none
    }
    let deadlines = engine.configuration.deadlines
    let since = frameComingSince ?? now
    frameComingSince = since
    return now - since < deadlines.setup + deadlines.progress ? .soon : .overdue
  }

  /// Fails everybody who waits now; who comes back at once begins a new wait.
  func failWaiters(_ error: EncoderError) {
    let resumptions = engine.core.withLock { core -> [EngineCore.Resumption] in
      var resumptions: [EngineCore.Resumption] = []
      while let resumption = core.failedResumption(error) { resumptions.append(resumption) }
      return resumptions
    }
    for resumption in resumptions { resumption.resume() }
  }
}

extension Deadlines {
  /// How long nothing may come before a drain with such a sign of its end is over.
  func patience(after sign: SessionStateMachine.EndSign) -> Duration {
    switch sign {
    case .none: progress
    // An encoder may need long for the frame after a skipped one.
    case .vague: max(silence, progress / 2)
    case .announced: silence
    }
  }
}
