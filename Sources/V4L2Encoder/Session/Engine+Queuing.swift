/// A frame in a buffer, ready for the driver.
struct ReadyFrame: Sendable {
  let index: Int
  /// What the buffer belongs to.
  let setup: StreamSetup
  let presentationTime: Int64
  let duration: Int64
  let options: FrameOptions
  /// When `encode` was called.
  let start: MonotonicTime
  var input = EngineCore.Input.mapped
  /// How many bytes of the picture were copied.
  var copied = 0
}

/// From a written buffer to the driver.
extension Engine {
  /// Hands a frame to the driver when it is its turn, on the caller's thread if that may be held
  /// up.
  nonisolated(nonsending) func queue(_ frame: ReadyFrame) async throws(EncoderError) {
    do throws(EncoderError) {
      try await takeTurn()
    } catch {
      giveBack(frame.index, of: frame.setup)
      settle(queued: false)
      throw error
    }
    guard CallerRequests.enter() else { return try await queueElsewhere(frame) }
    defer { CallerRequests.leave() }
    try queueInTurn(frame)
  }

  private nonisolated(nonsending) func takeTurn() async throws(EncoderError) {
    if turn.withLock({ $0.take() }) { return }
    let identity = turn.withLock { $0.makeIdentity() }
    let error = await withTaskCancellationHandler {
      await suspend { (suspension: Suspension<EncoderError?>) in
        let successor = QueuingTurn.Successor(identity: identity, suspension: suspension)
        if turn.withLock({ $0.takeOrWait(successor) }) {
          suspension.resume(returning: nil)
        } else {
          armWatchdog()
          if Task.isCancelled { cancelTurn(identity) }
          giveUpTurnsIfOver()
        }
      }
    } onCancel: {
      cancelTurn(identity)
    }
    if let error { throw error }
    turn.withLock { $0.begin() }
  }

  private func cancelTurn(_ identity: UInt64) {
    turn.withLock { $0.remove(identity) }?.suspension.resume(
      returning: EncoderError(.cancelled, "the waiting task was cancelled"))
  }

  /// Has another thread hand the frame over, so that its caller can be told of the session's end.
  ///
  /// Until then he waits as he would inside the request: the frame may still come out, and an error
  /// would make him send it twice.
  private nonisolated(nonsending) func queueElsewhere(
    _ frame: ReadyFrame
  ) async throws(EncoderError) {
    let answer = Deferred<EncoderError?>()
    turn.withLock { $0.holder = QueuingTurn.Holder(answer: answer, frame: frame) }
    do throws(Errno) {
      try DeviceThread.start(named: "v4l2-request") {
        do throws(EncoderError) {
          try self.queueInTurn(frame, isElsewhere: true)
          answer.fulfill(nil)
        } catch {
          answer.fulfill(error)
        }
      }
    } catch {
      // Without room for a thread, the caller's own is all that is left.
      turn.withLock { $0.withdrawHolder() }
      return try queueInTurn(frame)
    }
    armWatchdog()
    giveUpTurnsIfOver()
    if let error = await answer.value() ?? nil { throw error }
  }

  private func queueInTurn(
    _ frame: ReadyFrame, isElsewhere: Bool = false
  ) throws(EncoderError) {
    do throws(EncoderError) {
      try handOver(frame, isElsewhere: isElsewhere)
    } catch {
      passTurn()
      throw error
    }
    if !passTurn() { core.withLock { $0.countQueued(frame) } }
    settle(queued: true)
  }

  /// Lets the next one queue; whether the session's end has settled what becomes of the frame.
  @discardableResult
  private func passTurn() -> Bool {
    let (next, wasSettled) = turn.withLock { $0.pass() }
    next?.suspension.resume(returning: nil)
    return wasSettled
  }

