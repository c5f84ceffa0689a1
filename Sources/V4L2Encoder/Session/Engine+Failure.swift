/// How a session fails, and who notices when the device thread cannot.
extension Engine {
  /// Ends the session: everybody who waits or will call is told.
  func fail(_ error: EncoderError) {
    core.withLock { core in core.machine.fail(error) }
    mailbox.finish(.failure(error))
    giveUpRestJobs(error)
    giveUpTurns(error)
    abandonWaitingFrames()
    resumeWaiters()
  }

  /// Makes requests on a thread of their own, so that one that never returns holds no task.
  nonisolated(nonsending) func request<Answer: Sendable>(
    _ requests: @escaping @Sendable () -> Answer
  ) async throws(EncoderError) -> Answer {
    let limit = configuration.deadlines.progress
    guard let answer = await CallerRequests.elsewhere(within: limit, requests) else {
      let error = EncoderError(
        .deviceStalled,
        "\(device.path) has not returned from a change of its settings within \(limit); open the "
          + "encoder again")
      fail(error)
      device.handle.wake()
      throw error
    }
    return answer
  }

  /// Watches the device thread while somebody waits.
  ///
  /// The thread keeps every deadline itself, unless a request never returns (a frozen server
  /// behind a device file); then its heartbeat stops, and whoever waits is told here.
  func armWatchdog() {
    let heartbeat = core.withLock { core -> UInt64? in
      guard !core.isWatched else { return nil }
      core.isWatched = true
      return core.heartbeat
    }
    if let heartbeat { watch(since: heartbeat) }
  }

  private func watch(since heartbeat: UInt64) {
    let deadlines = configuration.deadlines
    let patience = deadlines.progress + .seconds(1)
    AlarmClock.shared.set(at: .now + patience) { [weak self] in
      // A restart may take as long as setting up does.
      guard self?.isRestarting(since: heartbeat) == true else {
        self?.look(since: heartbeat, patience: patience)
        return
      }
      AlarmClock.shared.set(at: .now + deadlines.setup) { [weak self] in
        self?.look(since: heartbeat, patience: patience + deadlines.setup)
      }
    }
  }

  private func look(since heartbeat: UInt64, patience: Duration) {
    guard let now = goesOn(since: heartbeat) else { return }
    guard now == heartbeat else {
      watch(since: now)
      return
    }
    let end: @Sendable () -> Void = {
      self.fail(
        EncoderError(
          .deviceStalled,
          "\(self.device.path) has not returned from a request for \(patience); open the encoder "
            + "again"))
    }
    // The observer is called, and may take its time; alarms of other encoders do not wait for it.
    do throws(Errno) { try DeviceThread.start(named: "v4l2-watch", end) } catch { end() }
  }

  func isRestarting(since heartbeat: UInt64) -> Bool {
    core.withLock { $0.heartbeat == heartbeat && $0.machine.state == .restarting }
  }

  /// How far the device thread has come; nil when nobody waits for it any more.
  private func goesOn(since heartbeat: UInt64) -> UInt64? {
    let isInRequest = turn.withLock { $0.isTaken }
    return core.withLock { core in
      let isWaitedFor = (core.hasWaiters || isInRequest) && !core.hasExited
      core.isWatched = isWaitedFor && core.heartbeat != heartbeat
      return isWaitedFor ? core.heartbeat : nil
    }
  }
}
