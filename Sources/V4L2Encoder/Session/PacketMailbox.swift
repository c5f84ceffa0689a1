/// A bounded hand-over of packets from the device thread to one reader.
package final class PacketMailbox: Sendable {
  private struct State {
    var packets: [EncodedPacket] = []
    /// Index of the oldest packet; those before it are taken.
    var head = 0
    var waiter: Suspension<Void>?
    var completion: Result<Void, EncoderError>?
    /// Whether the device thread waits for room.
    var isRoomWanted = false

    var count: Int { packets.count - head }

    mutating func take() -> EncodedPacket? {
      guard head < packets.count else { return nil }
      let packet = packets[head]
      head += 1
      if head == packets.count {
        packets.removeAll(keepingCapacity: true)
        head = 0
      }
      return packet
    }
  }

  private let capacity: Int
  private let state: Locked<State>
  private let roomMade: @Sendable () -> Void

  /// Creates an empty mailbox.
  ///
  /// - Parameters:
  ///   - capacity: how many packets may wait.
  ///   - roomMade: called when a packet was taken after `hasRoom` had said no.
  package init(capacity: Int, roomMade: @escaping @Sendable () -> Void) {
    self.capacity = max(1, capacity)
    self.roomMade = roomMade
    var initial = State()
    initial.packets.reserveCapacity(max(1, capacity))
    state = Locked(initial)
  }

  /// Whether one more packet fits; if not, `roomMade` will be called when it does.
  package func hasRoom() -> Bool {
    state.withLock { state in
      state.isRoomWanted = state.count >= capacity && state.completion == nil
      return !state.isRoomWanted
    }
  }

  /// Hands a packet over; the caller has made sure of room, so that none is ever refused.
  package func deliver(_ packet: EncodedPacket) {
    let waiter = state.withLock { state -> Suspension<Void>? in
      guard state.completion == nil else { return nil }
      state.packets.append(packet)
      return state.waiter.take()
    }
    waiter?.resume(returning: ())
  }

  /// Ends the stream after the packets that are already in it; the first ending stays.
  package func finish(_ completion: Result<Void, EncoderError>) {
    let waiter = state.withLock { state -> Suspension<Void>? in
      if state.completion == nil { state.completion = completion }
      return state.waiter.take()
    }
    waiter?.resume(returning: ())
  }

  /// Takes the next packet; waits for one, for the end, or for the task's cancellation (nil).
  package nonisolated(nonsending) func next() async throws(EncoderError) -> EncodedPacket? {
    enum Step { case packet(EncodedPacket, Bool), end, failed(EncoderError), wait }
    while true {
      let step = state.withLock { state -> Step in
        if let packet = state.take() {
          let wanted = state.isRoomWanted
          state.isRoomWanted = false
          return .packet(packet, wanted)
        }
        switch state.completion {
        case .success: return .end
        case .failure(let error): return .failed(error)
        case nil: return .wait
        }
      }
      switch step {
      case .packet(let packet, let isRoomWanted):
        if isRoomWanted { roomMade() }
        return packet
      case .end: return nil
      case .failed(let error): throw error
      case .wait:
        if Task.isCancelled { return nil }
        await wait()
      }
    }
  }

  private nonisolated(nonsending) func wait() async {
    await withTaskCancellationHandler {
      await suspend { suspension in
        let isReady = state.withLock { state in
          if state.count > 0 || state.completion != nil || Task.isCancelled { return true }
          state.waiter = suspension
          return false
        }
        if isReady { suspension.resume(returning: ()) }
      }
    } onCancel: {
      let waiter = state.withLock { state in state.waiter.take() }
      waiter?.resume(returning: ())
    }
  }
}
