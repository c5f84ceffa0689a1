/// The readers of a broadcast, and the way of a packet to each of them.
final class BroadcastHub: Sendable {
  private struct State {
    var queues: [BroadcastQueue] = []
    var hasBegun = false
    var hasPublished = false
    var isKeyFrameWanted = false
    var completion: Result<Void, EncoderError>?
  }

  private let state = Locked(State())

  /// Whether this is the first time.
  func begin() -> Bool {
    state.withLock { state in
      defer { state.hasBegun = true }
      return !state.hasBegun && state.completion == nil
    }
  }

  func subscribe(_ policy: PacketBroadcast.Policy, requestsKeyFrames: Bool) -> BroadcastQueue {
    let queue = BroadcastQueue(policy, requestsKeyFrames: requestsKeyFrames)
    let completion = state.withLock { state -> Result<Void, EncoderError>? in
      guard state.completion == nil else { return state.completion }
      state.queues.append(queue)
      // A stream starts with a key frame anyway.
      if requestsKeyFrames, state.hasPublished { state.isKeyFrameWanted = true }
      return nil
    }
    if let completion { queue.finish(completion) }
    return queue
  }

  func forget(_ queue: BroadcastQueue) {
    state.withLock { state in state.queues.removeAll { $0 === queue } }
    queue.abandon()
  }

  func takeKeyFrameRequest() -> Bool {
    let (isWanted, queues) = state.withLock { state -> (Bool, [BroadcastQueue]) in
      defer { state.isKeyFrameWanted = false }
      return (state.isKeyFrameWanted, state.queues)
    }
    // Every reader is asked, since one key frame serves all of them.
    return queues.reduce(isWanted) { wanted, queue in queue.takeKeyFrameRequest() || wanted }
  }

  func putBackKeyFrameRequest() { state.withLock { $0.isKeyFrameWanted = true } }

  /// Hands a packet to every reader; suspends while one that is to lose none has no room.
  nonisolated(nonsending) func publish(_ packet: EncodedPacket) async {
    let queues = state.withLock { state in
      state.hasPublished = true
      return state.queues
    }
    // Those who hold up nobody are served before anybody is waited for.
    var late: [BroadcastQueue] = []
    for queue in queues where queue.offer(packet) == .full { late.append(queue) }
    guard !late.isEmpty else { return }
    let start = MonotonicTime.now
    for queue in late { await deliver(packet, to: queue, waitingSince: start) }
  }

  private nonisolated(nonsending) func deliver(
    _ packet: EncodedPacket, to queue: BroadcastQueue, waitingSince start: MonotonicTime
  ) async {
    guard case .wait(_, let patience) = queue.policy else { return }
    guard await queue.waitForRoom(until: start + patience) else {
      state.withLock { state in state.queues.removeAll { $0 === queue } }
      queue.finish(
        .failure(
          EncoderError(
            .consumerStalled,
            "a reader of the broadcast left \(queue.policy.capacity) packets unread for "
              + "\(patience); let it read faster, or subscribe it with dropToNextKeyFrame")))
      return
    }
    _ = queue.offer(packet)
  }

  /// Ends every reader's sequence; the first ending stays.
  func finish(_ completion: Result<Void, EncoderError>) {
    let queues = state.withLock { state -> [BroadcastQueue] in
      guard state.completion == nil else { return [] }
      state.completion = completion
      defer { state.queues = [] }
      return state.queues
    }
    for queue in queues { queue.finish(completion) }
  }
}
