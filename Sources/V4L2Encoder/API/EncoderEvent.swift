/// Something worth knowing that is no failure.
public enum EncoderEvent: Hashable, Sendable {
  /// This frame was not given to the device.
  case frameDropped(presentationTime: Int64, reason: FrameDropReason)
  /// From now on one of so many frames is encoded; 1 for all of them.
  case frameRateDivided(by: Int)
  /// The driver returned no picture for this frame.
  case frameSkipped(presentationTime: Int64)
  /// A buffer came back marked as spoiled.
  case corruptPacket(presentationTime: Int64)
  /// A picture came that belongs to no frame in flight; it was dropped.
  case unmatchedPacket(byteCount: Int)
  /// The driver refuses to read frames where they are; from this frame on they are copied.
  case importRefused(Errno)
  /// A frame was copied, for this reason, which the driver was to read where it is; said for the
  /// first such frame only.
  case frameCopied(String)
  /// From the picture of this frame on, other parameter sets are in force; its packet has the new
  /// `configurationRecord`.
  case parameterSetsChanged(presentationTime: Int64)
  /// The encoder goes on with another configuration, to which this was granted; the next packet is
  /// a key frame.
  case reconfigured(NegotiationReport)
  /// The stream's own size differs from the configured one.
  case streamSizeDiffers(VideoSize)
  /// The encoder failed, and another one is looked for.
  case recovering(from: EncoderError)
  /// Another encoder has taken over; its first packet has ``EncodedPacket/isDiscontinuity`` set.
  case recovered(EncoderRecovery)
  /// This picture, in a buffer of the device's own, was lost with the device.
  case frameLost(presentationTime: Int64)
}

/// How grave a log message is; the names are swift-log's.
public enum LogLevel: Int, Comparable, Hashable, Sendable {
  /// What helps to find a mistake.
  case debug
  /// What was negotiated.
  case info

  /// Orders levels by gravity.
  public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// Where an encoder reports to; the library itself never prints.
///
/// The closures are called on the encoder's threads and must return quickly.
public struct EncoderObserver: Sendable {
  /// The least grave level that `log` wants.
  public var level: LogLevel
  /// Receives log messages.
  public var log: (@Sendable (LogLevel, String) -> Void)?
  /// Receives events.
  public var event: (@Sendable (EncoderEvent) -> Void)?
  /// Receives the presentation time of every frame that `encode` took, once: when its packet can be
  /// read, or it is known that there will be none.
  ///
  /// Whoever keeps frames until then knows which of them a closed or failed encoder had not
  /// encoded.
  public var frameLeft: (@Sendable (_ presentationTime: Int64) -> Void)?

  /// Creates an observer.
  public init(
    level: LogLevel = .info, log: (@Sendable (LogLevel, String) -> Void)? = nil,
    event: (@Sendable (EncoderEvent) -> Void)? = nil,
    frameLeft: (@Sendable (_ presentationTime: Int64) -> Void)? = nil
  ) {
    self.level = level
    self.log = log
    self.event = event
    self.frameLeft = frameLeft
  }

  package func emit(_ level: LogLevel, _ message: @autoclosure () -> String) {
    guard let log, level >= self.level else { return }
    log(level, message())
  }
}
