/// What somebody wants who asks for an input buffer.
struct InputClaim: Sendable {
  /// What to do when every input buffer is in use.
  enum Patience: Sendable { case wait, drop, fail }

  /// The buffer that the caller holds already; nil for any.
  var heldIndex: Int?
  /// The frame that goes into it, if that is known already.
  var frame: VideoFrame?
  /// The DMABUFs that go into it.
  var image: DMABUFImage?
  var patience: Patience
  /// When `encode` was called; nil when no latency is to be kept.
  var start: MonotonicTime?

  /// What is said to those who do not wait; nil to those who do.
  func refusal(bufferCount: Int) -> Result<InputGrant, EncoderError>? {
    switch patience {
    case .wait: nil
    case .drop: .success(.dropped(.noBuffer))
    case .fail: .failure(.wouldBlock(bufferCount: bufferCount))
    }
  }

  /// What is said to those who would be late.
  func refusal(budget: Duration) -> Result<InputGrant, EncoderError> {
    switch patience {
    case .wait, .drop: .success(.dropped(.late))
    case .fail:
      .failure(
        EncoderError(
          .wouldBlock,
          "the frame's packet would come later than the latency budget of \(budget) allows"))
    }
  }
}

/// What becomes of a claim.
enum InputGrant: Sendable {
  case buffer(Int)
  case dropped(FrameDropReason)
}

extension EncoderError {
  static let frameInMemory = EncoderError(
    .invalidFrame, "the encoder was opened for DMABUF frames, this one is in memory")

  static let lentBeforeAChange = EncoderError(
    .invalidFrame,
    "the buffer is of those that the encoder had before it changed, or was opened anew; ask for "
      + "another one")

  static func wouldBlock(bufferCount: Int) -> EncoderError {
    EncoderError(
      .wouldBlock,
      "all \(bufferCount) input buffers are in use; try again when a packet has come, or choose "
        + "another admission policy")
  }
}
