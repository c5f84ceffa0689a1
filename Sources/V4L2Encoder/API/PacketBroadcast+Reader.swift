extension PacketBroadcast {
  /// What became of the packets of one reader.
  public struct ReaderStatistics: Hashable, Sendable {
    /// Packets put into the reader's queue.
    public var packetsQueued = 0
    /// Packets lost because the queue was full, and those after them up to the next key frame.
    public var packetsDropped = 0
    /// How often packets were lost; the packet after each gap is a key frame.
    public var gaps = 0
    /// Packets that wait to be read now.
    public var packetsWaiting = 0

    /// Creates zeroed counters.
    public init() {}
  }

  /// The packets as one reader gets them; single-pass.
  ///
  /// The sequence starts with a key frame, ends with the broadcast, and throws what ended the
  /// encoder. A reader is forgotten when its iterator is dropped (as leaving a `for` loop does),
  /// when the task that waits in it is cancelled, and when it is dropped before it was read.
  public final class Reader: AsyncSequence, Sendable {
    /// One encoded access unit.
    public typealias Element = EncodedPacket
    /// Why the stream ended early.
    public typealias Failure = EncoderError

    private let queue: BroadcastQueue
    private let hub: BroadcastHub

    init(_ queue: BroadcastQueue, _ hub: BroadcastHub) {
      self.queue = queue
      self.hub = hub
    }

    deinit { if !queue.isBeingRead { hub.forget(queue) } }

    /// What became of the packets so far.
    public var statistics: ReaderStatistics { queue.statistics }

    /// Starts reading.
    public func makeAsyncIterator() -> AsyncIterator {
      AsyncIterator(reading: Reading(queue, hub))
    }

    /// Takes packets one by one.
    public struct AsyncIterator: AsyncIteratorProtocol {
      let reading: Reading

      /// Waits for the next packet; nil at the end or when the task is cancelled.
      ///
      /// - Throws: the error that ended the encoder; `consumerStalled` when a reader that holds up
      ///   the others was slower than its patience.
      public mutating func next(
        isolation actor: isolated (any Actor)?
      ) async throws(EncoderError) -> EncodedPacket? {
        try await reading.next()
      }

      /// Waits for the next packet; nil at the end or when the task is cancelled.
      ///
      /// - Throws: as `next(isolation:)`.
      public mutating func next() async throws(EncoderError) -> EncodedPacket? {
        try await reading.next()
      }
    }

    /// Keeps a reader subscribed while one of its iterators is there.
    final class Reading: Sendable {
      private let queue: BroadcastQueue
      private let hub: BroadcastHub

      init(_ queue: BroadcastQueue, _ hub: BroadcastHub) {
        self.queue = queue
        self.hub = hub
        queue.readingBegins()
      }

      deinit { if queue.readingEnded() { hub.forget(queue) } }

      nonisolated(nonsending) func next() async throws(EncoderError) -> EncodedPacket? {
        if let packet = try await queue.mailbox.next() { return packet }
        hub.forget(queue)
        return nil
      }
    }
  }
}
