/// A setting of an encoder that the kernel has a number and a name for.
///
/// The members are the controls of H.264 and HEVC encoders that drivers are known to have; whether
/// one driver has one of them, and which values it takes, says ``EncoderCapabilities``. Units and
/// meanings are those of the kernel's document (ext-ctrls-codec.rst).
public struct EncoderControl: Hashable, Sendable {
  /// What values a control takes.
  public enum Kind: Hashable, Sendable {
    /// A number.
    case integer
    /// 0 or 1.
    case boolean
    /// The number of an item; the items' names in their order.
    case menu([String])
    /// Anything: writing it is what counts.
    case button
    /// A bit for each thing.
    case bitmask
  }

  package let control: ControlID
  /// The name without `V4L2_CID_MPEG_VIDEO_`, such as `BITRATE`.
  public let name: String
  /// What values it takes.
  public let kind: Kind

  package init(_ control: ControlID, _ name: String, _ kind: Kind) {
    self.control = control
    self.name = name
    self.kind = kind
  }

  /// The kernel's number, `V4L2_CID_*`.
  public var id: UInt32 { control.rawValue }

  /// Every control that has a name here.
  public static let all: [EncoderControl] =
    rateControls + structureControls + streamControls + quantizerControls + toolsControls
    + layersControls + driverControls

  /// The control with this number; nil for one that has no name here.
  public init?(id: UInt32) {
    guard let known = Self.byNumber[ControlID(rawValue: id)] else { return nil }
    self = known
  }

  /// The control with this name, in upper or lower case, with or without `V4L2_CID_` or
  /// `V4L2_CID_MPEG_VIDEO_`; nil for one that has no name here.
  public init?(named name: String) {
    var wanted = name.uppercased()
    for prefix in ["V4L2_CID_", "MPEG_VIDEO_"] where wanted.hasPrefix(prefix) {
      wanted.removeFirst(prefix.count)
    }
    guard let known = Self.all.first(where: { $0.name == wanted }) else { return nil }
    self = known
  }

  /// The name of a menu's item; nil when it has none, or the control is no menu.
  public func item(_ index: Int64) -> String? {
    guard case .menu(let items) = kind, let index = Int(exactly: index),
      items.indices.contains(index)
    else { return nil }
    return items[index]
  }

  /// What a control is called in reports: its name, or its number where it has no name here.
  package static func name(of control: ControlID) -> String {
    byNumber[control]?.name ?? "0x" + String(control.rawValue, radix: 16)
  }

  private static let byNumber = Dictionary(
    uniqueKeysWithValues: all.map { ($0.control, $0) })
}

/// What comes before the encoder, or belongs to few drivers.
extension EncoderControl {
  /// Mirrors the picture left to right.
  public static let hflip = EncoderControl(.hflip, "HFLIP", .boolean)
  /// Mirrors the picture top to bottom.
  public static let vflip = EncoderControl(.vflip, "VFLIP", .boolean)
  /// Turns the picture, in degrees.
  public static let rotate = EncoderControl(.rotate, "ROTATE", .integer)
  /// The quantizer of FWHT key frames.
  public static let fwhtIFrameQP = EncoderControl(.fwhtIFrameQP, "FWHT_I_FRAME_QP", .integer)
  /// The quantizer of other FWHT pictures.
  public static let fwhtPFrameQP = EncoderControl(.fwhtPFrameQP, "FWHT_P_FRAME_QP", .integer)
  /// Makes the next picture a key frame, or leaves it out; Samsung's MFC and NVIDIA's plugin.
  public static let forceFrameType = EncoderControl(
    .forceFrameType, "MPEG_MFC51_VIDEO_FORCE_FRAME_TYPE",
    .menu(["disabled", "i-frame", "not-coded"]))
  /// How fast the bitrate is corrected; Samsung's MFC and libv4l-rkmpp.
  public static let rcReactionCoefficient = EncoderControl(
    .rcReactionCoefficient, "MPEG_MFC51_VIDEO_RC_REACTION_COEFF", .integer)
  /// Whether every picture gets the same number of bits; Samsung's MFC and libv4l-rkmpp.
  public static let rcFixedTargetBit = EncoderControl(
    .rcFixedTargetBit, "MPEG_MFC51_VIDEO_RC_FIXED_TARGET_BIT", .boolean)

  /// Every control of this extension.
  static let driverControls: [EncoderControl] = [
    .hflip, .vflip, .rotate, .fwhtIFrameQP, .fwhtPFrameQP, .forceFrameType,
    .rcReactionCoefficient, .rcFixedTargetBit,
  ]
}
