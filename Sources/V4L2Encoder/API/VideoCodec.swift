/// A video coding standard.
public enum VideoCodec: String, Hashable, Sendable, CaseIterable {
  /// ITU-T H.264.
  case h264
  /// ITU-T H.265.
  case hevc
  /// The Fast Walsh Hadamard Transform codec of the kernel's own test driver, vicodec.
  case fwht

  /// The name people write: `H.264`, `HEVC`, `FWHT`.
  public var name: String {
    switch self {
    case .h264: "H.264"
    case .hevc: "HEVC"
    case .fwht: "FWHT"
    }
  }
}

/// A subset of a codec's tools that a decoder must know.
public struct CodecProfile: Hashable, Sendable {
  /// The codec the profile belongs to.
  public let codec: VideoCodec
  /// The name on the command line, such as `constrained-baseline`.
  public let name: String
  /// The item of the driver's menu: `V4L2_MPEG_VIDEO_H264_PROFILE_*` or
  /// `V4L2_MPEG_VIDEO_HEVC_PROFILE_*`.
  public let menuValue: Int32

  private init(_ codec: VideoCodec, _ name: String, _ menuValue: Int32) {
    self.codec = codec
    self.name = name
    self.menuValue = menuValue
  }

  /// H.264 Baseline.
  public static let h264Baseline = CodecProfile(.h264, "baseline", 0)
  /// H.264 Constrained Baseline: what every WebRTC peer decodes.
  public static let h264ConstrainedBaseline = CodecProfile(.h264, "constrained-baseline", 1)
  /// H.264 Main.
  public static let h264Main = CodecProfile(.h264, "main", 2)
  /// H.264 High.
  public static let h264High = CodecProfile(.h264, "high", 4)
  /// HEVC Main.
  public static let hevcMain = CodecProfile(.hevc, "main", 0)

  /// Every profile the library can ask for.
  public static let all: [CodecProfile] = [
    .h264Baseline, .h264ConstrainedBaseline, .h264Main, .h264High, .hevcMain,
  ]
}

/// The limit on size, rate and bitrate that a decoder must bear.
///
/// H.264 Table A-1 and HEVC Table A.8 define the values.
public struct CodecLevel: Hashable, Sendable {
  /// The codec the level belongs to.
  public let codec: VideoCodec
  /// The name, such as `4.1` or `1b`.
  public let name: String
  /// The item of the driver's menu: `V4L2_MPEG_VIDEO_H264_LEVEL_*` or
  /// `V4L2_MPEG_VIDEO_HEVC_LEVEL_*`.
  public let menuValue: Int32

  package init(_ codec: VideoCodec, _ name: String, _ menuValue: Int32) {
    self.codec = codec
    self.name = name
    self.menuValue = menuValue
  }
}
