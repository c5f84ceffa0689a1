/// What the device thread waits for.
extension EngineCore {
  struct Wait {
    var interest: Readiness
    /// When it ends at the latest.
    var end: MonotonicTime
  }

  /// Whether the present wait has to be ended so that somebody who waits for an input gets one.
  var mustWakeForInputs: Bool {
    guard let wait, !wait.interest.contains(.output) else { return false }
    guard wait.interest.contains(.capture), packetsBringInputs else { return true }
    return wait.end > latestPacketTime
  }

  /// What to wait for, no longer than until `deadline`.
  mutating func nextWait(
    hasRoom: Bool, ignoresEvents: Bool, until deadline: MonotonicTime, now: MonotonicTime
  ) -> Wait {
    var wait = Wait(interest: ignoresEvents ? [] : .event, end: deadline)
    guard machine.expectsPackets else { return wait }
    if captureHeld > 0, hasRoom { wait.interest.insert(.capture) }
    if packetsBringInputs, now >= latestPacketTime { inputReturns.packetIsLate() }
    if packetsBringInputs, wait.interest.contains(.capture) {
      wait.end = min(wait.end, latestPacketTime)
    } else if pool.heldByDriver > 0, !inputWaiters.isEmpty || isUnderPressure {
      wait.interest.insert(.output)
    }
    return wait
  }

  /// Whether each input that the driver holds is owed a packet that brings it along.
  private var packetsBringInputs: Bool {
    inputReturns.comeWithPackets && !isResting && pool.heldByDriver > 0
      && pool.heldByDriver <= pending.count
  }

  /// When the next packet is so late that its input is not waited for with it.
  private var latestPacketTime: MonotonicTime { lastProgress + inputReturns.patience }
}
