/// What may change while frames are encoded; nil leaves a thing as it is.
///
/// Size, pixel format and the rest of the configuration change by ``VideoEncoder/reconfigure(_:)``.
public struct DynamicSettings: Hashable, Sendable {
  /// The bitrate to reach, in bit/s.
  public var bitrate: Int?
  /// The highest bitrate of a variable one, in bit/s.
  public var peakBitrate: Int?
  /// Frames per second.
  public var frameRate: Rational?
  /// Another way to spend bits, instead of `bitrate` and `peakBitrate`.
  public var rateControl: RateControl?
  /// Pictures from one key frame to the next.
  public var keyFrameInterval: Int?
  /// Bounds of the quantizer.
  public var quantizer: QuantizerRange?
  /// Controls set after these.
  public var controls: [ControlSetting]
  /// Whether the encoder may be drained and started again where the driver takes a change only
  /// then, which makes the next frame a key frame; see ``VideoEncoder/drain()`` for what becomes of
  /// buffers on loan.
  ///
  /// If not, the outcome of such a change is a refusal with `EBUSY`, or `leftOut` where it is known
  /// before.
  public var mayDrain: Bool

  /// Creates settings.
  public init(
    bitrate: Int? = nil, peakBitrate: Int? = nil, frameRate: Rational? = nil,
    rateControl: RateControl? = nil, keyFrameInterval: Int? = nil,
    quantizer: QuantizerRange? = nil, controls: [ControlSetting] = [], mayDrain: Bool = true
  ) {
    self.bitrate = bitrate
    self.peakBitrate = peakBitrate
    self.frameRate = frameRate
    self.rateControl = rateControl
    self.keyFrameInterval = keyFrameInterval
    self.quantizer = quantizer
    self.controls = controls
    self.mayDrain = mayDrain
  }
}
