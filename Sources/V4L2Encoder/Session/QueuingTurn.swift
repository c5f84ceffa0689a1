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

  /// Somebody who waits while another thread makes his request.
  struct Holder {
    let answer: Deferred<EncoderError?>
    let frame: ReadyFrame
    /// The frame's key among those inside the driver; nil before it is there.
    var key: Int64?
  }

  /// Whether somebody has the turn.
  private(set) var isTaken = false
  /// When the holder began; nil while he has not, since his task has found no thread yet.
  private(set) var begun: MonotonicTime?
  private var successors: [Successor] = []
  private var lastIdentity: UInt64 = 0
  /// The holder, if another thread makes his request.
  var holder: Holder?
  /// Whether the holder was told what becomes of his frame before his request returned.
  private var isSettled = false

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

  /// Passes the turn on.
  ///
  /// - Returns: who has it now, is to be resumed, and then calls `begin`; and whether the former
  ///   holder was told what becomes of his frame.
  mutating func pass() -> (next: Successor?, wasSettled: Bool) {
    defer {
      holder = nil
      isSettled = false
    }
    begun = nil
    isTaken = !successors.isEmpty
    return (isTaken ? successors.removeFirst() : nil, isSettled)
  }

  /// Somebody to whom the turn was passed makes use of it.
  mutating func begin() { begun = .now }

  /// Takes out somebody who does not want to wait any longer; nil when he waits no more.
  mutating func remove(_ identity: UInt64) -> Successor? {
    guard let index = successors.firstIndex(where: { $0.identity == identity }) else { return nil }
    return successors.remove(at: index)
  }

  /// The holder makes his request himself after all.
  mutating func withdrawHolder() {
    holder = nil
    isSettled = false
  }

  /// Takes out everybody who can be told that the session has ended; what the holder is told then
  /// is what becomes of his frame, whatever his request says.
  mutating func takeWaiters() -> (holder: Holder?, successors: [Successor]) {
    defer {
      isSettled = isSettled || holder != nil
      holder = nil
      successors = []
    }
    return (holder, successors)
  }
}
