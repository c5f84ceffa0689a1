/// What a camera offers.
public struct CameraReport: Hashable, Sendable {
  /// The node's path.
  public var path: String
  /// The driver's name.
  public var driver: String
  /// The device's name.
  public var card: String
  /// Where the device sits, such as `usb-0000:00:14.0-1`.
  public var bus: String
  /// The inputs; empty for a driver that does not list any.
  public var inputs: [CameraInput]
  /// The number of the input in force, which `formats` is about.
  public var currentInput: Int?
  /// The formats in the driver's order.
  public var formats: [CameraOffer]
}

/// One input of a camera or of a capture card.
public struct CameraInput: Hashable, Sendable {
  /// Its number, for `CaptureConfiguration.input`.
  public var index: Int
  /// The driver's name for it.
  public var name: String
  /// Whether size and rate are those of a digital signal, such as HDMI
  /// (`V4L2_IN_CAP_DV_TIMINGS`).
  public var hasDVTimings: Bool
  /// Why there is no usable signal; nil with one, when the driver does not tell, and for an input
  /// that is not in force.
  public var signalLoss: SignalLoss?
}

/// One format of a camera, with its sizes and rates.
public struct CameraOffer: Hashable, Sendable {
  /// How the pixels are laid out.
  public var format: PixelFormat
  /// Whether the driver calls it compressed.
  public var isCompressed: Bool
  /// The sizes; empty when the driver does not list them.
  public var sizes: [Size]

  /// Sizes and the rates they come at.
  public struct Size: Hashable, Sendable {
    /// The smallest picture; the only one if `maximum` is the same.
    public var minimum: VideoSize
    /// The largest picture.
    public var maximum: VideoSize
    /// From one width or height to the next; zero for a single size.
    public var step: VideoSize
    /// The rates, at the largest picture where there are several; empty when the driver does not
    /// list them.
    public var rates: [Rate]

    /// Creates a description.
    public init(
      minimum: VideoSize, maximum: VideoSize, step: VideoSize = VideoSize(width: 0, height: 0),
      rates: [Rate]
    ) {
      self.minimum = minimum
      self.maximum = maximum
      self.step = step
      self.rates = rates
    }

    /// Whether there is only one size.
    public var isSingle: Bool { minimum == maximum }
  }

  /// A frame rate, or all rates between two.
  public struct Rate: Hashable, Sendable {
    /// The slowest rate; the only one if `fastest` is the same.
    public var slowest: Rational
    /// The fastest rate.
    public var fastest: Rational

    /// Creates a range of rates.
    public init(slowest: Rational, fastest: Rational) {
      self.slowest = slowest
      self.fastest = fastest
    }
  }

  /// Creates an offer.
  public init(format: PixelFormat, isCompressed: Bool, sizes: [Size]) {
    self.format = format
    self.isCompressed = isCompressed
    self.sizes = sizes
  }
}
