/// The packets of one encoder after the other, as one stream in decode order; single-pass.
public struct RecoveringPacketSequence: AsyncSequence, Sendable {
  /// One encoded access unit.
  public typealias Element = EncodedPacket
  /// Why the stream ended early.
  public typealias Failure = EncoderError

  private let recovery: Recovery

  init(_ recovery: Recovery) { self.recovery = recovery }

  /// Takes packets one by one.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private let recovery: Recovery
    /// The encoder that is read, by its number.
    private var reading: Int?
    private var packets: (any AsyncIteratorProtocol<EncodedPacket, EncoderError>)?

    init(_ recovery: Recovery) { self.recovery = recovery }

    /// Waits for the next packet, over a recovery too; nil after `close` or when the task is
    /// cancelled.
    ///
    /// - Throws: the error with which it was given up.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(EncoderError) -> EncodedPacket? {
      try await next()
    }

    /// Waits for the next packet, over a recovery too; nil after `close` or when the task is
    /// cancelled.
    ///
    /// - Throws: the error with which it was given up.
    public mutating func next() async throws(EncoderError) -> EncodedPacket? {
      while true {
        if let reading {
          if let packet = await read(reading) { return packet }
          if Task.isCancelled { return nil }
        }
        switch recovery.nextStream() {
        case .stream(let stream):
          reading = stream.number
          packets = stream.encoder.packetIterator
        case .wait:
          if Task.isCancelled { return nil }
          reading = nil
          _ = await recovery.wait(asReader: true)
        case .end: return nil
        case .failed(let error): throw error
        }
      }
    }

    /// The next packet of one encoder; nil at its end, which is noted.
    private mutating func read(_ number: Int) async -> EncodedPacket? {
      do throws(EncoderError) {
        if let packet = try await packets?.next(isolation: #isolation) {
          return recovery.deliver(packet, from: number)
        }
        if !Task.isCancelled { recovery.streamEnded(number, nil) }
      } catch {
        recovery.streamEnded(number, error)
      }
      return nil
    }
  }

  /// Starts reading.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(recovery) }
}

extension VideoEncoder {
  fileprivate var packetIterator: any AsyncIteratorProtocol<EncodedPacket, EncoderError> {
    packets.makeAsyncIterator()
  }
}
