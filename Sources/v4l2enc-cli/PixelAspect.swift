internal import V4L2Encoder

/// How the shape of a pixel gets into an H.264 stream: the sample aspect ratio of its VUI.
enum PixelAspect {
  /// `V4L2_MPEG_VIDEO_H264_VUI_SAR_IDC_EXTENDED`: width and height follow as numbers.
  private static let extended: Int64 = 17
  private static let all: [EncoderControl] = [
    .h264VUIExtSARWidth, .h264VUIExtSARHeight, .h264VUISARIDC, .h264VUISAREnable,
  ]

  /// The controls that write this shape; none where it says nothing or the codec has none.
  static func controls(_ aspect: Rational?, _ codec: VideoCodec) -> [ControlSetting] {
    guard codec == .h264, let aspect, !isSquare(aspect), fits(aspect) else { return [] }
    return [
      ControlSetting(.h264VUIExtSARWidth, Int64(aspect.numerator)),
      ControlSetting(.h264VUIExtSARHeight, Int64(aspect.denominator)),
      ControlSetting(.h264VUISARIDC, extended),
      ControlSetting(.h264VUISAREnable, 1),
    ]
  }

  /// What the user should know when the shape is not in the stream; nil when it is, or is square.
  static func remark(
    _ aspect: Rational?, _ codec: VideoCodec, _ report: NegotiationReport
  ) -> String? {
    guard let aspect, !isSquare(aspect) else { return nil }
    let shape = "pixel aspect \(aspect.numerator):\(aspect.denominator) is not written: "
    guard codec == .h264 else { return shape + "there is no control for it with \(codec.name)" }
    guard fits(aspect) else { return shape + "H.264 has 16 bits for each number" }
    let isWritten = all.allSatisfy { control in
      report.controls.last { $0.id == control.id }.map(\.isInForce) ?? false
    }
    return isWritten ? nil : shape + "the driver has no control for it (H264_VUI_SAR_ENABLE)"
  }

  /// Whether a line of the report concerns the controls that are set for the shape.
  static func concerns(_ difference: String) -> Bool {
    all.contains { difference.hasPrefix($0.name) }
  }

  private static func isSquare(_ aspect: Rational) -> Bool {
    aspect.numerator == aspect.denominator
  }

  private static func fits(_ aspect: Rational) -> Bool {
    aspect.numerator <= 0xffff && aspect.denominator <= 0xffff
  }
}

extension ControlOutcome {
  /// Whether the value asked for is in force, as far as the driver says.
  fileprivate var isInForce: Bool {
    switch result {
    case .applied, .unverified: true
    case .adjusted, .unsupported, .refused, .leftOut: false
    }
  }
}
