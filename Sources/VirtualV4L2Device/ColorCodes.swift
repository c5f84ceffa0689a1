internal import CV4L2

/// A colour description in the code points of ISO/IEC 23091-2 (ITU-T H.273), as a VUI has it.
struct ColorCodes: Hashable, Sendable {
  let primaries: Int
  let transfer: Int
  let matrix: Int
  let isFullRange: Bool

  private static let unspecified = 2

  /// Resolves V4L2's "default" members as the `V4L2_MAP_*_DEFAULT` macros of the kernel do.
  init(_ color: Colorimetry) {
    let space = v4l2_colorspace(rawValue: color.colorSpace)
    primaries =
      switch space {
      case V4L2_COLORSPACE_SMPTE170M: 6
      case V4L2_COLORSPACE_SMPTE240M: 7
      case V4L2_COLORSPACE_REC709, V4L2_COLORSPACE_SRGB, V4L2_COLORSPACE_JPEG: 1
      case V4L2_COLORSPACE_470_SYSTEM_M: 4
      case V4L2_COLORSPACE_470_SYSTEM_BG: 5
      case V4L2_COLORSPACE_BT2020: 9
      case V4L2_COLORSPACE_DCI_P3: 11
      default: Self.unspecified
      }
    transfer = Self.transfer(v4l2_xfer_func(rawValue: color.transfer), space)
    matrix = Self.matrix(v4l2_ycbcr_encoding(rawValue: color.matrix), space)
    isFullRange =
      switch v4l2_quantization(rawValue: color.quantization) {
      case V4L2_QUANTIZATION_FULL_RANGE: true
      case V4L2_QUANTIZATION_LIM_RANGE: false
      default: space == V4L2_COLORSPACE_JPEG
      }
  }

  private static func transfer(_ asked: v4l2_xfer_func, _ space: v4l2_colorspace) -> Int {
    switch asked {
    case V4L2_XFER_FUNC_709: 1
    case V4L2_XFER_FUNC_SRGB: 13
    // Adobe RGB's 563/256 is the assumed display gamma 2.2 to within its rounding.
    case V4L2_XFER_FUNC_OPRGB: 4
    case V4L2_XFER_FUNC_SMPTE240M: 7
    case V4L2_XFER_FUNC_NONE: 8
    case V4L2_XFER_FUNC_DCI_P3: 17
    case V4L2_XFER_FUNC_SMPTE2084: 16
    default:
      switch space {
      // One curve under several code points: the one that goes with the primaries.
      case V4L2_COLORSPACE_SMPTE170M: 6
      case V4L2_COLORSPACE_BT2020: 14
      case V4L2_COLORSPACE_SRGB, V4L2_COLORSPACE_JPEG: 13
      case V4L2_COLORSPACE_OPRGB: 4
      case V4L2_COLORSPACE_SMPTE240M: 7
      case V4L2_COLORSPACE_DCI_P3: 17
      case V4L2_COLORSPACE_RAW: 8
      default: 1
      }
    }
  }

  private static func matrix(_ asked: v4l2_ycbcr_encoding, _ space: v4l2_colorspace) -> Int {
    switch asked {
    case V4L2_YCBCR_ENC_601, V4L2_YCBCR_ENC_XV601: space == V4L2_COLORSPACE_470_SYSTEM_BG ? 5 : 6
    case V4L2_YCBCR_ENC_709, V4L2_YCBCR_ENC_XV709: 1
    case V4L2_YCBCR_ENC_BT2020: 9
    case V4L2_YCBCR_ENC_BT2020_CONST_LUM: 10
    case V4L2_YCBCR_ENC_SMPTE240M: 7
    default:
      switch space {
      case V4L2_COLORSPACE_REC709, V4L2_COLORSPACE_DCI_P3: 1
      case V4L2_COLORSPACE_BT2020: 9
      case V4L2_COLORSPACE_SMPTE240M: 7
      case V4L2_COLORSPACE_470_SYSTEM_BG: 5
      default: 6
      }
    }
  }
}
