/// Something worth knowing of a camera that is no failure.
public enum CaptureEvent: Hashable, Sendable {
  /// There is no usable signal any more, or none at the start; frames come again when it returns.
  case signalLost(SignalLoss)
  /// The signal is back; if it is another one, `timingsChanged` follows.
  case signalReturned
  /// The signal became another one: the camera was set up again, and the frames from now on are
  /// of this size. The rate is nil when the driver does not tell.
  case timingsChanged(size: VideoSize, frameRate: Rational?)
  /// The camera had nothing to fill, or its frames found no room: so many are missing before the
  /// frame with this sequence number.
  case framesLost(Int, before: UInt32)
  /// The driver marked this frame as spoiled; it is delivered and says so itself.
  case frameCorrupt(sequence: UInt32)
  /// This frame is no JPEG picture that could be decoded, and why; it is not delivered.
  case frameUndecodable(sequence: UInt32, reason: String)
}

/// Why there is no usable signal.
public enum SignalLoss: String, Hashable, Sendable {
  /// Nothing is connected, or it is silent (`V4L2_IN_ST_NO_SIGNAL`, `ENOLINK`).
  case noSignal
  /// The input has no power (`V4L2_IN_ST_NO_POWER`).
  case noPower
  /// There is something, but it is not stable (`V4L2_IN_ST_NO_H_LOCK` and its like, `ENOLCK`).
  case noLock
  /// There is something that the hardware cannot receive (`ERANGE`).
  case outOfRange
}

extension SignalLoss: CustomStringConvertible {
  /// The state in words.
  public var description: String {
    switch self {
    case .noSignal: "no signal"
    case .noPower: "no power"
    case .noLock: "no stable signal"
    case .outOfRange: "a signal out of the hardware's range"
    }
  }
}

/// Where a camera reports to.
///
/// The closure is called on the camera's thread and must return quickly.
public struct CaptureObserver: Sendable {
  /// Receives events.
  public var event: (@Sendable (CaptureEvent) -> Void)?

  /// Creates an observer.
  public init(event: (@Sendable (CaptureEvent) -> Void)? = nil) { self.event = event }
}

/// What a camera has done since it was opened.
public struct CaptureStatistics: Hashable, Sendable {
  /// Frames handed over, corrupt ones included.
  public var framesDelivered = 0
  /// Frames missing in between: the camera's own losses, and those that found no room here;
  /// `framesUndecodable` are none of them.
  public var framesLost = 0
  /// Frames that the driver marked as spoiled.
  public var framesCorrupt = 0
  /// JPEG pictures that could not be decoded.
  public var framesUndecodable = 0
  /// How often the signal was lost.
  public var signalLosses = 0
  /// How often the camera was set up again, because of another signal or after a failure of its
  /// queue.
  public var restarts = 0

  /// Creates counts of zero.
  public init() {}
}
