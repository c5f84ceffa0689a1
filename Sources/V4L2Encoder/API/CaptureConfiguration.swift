/// What a camera is asked for.
public struct CaptureConfiguration: Hashable, Sendable {
  /// The picture's size in pixels, which the driver may change; nil takes the size in force, at an
  /// input with DV timings (HDMI) that of the signal.
  public var size: VideoSize?
  /// How the pixels are to be laid out; must be one that the camera offers.
  ///
  /// Pictures in `.mjpeg` and `.jpeg` are decoded, see `jpeg`.
  public var format: PixelFormat
  /// Frames per second; nil leaves the rate to the driver.
  public var frameRate: Rational?
  /// The number of the input, as in `CameraReport.inputs`; nil takes the one in force.
  public var input: Int?
  /// Buffers; a frame that the application holds is one the camera cannot fill.
  public var buffers: Int
  /// What becomes of JPEG pictures.
  public var jpeg: JPEGDecoding
  /// How long the camera may be without a signal before that is an error.
  public var signalPatience: SignalPatience
  /// How long the camera may take to open, and from one frame to the next.
  public var deadlines: Deadlines

  /// Creates a configuration.
  public init(
    size: VideoSize? = nil, format: PixelFormat = .nv12, frameRate: Rational? = nil,
    buffers: Int = 6
  ) {
    self.size = size
    self.format = format
    self.frameRate = frameRate
    self.buffers = buffers
    self.jpeg = JPEGDecoding()
    self.signalPatience = .upTo(.seconds(10))
    self.deadlines = Deadlines()
  }
}

/// What becomes of the JPEG pictures of a camera.
public struct JPEGDecoding: Hashable, Sendable {
  /// What they are decoded to: `.nv12` or `.i420`.
  public var format: PixelFormat
  /// Which numbers are to be black and white: `.full` keeps those of JPEG (ITU-T T.871), for the
  /// encoder to be told; `.limited` converts them, which costs another pass over the picture.
  public var range: ColorDescription.Range

  /// Creates a choice.
  public init(format: PixelFormat = .nv12, range: ColorDescription.Range = .full) {
    self.format = format
    self.range = range
  }
}

/// How long a camera may be without a signal.
public enum SignalPatience: Hashable, Sendable {
  /// Longer than this ends the capture with `EncoderError.Code.noSignal`.
  case upTo(Duration)
  /// It is waited for until the source is closed.
  case forEver
}
