/// What an encoder can do, as far as its driver tells: for an app that offers choices.
///
/// A driver may take values that it does not name, and name values that do not fit together; what
/// was granted in the end says ``NegotiationReport``.
public struct EncoderCapabilities: Hashable, Sendable {
  /// A codec and its choices.
  public struct Codec: Hashable, Sendable {
    /// The codec; nil for one that this library has no encoder for.
    public var codec: VideoCodec?
    /// The compressed format.
    public var format: PixelFormat
    /// The pictures it takes with their frame rates; empty when the driver does not tell.
    public var sizes: [CameraOffer.Size] = []
    /// The profiles in the driver's menu, by their names; empty when the driver does not tell.
    public var profiles: [String] = []
    /// The levels in the driver's menu; empty when the driver does not tell.
    public var levels: [CodecLevel] = []
  }

  /// The node's path, or what stands for it.
  public var path: String
  /// The driver's name.
  public var driver: String
  /// The device's name.
  public var card: String
  /// Where the device sits, such as `platform:bcm2835-codec`.
  public var bus: String
  /// What is known of drivers like this one.
  public var family: DriverFamily
  /// Whether it speaks the multi-planar API.
  public var isMultiplanar: Bool
  /// The codecs it encodes.
  public var codecs: [Codec] = []
  /// The raw formats it takes.
  public var rawFormats: [PixelFormat] = []
  /// Its controls with ranges, menus, defaults and the values in force, in the order of their
  /// numbers; empty when the driver cannot be asked, which does not mean that it has none.
  public var controls: [ControlDescription] = []

  /// Asks a device what it can do.
  ///
  /// Blocks while the node is opened and asked, two seconds at most, and with
  /// ``DeviceSelector/automatic`` as long for each node that is looked at before; call it where
  /// that does no harm. Nothing is allocated or changed on the device.
  ///
  /// - Parameter device: the device; ``DeviceSelector/automatic`` means the node that
  ///   the environment variable `V4L2ENC_DEVICE` names, or else the first usable one.
  /// - Returns: what the driver tells.
  /// - Throws: `deviceUnavailable`, `notAnEncoder`, `deviceStalled` and what opening a node may
  ///   throw.
  public static func read(
    from device: DeviceSelector
  ) throws(EncoderError) -> EncoderCapabilities {
    switch device.choice {
    case .node(let path, let transport):
      return try CapabilityReader.read(path, transport: transport)
    case .automatic:
      return try CapabilityReader.read(
        of: .current, through: DeviceCatalog.transport(device.trace))
    }
  }

  /// What the driver says of a control; nil when it says nothing.
  public func description(of control: EncoderControl) -> ControlDescription? {
    controls.first { $0.id == control.id }
  }

  /// The control with its name, if the driver's number means what it means in the kernel.
  public func name(of description: ControlDescription) -> EncoderControl? {
    family.dialect == .standard ? EncoderControl(id: description.id) : nil
  }
}
