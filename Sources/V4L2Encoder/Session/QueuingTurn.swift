/// Whose turn it is to hand a frame to the driver, which gets them in the order of the table.
///
/// The holder's request may take as long as it likes, or for ever. Whoever comes meanwhile waits as
/// a task, which holds no thread, and can be told of the session's end.
struct QueuingTurn {
  /// Resumed with nil for whoever has the turn now, with an error for whoever will not have it.
  struct Successor {
    let identity: UInt64
    let suspension: Suspension<EncoderError?>
  }

  /// Whether somebody has the turn.
  private(set) var isTaken = false
  /// When the holder began; nil while he has not, since his task has found no thread yet.
  private(set) var begun: MonotonicTime?
  private var successors: [Successor] = []
  private var lastIdentity: UInt64 = 0
  /// What the holder waits for whose request another thread makes.
  var holder: Deferred<EncoderError?>?

  /// Takes the turn if nobody has it.
  mutating func take() -> Bool {
    guard !isTaken else { return false }
    isTaken = true
    begun = .now
    return true
  }

  mutating func makeIdentity() -> UInt64 {
    lastIdentity += 1
    return lastIdentity
  }

  /// Takes the turn, or lets somebody wait for it.
  mutating func takeOrWait(_ successor: Successor) -> Bool {
    if take() { return true }
    successors.append(successor)
    return false
  }

  /// Passes the turn on; whoever has it now is to be resumed, and then calls `begin`.
  mutating func pass() -> Successor? {
    holder = nil
    begun = nil
    isTaken = !successors.isEmpty
    return isTaken ? successors.removeFirst() : nil
  }

  /// Somebody to whom the turn was passed makes use of it.
  mutating func begin() { begun = .now }

  /// Takes out somebody who does not want to wait any longer; nil when he waits no more.
  mutating func remove(_ identity: UInt64) -> Successor? {
    guard let index = successors.firstIndex(where: { $0.identity == identity }) else { return nil }
    return successors.remove(at: index)
  }

  /// Takes out everybody who can be told that the session has ended.
  mutating func takeWaiters() -> (holder: Deferred<EncoderError?>?, successors: [Successor]) {
    defer {
      holder = nil
      successors = []
    }
    return (holder, successors)
  }
}
