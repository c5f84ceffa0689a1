/// The packets of one session, in decode order; single-pass.
public struct PacketSequence: AsyncSequence, Sendable {
  /// One encoded access unit.
  public typealias Element = EncodedPacket
  /// Why the stream ended early.
  public typealias Failure = EncoderError

  /// Takes packets one by one.
  public struct AsyncIterator: AsyncIteratorProtocol {
    /// Waits for the next packet; nil after `close`.
    ///
    /// - Throws: the error that ended the encoder.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(EncoderError) -> EncodedPacket? { nil }

    /// Waits for the next packet; nil after `close`.
    ///
    /// - Throws: the error that ended the encoder.
    public mutating func next() async throws(EncoderError) -> EncodedPacket? { nil }
  }

  /// Starts reading.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}
