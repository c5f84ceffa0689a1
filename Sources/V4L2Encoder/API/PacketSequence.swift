/// The packets of one encoder, in decode order; single-pass.
public struct PacketSequence: AsyncSequence, Sendable {
  /// One encoded access unit.
  public typealias Element = EncodedPacket
  /// Why the stream ended early.
  public typealias Failure = EncoderError

  private let mailbox: PacketMailbox

  package init(_ mailbox: PacketMailbox) { self.mailbox = mailbox }

  /// Takes packets one by one.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let mailbox: PacketMailbox

    /// Waits for the next packet; nil after `close` or when the task is cancelled.
    ///
    /// - Throws: the error that ended the encoder.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(EncoderError) -> EncodedPacket? {
      try await mailbox.next()
    }

    /// Waits for the next packet; nil after `close` or when the task is cancelled.
    ///
    /// - Throws: the error that ended the encoder.
    public mutating func next() async throws(EncoderError) -> EncodedPacket? {
      try await mailbox.next()
    }
  }

  /// Starts reading.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(mailbox: mailbox) }
}
