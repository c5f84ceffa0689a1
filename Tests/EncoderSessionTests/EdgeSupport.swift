import TestSupport

@testable import V4L2Encoder

/// A lent buffer that can be kept in an array and handed to another task.
final class LentBuffer: Sendable {
  private let buffer: Locked<InputBuffer?>

  init(_ buffer: consuming sending InputBuffer) { self.buffer = Locked(buffer) }

  /// The buffer, once.
  func take() throws -> InputBuffer {
    guard let buffer = buffer.withLock({ $0.take() }) else {
      throw TestSupportError("the buffer was taken before")
    }
    return buffer
  }

  /// Gives the buffer back unused.
  func giveBack() { _ = buffer.withLock { $0.take() } }

  /// Writes the same byte all over the first plane; false when there is no memory.
  func fill(with byte: UInt8) -> Bool {
    buffer.withLock { buffer in
      guard var lent = buffer.take() else { return false }
      let isWritten = lent.withMutableBytes(ofPlane: 0) { bytes in
        for offset in 0..<bytes.byteCount {
          bytes.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
        }
        return bytes.byteCount > 0
      }
      buffer = consume lent
      return isWritten ?? false
    }
  }

  /// Queues the buffer.
  func encode(_ time: Int64, with encoder: some VideoEncoder) async throws {
    try await encoder.encode(
      take(), presentationTime: time, duration: 1, options: FrameOptions())
  }
}

extension V4L2VideoEncoder {
  /// How many callers wait for an input buffer, or for leave to queue one.
  var waitingCallers: Int { session.engine.core.withLock { $0.inputWaiters.count } }

  /// Whether the encoder has neither failed nor been closed.
  var isRunning: Bool { session.engine.core.withLock { $0.machine.terminalError == nil } }

  /// Takes every input buffer on loan.
  func lendAll() async throws -> [LentBuffer] {
    var loans: [LentBuffer] = []
    for _ in 0..<negotiated.inputBuffers { loans.append(LentBuffer(try await nextInputBuffer())) }
    return loans
  }

  /// Waits until the event loop has met its deadline a few times with nothing to do.
  func rest(for rounds: Int = 2) async throws {
    let waits = statistics.waits
    try await eventually("\(rounds) rounds of rest") { statistics.waits >= waits + rounds }
  }
}

/// Runs `body` and returns the encoder's error that it throws.
func encoderError(of body: () async throws -> Void) async throws -> EncoderError? {
  do { try await body() } catch let error as EncoderError { return error }
  return nil
}
