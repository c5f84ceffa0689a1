internal import CV4L2
internal import V4L2Encoder

/// One control as the kernel would describe it.
struct ControlDefinition: Sendable {
  enum Kind: Sendable { case classTitle, integer, boolean, menu, button }

  let identifier: UInt32
  let name: String
  let kind: Kind
  let minimum: Int64
  var maximum: Int64
  let step: Int64
  let initial: Int64
  /// The items of a menu; nil where the device lacks one.
  let items: [String?]
  let isReadOnly: Bool

  var type: UInt32 {
    switch kind {
    case .classTitle: V4L2_CTRL_TYPE_CTRL_CLASS.rawValue
    case .integer: V4L2_CTRL_TYPE_INTEGER.rawValue
    case .boolean: V4L2_CTRL_TYPE_BOOLEAN.rawValue
    case .menu: V4L2_CTRL_TYPE_MENU.rawValue
    case .button: V4L2_CTRL_TYPE_BUTTON.rawValue
    }
  }

  var flags: UInt32 {
    switch kind {
    case .classTitle: UInt32(V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_WRITE_ONLY)
    case .button: UInt32(V4L2_CTRL_FLAG_WRITE_ONLY | V4L2_CTRL_FLAG_EXECUTE_ON_WRITE)
    case .integer, .boolean, .menu: isReadOnly ? UInt32(V4L2_CTRL_FLAG_READ_ONLY) : 0
    }
  }

  /// Whether a value can be read.
  var isReadable: Bool { kind != .classTitle && kind != .button }
  /// Whether a value can be written.
  var isWritable: Bool { kind != .classTitle && !isReadOnly }

  /// The value that takes effect, or a negated errno: integers are rounded into their range,
  /// menus are not, as in the kernel's control framework.
  func validated(_ value: Int64) -> Result<Int64, Errno> {
    switch kind {
    case .classTitle, .button: return .success(0)
    case .boolean: return .success(value == 0 ? 0 : 1)
    case .integer:
      let clamped = min(max(value, minimum), maximum)
      let rounded = minimum + (clamped - minimum + step / 2) / step * step
      return .success(rounded > maximum ? rounded - step : rounded)
    case .menu:
      guard value >= minimum, value <= maximum else { return .failure(.outOfRange) }
      guard items[Int(value)] != nil else { return .failure(.invalid) }
      return .success(value)
    }
  }
}

/// The controls of the device, in the order of their ids.
///
/// What the OpenH264 back end cannot do is stored, read back and has no effect there:
/// `H264_8X8_TRANSFORM`, `H264_CPB_SIZE` and `VBV_SIZE` (its rate control has no such buffer),
/// `MULTI_SLICE_*`, and `H264_I_FRAME_QP` beside another `H264_P_FRAME_QP` (it takes one
/// quantizer for both). `B_FRAMES` has the range 0…0 while the coded format is H.264.
enum ControlTable {
  static let controls: [ControlDefinition] = (userControls + codecControls).sorted {
    $0.identifier < $1.identifier
  }

  static func index(of identifier: UInt32) -> Int? { indexes[identifier] }

  private static let indexes = Dictionary(
    uniqueKeysWithValues: controls.enumerated().map { ($1.identifier, $0) })

  private static let userControls = [
    title(V4L2_CID_USER_CLASS, "User Controls"),
    integer(
      V4L2_CID_MIN_BUFFERS_FOR_OUTPUT, "Min Number of Output Buffers", 1...16, 1, readOnly: true),
  ]

