/// One device node and what was found behind it.
public struct DeviceReport: Hashable, Sendable {
  /// The node's path.
  public var path: String
  /// The driver's name, empty when the node did not say.
  public var driver = ""
  /// The device's name, empty when the node did not say.
  public var card = ""
  /// Where the device sits, such as `platform:bcm2835-codec`.
  public var bus = ""
  /// What the device is.
  public var kind: Kind
  /// Why the device cannot be used; nil for a usable encoder.
  public var refusal: String?
  /// The codecs it encodes.
  public var codecs: [Codec] = []
  /// The raw formats it takes.
  public var rawFormats: [PixelFormat] = []
  /// Whether it speaks the multi-planar API.
  public var isMultiplanar = false

  /// What a node turned out to be.
  public enum Kind: String, Hashable, Sendable {
    /// A stateful video encoder.
    case encoder
    /// A video decoder.
    case decoder
    /// A memory-to-memory device without compression, such as a scaler.
    case converter
    /// A camera or another source of pictures.
    case camera
    /// Another V4L2 device.
    case other
    /// No V4L2 device, or none that could be opened.
    case unknown
  }

  /// A codec with the sizes the driver names for it.
  public struct Codec: Hashable, Sendable {
    /// The compressed format.
    public var format: PixelFormat
    /// The smallest picture, if the driver tells.
    public var minimumSize: VideoSize?
    /// The largest picture, if the driver tells.
    public var maximumSize: VideoSize?
  }

  /// Creates a report.
  public init(path: String, kind: Kind) {
    self.path = path
    self.kind = kind
  }
}

/// The video devices of this machine.
public enum DeviceCatalog {
  /// Examines every `/dev/video*` node, in numeric order.
  ///
  /// Blocks while each node is opened and asked; call it where that does no harm.
  public static func devices() -> [DeviceReport] {
    DeviceProbe.candidates().map { DeviceProbe.examine(path: $0, transport: NodeTransport()) }
  }

  /// Examines one device.
  ///
  /// Blocks while the node is opened and asked.
  public static func examine(_ selector: DeviceSelector) -> [DeviceReport] {
    switch selector.choice {
    case .automatic: devices()
    case .node(let path, let transport): [DeviceProbe.examine(path: path, transport: transport)]
    }
  }
}
