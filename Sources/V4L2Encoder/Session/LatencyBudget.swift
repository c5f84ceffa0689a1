/// How long frames may take from `encode` to the packet, and how fast the device is.
struct LatencyBudget {
  let limit: Duration
  var pace = DevicePace()
  /// How long everything may be dropped because of a device that returns nothing.
  fileprivate let patience: Duration
  /// When a frame went in or a packet came out last.
  fileprivate var lastSign = MonotonicTime.now

  init(_ limit: Duration, deadlines: Deadlines) {
    self.limit = limit
    patience = max(limit, deadlines.progress / 4)
  }

  fileprivate func isLate(since start: MonotonicTime, behind owed: Int, at now: MonotonicTime)
    -> Bool
  {
    // An idle device takes every frame, however slow it is.
    guard owed > 0 else { return now - start >= limit }
    return now - start + pace.expected(behind: owed, at: now) >= limit
  }

  /// Whether a frame would be late that asks for the first time.
  ///
  /// One that finds the device idle is taken however slow the device is, and so is one now and then
  /// when nothing happens: the device may wait for more frames, against expectation.
  fileprivate func isLateFromTheStart(
    _ start: MonotonicTime, behind owed: Int, at now: MonotonicTime
  ) -> Bool {
    guard owed > 0, now - lastSign < patience else { return now - start >= limit }
    return isLate(since: start, behind: owed, at: now)
  }
}

extension EngineCore {
  /// Packets that the device owes, without those of frames that it keeps back until more come.
  private var owedPackets: Int {
    // What a packet may overtake, the device must keep back.
    max(0, pending.count - (framesKeptBack ?? 0) - setup.reorderDepth)
  }

  /// Lets the pace learn something, if anybody wants to know it; `change` gets the number of owed
  /// packets, too.
  mutating func notePace(_ change: (inout DevicePace, Int) -> Void) {
    guard var known = latency else { return }
    change(&known.pace, owedPackets)
    known.lastSign = .now
    latency = known
  }

  /// What is said to somebody who asks for a buffer and would be late.
  func lateness(of claim: InputClaim) -> Result<InputGrant, EncoderError>? {
    guard let latency, let start = claim.start,
      latency.isLateFromTheStart(start, behind: owedPackets + inputWaiters.count, at: .now)
    else { return nil }
    return claim.refusal(budget: latency.limit)
  }

  /// Takes a waiter who would be late by now.
  mutating func nextLateWaiter() -> Resumption? {
    guard let latency, !inputWaiters.isEmpty else { return nil }
    let now = MonotonicTime.now
    for (position, waiter) in inputWaiters.enumerated() {
      guard let start = waiter.claim.start,
        latency.isLate(since: start, behind: owedPackets + position, at: now)
      else { continue }
      inputWaiters.remove(at: position)
      return .input(waiter.suspension, waiter.claim.refusal(budget: latency.limit))
    }
    return nil
  }

  /// Takes the oldest frame out of the queue if it would be late by now.
  mutating func takeLateFrame() -> OfferedFrame? {
    guard let latency, let first = waiting.first,
      latency.isLate(since: first.start, behind: owedPackets, at: .now)
    else { return nil }
    return waiting.removeFirst()
  }

  /// Takes the oldest frame out of the queue if the next one would be late behind it.
  mutating func takeFrameInTheWay(of next: OfferedFrame) -> OfferedFrame? {
    guard let latency, waiting.first != nil,
      latency.isLate(since: next.start, behind: owedPackets + waiting.count, at: .now)
    else { return nil }
    return waiting.removeFirst()
  }

  /// When the time of a frame that waits is over at the latest; nil when none waits.
  var nextLateTime: MonotonicTime? {
    guard let latency else { return nil }
    let starts = inputWaiters.lazy.compactMap(\.claim.start)
    guard let first = [starts.min(), waiting.first?.start].compactMap(\.self).min() else {
      return nil
    }
    return first + (owedPackets > 0 ? latency.limit - latency.pace.shortest : latency.limit)
  }
}
