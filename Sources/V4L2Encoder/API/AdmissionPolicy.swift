/// What `encode` does with a frame while every input buffer is in use.
///
/// A drain, and the restart of the queues after it, are waited for under every policy.
public enum AdmissionPolicy: Hashable, Sendable {
  /// It waits for a buffer: back pressure, and no frame is lost.
  case wait
  /// It drops the frame and returns.
  case dropNewest
  /// It keeps the frame and returns; with `queue` frames waiting, the oldest of them is dropped.
  ///
  /// Frames wait by reference, so their memory must not be written before it is released, and go
  /// into the device as soon as it has room, without a further call. `drain()` brings them out too.
  case dropOldest(queue: Int)
  /// It throws `wouldBlock`; nothing is dropped.
  case fail
}

/// Why a frame was not given to the device.
public enum FrameDropReason: Hashable, Sendable {
  /// Every input buffer was in use (``AdmissionPolicy/dropNewest``).
  case noBuffer
  /// Newer frames took its place in the queue (``AdmissionPolicy/dropOldest(queue:)``).
  case displaced
  /// Its packet would have come later than ``EncoderConfiguration/latencyBudget`` allows.
  case late
  /// The frame rate was lowered (``EncoderConfiguration/rateReduction``).
  case rateReduced
  /// The encoder was closed or failed while the frame waited in the queue.
  case ended
  /// The device refused the frame after it had waited in the queue.
  case refused(EncoderError)
}

extension FrameDropReason: CustomStringConvertible {
  /// The reason in words.
  public var description: String {
    switch self {
    case .noBuffer: "no input buffer was free"
    case .displaced: "newer frames took its place in the queue"
    case .late: "it would have been later than the latency budget allows"
    case .rateReduced: "the frame rate is lowered"
    case .ended: "the encoder ended while it waited"
    case .refused(let error): error.description
    }
  }
}

/// How many frames were dropped, by reason.
public struct DroppedFrames: Hashable, Sendable {
  /// Every input buffer was in use.
  public var noBuffer = 0
  /// Newer frames took their place in the queue.
  public var displaced = 0
  /// Their packets would have come too late.
  public var late = 0
  /// The frame rate was lowered.
  public var rateReduced = 0
  /// The encoder ended while they waited in the queue.
  public var ended = 0
  /// The device refused them after they had waited.
  public var refused = 0

  /// Creates zeroed counters.
  public init() {}

  /// All of them.
  public var total: Int { noBuffer + displaced + late + rateReduced + ended + refused }

  mutating func add(_ others: DroppedFrames) {
    noBuffer += others.noBuffer
    displaced += others.displaced
    late += others.late
    rateReduced += others.rateReduced
    ended += others.ended
    refused += others.refused
  }

  mutating func count(_ reason: FrameDropReason) {
    switch reason {
    case .noBuffer: noBuffer += 1
    case .displaced: displaced += 1
    case .late: late += 1
    case .rateReduced: rateReduced += 1
    case .ended: ended += 1
    case .refused: refused += 1
    }
  }
}