  private static let codecControls = [
    title(Int32(bitPattern: UInt32(V4L2_CID_CODEC_CLASS)), "Codec Controls"),
    integer(V4L2_CID_MPEG_VIDEO_B_FRAMES, "Video B Frames", 0...2, 0),
    integer(V4L2_CID_MPEG_VIDEO_GOP_SIZE, "Video GOP Size", 0...1000, 12),
    menu(
      V4L2_CID_MPEG_VIDEO_BITRATE_MODE, "Video Bitrate Mode",
      ["Variable Bitrate", "Constant Bitrate", "Constant Quality"], 0),
    integer(V4L2_CID_MPEG_VIDEO_BITRATE, "Video Bitrate", 10_000...200_000_000, 4_000_000),
    integer(
      V4L2_CID_MPEG_VIDEO_BITRATE_PEAK, "Video Peak Bitrate", 10_000...200_000_000, 8_000_000),
    boolean(V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, "Frame Level Rate Control Enable", true),
    menu(
      V4L2_CID_MPEG_VIDEO_HEADER_MODE, "Sequence Header Mode",
      ["Separate Buffer", "Joined With 1st Frame"], 1),
    boolean(V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, "Repeat Sequence Header", false),
    button(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, "Force Key Frame"),
    boolean(
      V4L2_CID_MPEG_VIDEO_MB_RC_ENABLE, "H264 MB Level Rate Control", true),
    integer(
      V4L2_CID_MPEG_VIDEO_MULTI_SLICE_MAX_MB, "Maximum Number of MBs in a Slice", 1...65536, 1),
    menu(
      V4L2_CID_MPEG_VIDEO_MULTI_SLICE_MODE, "Slice Partitioning Method",
      ["Single", "Max Macroblocks"], 0),
    integer(V4L2_CID_MPEG_VIDEO_VBV_SIZE, "VBV Buffer Size", 0...65536, 0),
    boolean(V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR, "Prepend SPS/PPS to IDR", false),
    integer(V4L2_CID_MPEG_VIDEO_CONSTANT_QUALITY, "Constant Quality", 1...100, 50),
    menu(
      V4L2_CID_MPEG_VIDEO_FRAME_SKIP_MODE, "Frame Skip Mode",
      ["Disabled", "Level Limit", "VBV/CPB Limit"], 0),
    boolean(V4L2_CID_MPEG_VIDEO_AU_DELIMITER, "Generate Access Unit Delimiters", false),
    integer(V4L2_CID_MPEG_VIDEO_H264_I_FRAME_QP, "H264 I-Frame QP Value", 0...51, 26),
    integer(V4L2_CID_MPEG_VIDEO_H264_P_FRAME_QP, "H264 P-Frame QP Value", 0...51, 28),
    integer(V4L2_CID_MPEG_VIDEO_H264_MIN_QP, "H264 Minimum QP Value", 0...51, 0),
    integer(V4L2_CID_MPEG_VIDEO_H264_MAX_QP, "H264 Maximum QP Value", 0...51, 51),
    boolean(V4L2_CID_MPEG_VIDEO_H264_8X8_TRANSFORM, "H264 8x8 Transform Enable", false),
    integer(V4L2_CID_MPEG_VIDEO_H264_CPB_SIZE, "H264 CPB Buffer Size", 0...65536, 0),
    menu(
      V4L2_CID_MPEG_VIDEO_H264_ENTROPY_MODE, "H264 Entropy Mode", ["CAVLC", "CABAC"], 0),
    integer(V4L2_CID_MPEG_VIDEO_H264_I_PERIOD, "H264 I-Frame Period", 0...1000, 0),
    menu(
      V4L2_CID_MPEG_VIDEO_H264_LEVEL, "H264 Level",
      [
        "1", "1b", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3", "3.1", "3.2", "4", "4.1", "4.2",
        "5", "5.1", "5.2",
      ], 11),
    menu(
      V4L2_CID_MPEG_VIDEO_H264_LOOP_FILTER_MODE, "H264 Loop Filter Mode",
      ["Enabled", "Disabled", "Disabled at Slice Boundary"], 0),
    menu(
      V4L2_CID_MPEG_VIDEO_H264_PROFILE, "H264 Profile",
      ["Baseline", "Constrained Baseline", "Main", nil, "High"], 1),
    integer(V4L2_CID_MPEG_VIDEO_HEVC_MIN_QP, "HEVC Minimum QP Value", 0...51, 0),
    integer(V4L2_CID_MPEG_VIDEO_HEVC_MAX_QP, "HEVC Maximum QP Value", 0...51, 51),
    integer(V4L2_CID_MPEG_VIDEO_HEVC_I_FRAME_QP, "HEVC I-Frame QP Value", 0...51, 26),
    integer(V4L2_CID_MPEG_VIDEO_HEVC_P_FRAME_QP, "HEVC P-Frame QP Value", 0...51, 28),
    menu(V4L2_CID_MPEG_VIDEO_HEVC_PROFILE, "HEVC Profile", ["Main"], 0),
    menu(
      V4L2_CID_MPEG_VIDEO_HEVC_LEVEL, "HEVC Level",
      ["1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2"], 5),
    menu(V4L2_CID_MPEG_VIDEO_HEVC_TIER, "HEVC Tier", ["Main", "High"], 0),
  ]

  private static func title(_ identifier: Int32, _ name: String) -> ControlDefinition {
    define(identifier, name, .classTitle, 0...0, 0, step: 0)
  }

  private static func integer(
    _ identifier: UInt32, _ name: String, _ range: ClosedRange<Int64>, _ initial: Int64,
    readOnly: Bool = false
  ) -> ControlDefinition {
    define(
      Int32(bitPattern: identifier), name, .integer, range, initial, step: 1, readOnly: readOnly)
  }

  private static func integer(
    _ identifier: Int32, _ name: String, _ range: ClosedRange<Int64>, _ initial: Int64,
    readOnly: Bool = false
  ) -> ControlDefinition {
    define(identifier, name, .integer, range, initial, step: 1, readOnly: readOnly)
  }

  private static func boolean(
    _ identifier: Int32, _ name: String, _ initial: Bool
  ) -> ControlDefinition {
    define(identifier, name, .boolean, 0...1, initial ? 1 : 0, step: 1)
  }

  private static func button(_ identifier: Int32, _ name: String) -> ControlDefinition {
    define(identifier, name, .button, 0...0, 0, step: 0)
  }

  private static func menu(
    _ identifier: Int32, _ name: String, _ items: [String?], _ initial: Int64
  ) -> ControlDefinition {
    define(
      identifier, name, .menu, 0...Int64(items.count - 1), initial, step: 1, items: items)
  }

  private static func define(
    _ identifier: Int32, _ name: String, _ kind: ControlDefinition.Kind,
    _ range: ClosedRange<Int64>, _ initial: Int64, step: Int64, items: [String?] = [],
    readOnly: Bool = false
  ) -> ControlDefinition {
    ControlDefinition(
      identifier: UInt32(bitPattern: identifier), name: name, kind: kind,
      minimum: range.lowerBound, maximum: range.upperBound, step: step, initial: initial,
      items: items, isReadOnly: readOnly)
  }
}

/// The values of all controls of one handle.
struct ControlValues: Hashable, Sendable {
  private var values = ControlTable.controls.map(\.initial)

  init() {}

  subscript(index index: Int) -> Int64 {
    get { values[index] }
    set { values[index] = newValue }
  }

  /// The value of the control with this id, which must be one of the table's; 0 for another.
  subscript(_ identifier: Int32) -> Int {
    guard let index = ControlTable.index(of: UInt32(bitPattern: identifier)) else { return 0 }
    return Int(values[index])
  }
}
