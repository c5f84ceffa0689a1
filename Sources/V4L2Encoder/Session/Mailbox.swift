/// The way of packets to their reader.
package typealias PacketMailbox = Mailbox<EncodedPacket>

/// A bounded hand-over from a device thread to its readers.
package final class Mailbox<Element: Sendable>: Sendable {
  private struct State {
    /// A ring: what was taken is not kept alive by its place.
    var slots: [Element?]
    var head = 0
    var count = 0
    var readers: [Reader] = []
    var nextIdentity: UInt64 = 0
    var completion: Result<Void, EncoderError>?
    /// Whether the device thread waits for room.
    var isRoomWanted = false

    init(capacity: Int) { slots = Array(repeating: nil, count: capacity) }

    mutating func put(_ element: Element) {
      guard count < slots.count else { return }
      slots[(head + count) % slots.count] = element
      count += 1
    }

    mutating func take() -> Element? {
      guard count > 0 else { return nil }
      defer {
        head = (head + 1) % slots.count
        count -= 1
      }
      return slots[head].take()
    }

    mutating func takeReader() -> Suspension<Void>? {
      readers.isEmpty ? nil : readers.removeFirst().suspension
    }
  }

  /// What a reader finds.
  private enum Step { case element(Element, Bool), end, failed(EncoderError), wait }

  /// A task that waits for an element.
  private struct Reader {
    let identity: UInt64
    let suspension: Suspension<Void>
  }

  private let capacity: Int
  private let state: Locked<State>
  private let roomMade: @Sendable () -> Void

  /// Creates an empty mailbox.
  ///
  /// - Parameters:
  ///   - capacity: how many elements may wait.
  ///   - roomMade: called when one was taken after `hasRoom` had said no.
  package init(capacity: Int, roomMade: @escaping @Sendable () -> Void) {
    self.capacity = max(1, capacity)
    self.roomMade = roomMade
    state = Locked(State(capacity: max(1, capacity)))
  }

  /// Whether one more element fits; if not, `roomMade` will be called when it does.
  package func hasRoom() -> Bool {
    state.withLock { state in
      state.isRoomWanted = state.count >= capacity && state.completion == nil
      return !state.isRoomWanted
    }
  }

  /// Whether no further element is taken.
  package var isFinished: Bool { state.withLock { $0.completion != nil } }

  /// How many elements wait.
  package var waitingCount: Int { state.withLock { $0.count } }

  /// Hands an element over; the caller has made sure of room, so that only the end refuses one.
  ///
  /// - Returns: whether the element can be read.
  @discardableResult
  package func deliver(_ element: Element) -> Bool {
    let (isTaken, reader) = state.withLock { state -> (Bool, Suspension<Void>?) in
      guard state.completion == nil else { return (false, nil) }
      state.put(element)
      return (true, state.takeReader())
    }
    reader?.resume(returning: ())
    return isTaken
  }

  /// Ends the stream after the elements that are already in it; the first ending stays.
  package func finish(_ completion: Result<Void, EncoderError>) {
    let readers = state.withLock { state -> [Reader] in
      if state.completion == nil { state.completion = completion }
      defer { state.readers = [] }
      return state.readers
    }
    for reader in readers { reader.suspension.resume(returning: ()) }
  }

  /// Takes the next element if one is there.
  package func takeAtOnce() -> Element? {
    let (element, isRoomWanted) = state.withLock { state -> (Element?, Bool) in
      guard let element = state.take() else { return (nil, false) }
      defer { state.isRoomWanted = false }
      return (element, state.isRoomWanted)
    }
    if isRoomWanted { roomMade() }
    return element
  }

  /// Takes the next element; waits for one, for the end, or for the task's cancellation (nil).
  package nonisolated(nonsending) func next() async throws(EncoderError) -> Element? {
    while true {
      let step = state.withLock { state -> Step in
        if let element = state.take() {
          let wanted = state.isRoomWanted
          state.isRoomWanted = false
          return .element(element, wanted)
        }
        switch state.completion {
        case .success: return .end
        case .failure(let error): return .failed(error)
        case nil: return .wait
        }
      }
      switch step {
      case .element(let element, let isRoomWanted):
        if isRoomWanted { roomMade() }
        return element
      case .end: return nil
      case .failed(let error): throw error
      case .wait:
        if Task.isCancelled { return nil }
        await wait()
      }
    }
  }

  private nonisolated(nonsending) func wait() async {
    let identity = state.withLock { state -> UInt64 in
      state.nextIdentity += 1
      return state.nextIdentity
    }
    await withTaskCancellationHandler {
      await suspend { suspension in
        let isReady = state.withLock { state in
          if state.count > 0 || state.completion != nil || Task.isCancelled { return true }
          state.readers.append(Reader(identity: identity, suspension: suspension))
          return false
        }
        if isReady { suspension.resume(returning: ()) }
      }
    } onCancel: {
      let reader = state.withLock { state -> Suspension<Void>? in
        guard let index = state.readers.firstIndex(where: { $0.identity == identity }) else {
          return nil
        }
        return state.readers.remove(at: index).suspension
      }
      reader?.resume(returning: ())
    }
  }
}