  /// Makes the entry in the table and the request one step, so that the driver gets the frames of
  /// several callers in the order of the table.
  ///
  /// A kernel driver's own queue lock would make those callers wait for each other as well.
  private func handOver(_ frame: ReadyFrame, isElsewhere: Bool) throws(EncoderError) {
    let index = frame.index
    let options = frame.options
    if options.forceKeyFrame { try forceKeyFrame(with: frame) }
    let microseconds = configuration.microseconds(frame.presentationTime)
    let key = core.withLock { core -> Int64? in
      guard core.setup === frame.setup else { return nil }
      let duration = frame.duration > 0 ? frame.duration : core.defaultDuration
      // A rest may have been long: the device's time to answer starts with its first frame, also
      // when it keeps back others. How many those are is not known before the first packet.
      if core.pool.heldByDriver == 0 || core.framesKeptBack == nil || core.isResting {
        core.lastProgress = .now
      }
      core.pool.handToDriver(index)
      core.attach(frame.input, to: index)
      if options.forceKeyFrame { core.isKeyFrameOwed = false }
      core.timeline.frameQueued(presentationTime: frame.presentationTime, duration: duration)
      core.statistics.deviceRequests += 1
      let key = core.pending.insert(
        presentationTime: frame.presentationTime, duration: duration, microseconds: microseconds,
        begun: frame.start, handedOver: .now)
      core.notePace { $0.frameQueued(owed: $1, at: .now) }
      return key
    }
    guard let key else {
      settle(queued: false)
      throw EncoderError.lentBeforeAChange
    }
    if isElsewhere { turn.withLock { $0.holder?.key = key } }
    do throws(Errno) {
      try device.handle.queueFrame(
        device.outputType, index: index, bytesUsed: frame.setup.writer.bytesUsed, timestamp: key,
        bytes: frame.input.bytes)
    } catch {
      let failure = EncoderError(
        "VIDIOC_QBUF", error, device: device.path, while: "queuing a frame")
      if isElsewhere { turn.withLock { $0.holder?.key = nil } }
      takeBack(frame, key: key)
      if failure.code == .deviceLost { fail(failure) }
      settle(queued: false)
      if failure.code == .deviceLost { device.handle.wake() }
      throw failure
    }
  }

  private func forceKeyFrame(with frame: ReadyFrame) throws(EncoderError) {
    do throws(EncoderError) {
      try forceKeyFrame()
    } catch {
      core.withLock { $0.isKeyFrameOwed = false }
      // What a dropped frame asked for in vain is no fault of this one.
      guard frame.options.inheritsKeyFrame, error.code == .unsupported else {
        giveBack(frame.index, of: frame.setup)
        settle(queued: false)
        throw error
      }
      observer.emit(.info, error.message)
    }
  }

  /// Undoes the entry of a frame that the driver did not take.
  private func takeBack(_ frame: ReadyFrame, key: Int64) {
    core.withLock { core in
      // The caller holds the frame too, so nothing is released under the lock.
      _ = core.detach(frame.index)
      core.pending.cancel(key: key)
      core.notePace { if $1 == 0 { $0.rests() } }
      core.timeline.frameSkipped(presentationTime: frame.presentationTime)
      core.pool.takeBackFromDriver(frame.index)
      core.pool.release(frame.index)
    }
  }

  /// Tells those of the session's end who wait for a request of somebody else's, or for a thread
  /// that makes theirs.
  func giveUpTurns(_ error: EncoderError) {
    let (holder, successors) = turn.withLock { $0.takeWaiters() }
    if let holder {
      // The reader can get no further packet. One may have come before the request returned.
      let isOut = core.withLock { core -> Bool in
        guard let key = holder.key, !core.pending.contains(key: key) else { return false }
        core.countQueued(holder.frame)
        return true
      }
      holder.answer.fulfill(isOut ? nil : error)
    }
    for successor in successors { successor.suspension.resume(returning: error) }
  }

  private func giveUpTurnsIfOver() {
    // Until then packets may still come; whoever ends the session gives the turns up after it.
    guard mailbox.isFinished, let error = core.withLock({ $0.machine.terminalError }) else {
      return
    }
    giveUpTurns(error)
  }
}

extension EngineCore {
  /// Counts a frame that is encoded.
  fileprivate mutating func countQueued(_ frame: ReadyFrame) {
    statistics.framesIn += 1
    statistics.bytesCopied += frame.copied
  }
}
