/// The packets that wait for one reader of a broadcast, and the decision what goes in.
final class BroadcastQueue: Sendable {
  /// What became of a packet.
  enum Answer { case settled, full }

  private struct State {
    var counters = PacketBroadcast.ReaderStatistics()
    /// Nothing goes in before a key frame: at the start, and after a loss.
    var awaitsKeyFrame = true
    /// Whether a key frame was asked for since the last loss.
    var hasAsked = true
    var iterators = 0
    var isGone = false
  }

  let policy: PacketBroadcast.Policy
  let mailbox: PacketMailbox
  private let requestsKeyFrames: Bool
  private let room: BroadcastRoom
  private let state = Locked(State())

  init(_ policy: PacketBroadcast.Policy, requestsKeyFrames: Bool) {
    self.policy = policy
    self.requestsKeyFrames = requestsKeyFrames
    let room = BroadcastRoom()
    self.room = room
    mailbox = PacketMailbox(capacity: policy.capacity) { room.announce() }
  }

  var statistics: PacketBroadcast.ReaderStatistics {
    var counters = state.withLock { $0.counters }
    counters.packetsWaiting = mailbox.waitingCount
    return counters
  }

  var isBeingRead: Bool { state.withLock { $0.iterators > 0 } }

  func readingBegins() { state.withLock { $0.iterators += 1 } }

  /// Whether nobody reads any more.
  func readingEnded() -> Bool {
    state.withLock { state in
      state.iterators -= 1
      return state.iterators == 0
    }
  }

  /// Takes a packet in or loses it; `full` only from a reader that is to lose none.
  func offer(_ packet: EncodedPacket) -> Answer {
    let hasRoom = mailbox.hasRoom()
    let (answer, isWanted) = state.withLock { state -> (Answer, Bool) in
      if state.isGone { return (.settled, false) }
      if state.awaitsKeyFrame, !packet.isKeyFrame {
        if state.counters.gaps > 0 { state.counters.packetsDropped += 1 }
        return (.settled, false)
      }
      if hasRoom {
        state.awaitsKeyFrame = false
        state.counters.packetsQueued += 1
        return (.settled, true)
      }
      switch policy {
      case .wait: return (.full, false)
      case .dropToNextKeyFrame:
        if !state.awaitsKeyFrame {
          state.counters.gaps += 1
          state.hasAsked = false
        }
        state.awaitsKeyFrame = true
        state.counters.packetsDropped += 1
        return (.settled, false)
      }
    }
    if isWanted { mailbox.deliver(packet) }
    return answer
  }

  /// Whether to ask for a key frame now; true once after each loss, when everything was read.
  ///
  /// Asking while the reader is still behind would bring more bits to a reader that is too slow.
  func takeKeyFrameRequest() -> Bool {
    guard requestsKeyFrames else { return false }
    let isAllRead = mailbox.waitingCount == 0
    return state.withLock { state in
      guard isAllRead, state.awaitsKeyFrame, !state.hasAsked else { return false }
      state.hasAsked = true
      return true
    }
  }

  /// Waits until there is room or the reader is gone; false when neither came in time.
  nonisolated(nonsending) func waitForRoom(until deadline: MonotonicTime) async -> Bool {
    while true {
      // Armed before it looks, so that room which comes in between is not missed.
      let change = room.arm()
      if Task.isCancelled || mailbox.hasRoom() || state.withLock({ $0.isGone }) { return true }
      let left = deadline - .now
      guard left > .zero else { return false }
      await withTaskCancellationHandler {
        _ = await change.value(within: left)
      } onCancel: {
        room.announce()
      }
    }
  }

  /// Ends the reader's sequence behind the packets that wait.
  func finish(_ completion: Result<Void, EncoderError>) { mailbox.finish(completion) }

  /// Takes nothing more; nobody reads it.
  func abandon() {
    state.withLock { $0.isGone = true }
    mailbox.finish(.success(()))
    room.announce()
  }
}

/// Wakes the task that feeds a broadcast when there is room in a queue.
private final class BroadcastRoom: Sendable {
  private let change = Locked(Deferred<Void>?.none)

  func arm() -> Deferred<Void> {
    let new = Deferred<Void>()
    change.withLock { $0 = new }
    return new
  }

  func announce() { change.withLock { $0.take() }?.fulfill(()) }
}
