/// Counters of one encoder since it was opened.
public struct EncoderStatistics: Hashable, Sendable {
  /// Frames that `encode` accepted.
  public var framesIn = 0
  /// Packets that came out.
  public var packetsOut = 0
  /// Key frames among the packets.
  public var keyFrames = 0
  /// Frames for which the driver returned no picture.
  public var framesSkipped = 0
  /// Packets marked as spoiled.
  public var corruptPackets = 0
  /// Encoded bytes.
  public var bytesOut = 0
  /// Bytes of pictures that were copied or converted, padding not counted; zero while the driver
  /// reads every frame where it is, or the application renders into `nextInputBuffer()`.
  public var bytesCopied = 0
  /// Frames that are inside the encoder now.
  public var framesInFlight = 0
  /// Requests made to the device while streaming (`ioctl`), without set-up.
  public var deviceRequests = 0
  /// Waits of the event loop.
  public var waits = 0
  /// Drains that were completed.
  public var drains = 0

  /// Creates zeroed counters.
  public init() {}
}
