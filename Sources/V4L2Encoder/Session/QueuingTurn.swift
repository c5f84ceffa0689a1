/// Whose turn it is to hand a frame to the driver, which gets them in the order of the table.
///
/// The holder's request may take as long as it likes, or for ever. Whoever comes meanwhile waits as
/// a task, which holds no thread, and can be told of the session's end.
struct QueuingTurn {
  /// Resumed with nil for whoever has the turn now, with an error for whoever will not have it.
  typealias Successor = Suspension<EncoderError?>

  /// When the holder got the turn; nil while nobody has it.
  private(set) var heldSince: MonotonicTime?
  private var successors: [Successor] = []
  /// What the holder waits for whose request another thread makes.
  var holder: Deferred<EncoderError?>?

  /// Takes the turn if nobody has it.
  mutating func take() -> Bool {
    guard heldSince == nil else { return false }
    heldSince = .now
    return true
  }

  /// Takes the turn, or lets somebody wait for it.
  mutating func takeOrWait(_ successor: Successor) -> Bool {
    if take() { return true }
    successors.append(successor)
    return false
  }

  /// Passes the turn on; whoever has it now is to be resumed.
  mutating func pass() -> Successor? {
    holder = nil
    heldSince = successors.isEmpty ? nil : .now
    return successors.isEmpty ? nil : successors.removeFirst()
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
