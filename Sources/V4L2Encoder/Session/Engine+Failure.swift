/// How a session fails, and who notices when the device thread cannot.
extension Engine {
  /// Ends the session: everybody who waits or will call is told.
  func fail(_ error: EncoderError) {
    core.withLock { core in core.machine.fail(error) }
    mailbox.finish(.failure(error))
    giveUpRestJobs(error)
    abandonWaitingFrames()
    resumeWaiters()
  }

  /// Watches the device thread while somebody waits.
  ///
  /// The thread keeps every deadline itself, unless a request never returns (a frozen server
  /// behind a device file); then its heartbeat stops, and whoever waits is told here.
  func armWatchdog() {
    let mustStart = core.withLock { core -> Bool in
      guard !core.isWatched else { return false }
      core.isWatched = true
      return true
    }
    guard mustStart else { return }
    Task.detached { [weak self, deadlines = configuration.deadlines] in
      let patience = deadlines.progress + .seconds(1)
      while true {
        guard let before = self?.core.withLock({ $0.heartbeat }) else { return }
        try? await Task.sleep(for: patience)
        // A restart may take as long as setting up does.
        if self?.isRestarting(since: before) == true { try? await Task.sleep(for: deadlines.setup) }
        guard let self, self.isWorthWatching(since: before, patience: patience) else { return }
      }
    }
  }

  func isRestarting(since heartbeat: UInt64) -> Bool {
    core.withLock { $0.heartbeat == heartbeat && $0.machine.state == .restarting }
  }

  /// Ends the session if the device thread has stood still; false when nobody waits any more.
  func isWorthWatching(since heartbeat: UInt64, patience: Duration) -> Bool {
    let (isWaitedFor, hasStood) = core.withLock { core -> (Bool, Bool) in
      let isWaitedFor = core.hasWaiters && !core.hasExited
      let hasStood = core.heartbeat == heartbeat
      if !isWaitedFor || hasStood { core.isWatched = false }
      return (isWaitedFor, hasStood)
    }
    guard isWaitedFor else { return false }
    guard hasStood else { return true }
    fail(
      EncoderError(
        .deviceStalled,
        "\(device.path) has not returned from a request for \(patience); open the encoder again"))
    return false
  }
}
