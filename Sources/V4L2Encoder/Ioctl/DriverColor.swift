internal import CV4L2

extension ColorDescription {
  /// What a driver's numbers say, its defaults resolved as videodev2.h does in
  /// `V4L2_MAP_XFER_FUNC_DEFAULT`, `V4L2_MAP_YCBCR_ENC_DEFAULT` and
  /// `V4L2_MAP_QUANTIZATION_DEFAULT`.
  ///
  /// A number that there is no name for here becomes `unspecified`. Of RGB pictures matrix and
  /// range are left unspecified: nothing has been computed with them yet.
  package init(driver format: QueueFormat) {
    let colorspace = v4l2_colorspace(format.colorspace)
    let isRGB = format.format.info?.chroma == .rgb
    self.init(
      primaries: Self.primaries(colorspace),
      transfer: Self.transfer(format.transfer, colorspace),
      matrix: isRGB ? .unspecified : Self.matrix(format.matrix, colorspace),
      range: isRGB ? .unspecified : Self.range(format.quantization, colorspace))
  }

  private static func primaries(_ colorspace: v4l2_colorspace) -> Primaries {
    switch colorspace {
    // SMPTE 240M has the primaries of 170M.
    case V4L2_COLORSPACE_SMPTE170M, V4L2_COLORSPACE_SMPTE240M: .smpte170m
    case V4L2_COLORSPACE_REC709: .bt709
    case V4L2_COLORSPACE_470_SYSTEM_BG: .bt470bg
    case V4L2_COLORSPACE_JPEG, V4L2_COLORSPACE_SRGB: .sRGB
    case V4L2_COLORSPACE_BT2020: .bt2020
    default: .unspecified
    }
  }

  private static func transfer(_ stated: UInt32, _ colorspace: v4l2_colorspace) -> Transfer {
    guard stated == V4L2_XFER_FUNC_DEFAULT.rawValue else {
      return Transfer(rawValue: stated) ?? .unspecified
    }
    switch colorspace {
    case V4L2_COLORSPACE_SRGB, V4L2_COLORSPACE_JPEG: return .sRGB
    case V4L2_COLORSPACE_DEFAULT, V4L2_COLORSPACE_OPRGB, V4L2_COLORSPACE_SMPTE240M,
      V4L2_COLORSPACE_DCI_P3, V4L2_COLORSPACE_RAW:
      return .unspecified
    default: return .bt709
    }
  }

  private static func matrix(_ stated: UInt32, _ colorspace: v4l2_colorspace) -> Matrix {
    switch v4l2_ycbcr_encoding(stated) {
    case V4L2_YCBCR_ENC_601, V4L2_YCBCR_ENC_XV601: return .bt601
    case V4L2_YCBCR_ENC_709, V4L2_YCBCR_ENC_XV709: return .bt709
    case V4L2_YCBCR_ENC_BT2020: return .bt2020
    case V4L2_YCBCR_ENC_DEFAULT: break
    default: return .unspecified
    }
    switch colorspace {
    case V4L2_COLORSPACE_REC709, V4L2_COLORSPACE_DCI_P3: return .bt709
    case V4L2_COLORSPACE_BT2020: return .bt2020
    case V4L2_COLORSPACE_SMPTE240M, V4L2_COLORSPACE_DEFAULT: return .unspecified
    default: return .bt601
    }
  }

  private static func range(_ stated: UInt32, _ colorspace: v4l2_colorspace) -> Range {
    if let range = Range(rawValue: stated), range != .unspecified { return range }
    switch colorspace {
    case V4L2_COLORSPACE_JPEG: return .full
    case V4L2_COLORSPACE_DEFAULT: return .unspecified
    default: return .limited
    }
  }
}
