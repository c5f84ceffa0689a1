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
  /// The failure behind the refusal, if the node could not be opened or asked.
  public var error: EncoderError?
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
    /// The highest frame rate of the largest picture, or of the size that was asked about, if the
    /// driver tells.
    public var maximumFrameRate: Rational?
  }

  /// Creates a report.
  public init(path: String, kind: Kind) {
    self.path = path
    self.kind = kind
  }
}

/// The video devices of this machine.
///
/// Its functions block while nodes are opened and asked, two seconds at most for each; call them
/// where that does no harm. A node that hangs longer is reported as such, and the thread that
/// asked it is left behind.
///
/// Looked at are `/dev/v4l2-nvenc`, `/dev/nvhost-msenc`, `/dev/video-enc*`, every `/dev/video*` in
/// numeric order, and the paths in the environment variable `V4L2ENC_DEVICES`, which have colons
/// between them.
public enum DeviceCatalog {
  /// Examines every node.
  ///
  /// - Parameters:
  ///   - extraPaths: nodes to look at besides.
  ///   - trace: where every request is written down.
  /// - Returns: one report for each node.
  public static func devices(
    besides extraPaths: [String] = [], trace: DeviceTrace? = nil
  ) -> [DeviceReport] {
    devices(of: .current, besides: extraPaths, through: transport(trace))
  }

  /// Examines every node for one purpose: usable ones come first, the fittest before the others;
  /// those that cannot do it say why in `refusal`.
  ///
  /// When the environment variable `V4L2ENC_DEVICE` names a node, only that one is looked at.
  public static func devices(
    encoding codec: VideoCodec, as configuration: EncoderConfiguration, trace: DeviceTrace? = nil
  ) -> [DeviceReport] {
    devices(of: .current, for: EncodingNeed(codec, configuration), through: transport(trace))
  }

  /// Examines one device.
  public static func examine(_ selector: DeviceSelector) -> [DeviceReport] {
    switch selector.choice {
    case .automatic: devices(trace: selector.trace)
    case .node(let path, let transport): [DeviceProbe.examine(path: path, transport: transport)]
    }
  }

  /// The name of the board, such as `Raspberry Pi 4 Model B Rev 1.4`, if it has a device tree.
  public static var boardModel: String? { Machine.current.board?.model }

  /// Says that the board is one of those that have no encoder; nil when it may have one.
  public static var boardLacksEncoder: String? { Machine.current.board?.lacksEncoder }

  /// What to use in place of a node that is no encoder, or none for this codec, in words such as
  /// `the encoder on this machine is /dev/video11`.
  public static func advice(insteadOf path: String, for codec: VideoCodec? = nil) -> String {
    advice(of: .current, insteadOf: path, for: codec)
  }
}

extension DeviceCatalog {
  /// How nodes of this machine are opened.
  package static func transport(_ trace: DeviceTrace?) -> any Transport {
    trace.map { TracingTransport(NodeTransport(), $0) } ?? NodeTransport()
  }

  package static func devices(
    of machine: Machine, besides extraPaths: [String] = [],
    through transport: any Transport = NodeTransport(),
    size: VideoSize? = nil
  ) -> [DeviceReport] {
    var machine = machine
    machine.extraPaths += extraPaths
    return machine.candidates.map {
      DeviceProbe.examine(path: $0, transport: transport, on: machine, size: size)
    }
  }

  package static func devices(
    of machine: Machine, for need: EncodingNeed,
    through transport: any Transport = NodeTransport()
  ) -> [DeviceReport] {
    var reports: [DeviceReport]
    if let path = machine.chosenPath {
      reports = [
        DeviceProbe.examine(path: path, transport: transport, on: machine, size: need.size)
      ]
    } else {
      reports = devices(of: machine, through: transport, size: need.size)
    }
    for index in reports.indices { reports[index].refusal = need.refusal(of: reports[index]) }
    return ranked(reports, for: need)
  }

  /// Usable devices, the fittest first, then the others; equal ones in the order they were found.
  package static func ranked(_ reports: [DeviceReport], for need: EncodingNeed) -> [DeviceReport] {
    let usable = reports.filter { $0.refusal == nil }.enumerated().sorted { left, right in
      let (first, second) = (need.fitness(of: left.element), need.fitness(of: right.element))
      return (second, left.offset) < (first, right.offset)
    }
    return usable.map(\.element) + reports.filter { $0.refusal != nil }
  }

  package static func advice(
    of machine: Machine, insteadOf path: String, for codec: VideoCodec?,
    through transport: any Transport = NodeTransport()
  ) -> String {
    let formats = codec?.codedFormats
    let encoders = devices(of: machine, through: transport).filter { report in
      report.refusal == nil && report.path != path
        && (formats.map { report.codecs.map(\.format).contains(where: $0.contains) } ?? true)
    }.map(\.path)
    let kind = codec.map { "\($0.name) encoder" } ?? "encoder"
    switch encoders.count {
    case 0: return machine.board?.lacksEncoder ?? "this machine has no other \(kind)"
    case 1: return "the \(kind) on this machine is \(encoders[0])"
    default: return "\(kind)s on this machine are \(encoders.joined(separator: ", "))"
    }
  }
}
