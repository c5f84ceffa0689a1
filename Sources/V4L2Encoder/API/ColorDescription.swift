/// What the numbers of a picture mean as colour.
///
/// The raw values are those of `enum v4l2_colorspace`, `v4l2_xfer_func`, `v4l2_ycbcr_encoding`
/// and `v4l2_quantization`, which drivers take with the format and write into the stream's VUI.
public struct ColorDescription: Hashable, Sendable {
  /// Which red, green and blue, `V4L2_COLORSPACE_*`.
  public enum Primaries: UInt32, Hashable, Sendable {
    /// Left to the driver.
    case unspecified = 0
    /// SMPTE 170M: standard definition, 60 Hz countries.
    case smpte170m = 1
    /// ITU-R BT.709: high definition.
    case bt709 = 3
    /// ITU-R BT.470 BG: standard definition, 50 Hz countries.
    case bt470bg = 6
    /// sRGB.
    case sRGB = 8
    /// ITU-R BT.2020: ultra high definition.
    case bt2020 = 10
  }
  /// The transfer function, `V4L2_XFER_FUNC_*`.
  public enum Transfer: UInt32, Hashable, Sendable {
    /// The usual one of the primaries.
    case unspecified = 0
    /// ITU-R BT.709, also of SMPTE 170M and BT.2020.
    case bt709 = 1
    /// sRGB.
    case sRGB = 2
    /// SMPTE ST 2084, "PQ".
    case smpte2084 = 7
  }
  /// How RGB becomes Y'CbCr, `V4L2_YCBCR_ENC_*`.
  public enum Matrix: UInt32, Hashable, Sendable {
    /// The usual one of the primaries.
    case unspecified = 0
    /// ITU-R BT.601.
    case bt601 = 1
    /// ITU-R BT.709.
    case bt709 = 2
    /// ITU-R BT.2020, non-constant luminance.
    case bt2020 = 6
  }
  /// Which numbers are black and white, `V4L2_QUANTIZATION_*`.
  public enum Range: UInt32, Hashable, Sendable {
    /// The usual one: limited for Y'CbCr.
    case unspecified = 0
    /// 0 to 255, as JPEG.
    case full = 1
    /// 16 to 235.
    case limited = 2
  }

  /// Which red, green and blue.
  public var primaries: Primaries
  /// The transfer function.
  public var transfer: Transfer
  /// How RGB becomes Y'CbCr.
  public var matrix: Matrix
  /// Which numbers are black and white.
  public var range: Range

  /// Creates a description.
  public init(primaries: Primaries, transfer: Transfer, matrix: Matrix, range: Range) {
    self.primaries = primaries
    self.transfer = transfer
    self.matrix = matrix
    self.range = range
  }

  /// ITU-R BT.709, limited range: high definition video.
  public static let bt709 = ColorDescription(
    primaries: .bt709, transfer: .bt709, matrix: .bt709, range: .limited)
  /// SMPTE 170M with the matrix of BT.601, limited range: standard definition video.
  public static let bt601 = ColorDescription(
    primaries: .smpte170m, transfer: .bt709, matrix: .bt601, range: .limited)

  /// What video of this size usually is: BT.709 from 720 rows on, BT.601 below.
  public static func usual(for size: VideoSize) -> ColorDescription {
    size.height >= 720 || size.width >= 1280 ? .bt709 : .bt601
  }
}
