/// What may change while frames are encoded; nil leaves a thing as it is.
public struct DynamicSettings: Hashable, Sendable {
  /// The bitrate to reach, in bit/s.
  public var bitrate: Int?
  /// The highest bitrate of a variable one, in bit/s.
  public var peakBitrate: Int?
  /// Frames per second.
  public var frameRate: Rational?
  /// Controls set after these.
  public var controls: [ControlSetting]

  /// Creates settings.
  public init(
    bitrate: Int? = nil, peakBitrate: Int? = nil, frameRate: Rational? = nil,
    controls: [ControlSetting] = []
  ) {
    self.bitrate = bitrate
    self.peakBitrate = peakBitrate
    self.frameRate = frameRate
    self.controls = controls
  }
}
