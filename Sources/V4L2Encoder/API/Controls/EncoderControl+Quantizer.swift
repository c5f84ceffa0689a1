extension EncoderControl {
  /// The quantizer of H.264 I pictures, where it does not follow the bitrate.
  public static let h264IFrameQP = EncoderControl(
    .h264IFrameQP, "H264_I_FRAME_QP", .integer)
  /// The quantizer of H.264 P pictures, where it does not follow the bitrate.
  public static let h264PFrameQP = EncoderControl(
    .h264PFrameQP, "H264_P_FRAME_QP", .integer)
  /// The quantizer of H.264 B pictures, where it does not follow the bitrate.
  public static let h264BFrameQP = EncoderControl(
    .h264BFrameQP, "H264_B_FRAME_QP", .integer)
  /// The quantizer of HEVC I pictures, where it does not follow the bitrate.
  public static let hevcIFrameQP = EncoderControl(
    .hevcIFrameQP, "HEVC_I_FRAME_QP", .integer)
  /// The quantizer of HEVC P pictures, where it does not follow the bitrate.
  public static let hevcPFrameQP = EncoderControl(
    .hevcPFrameQP, "HEVC_P_FRAME_QP", .integer)
  /// The quantizer of HEVC B pictures, where it does not follow the bitrate.
  public static let hevcBFrameQP = EncoderControl(
    .hevcBFrameQP, "HEVC_B_FRAME_QP", .integer)
  /// The lowest quantizer of H.264 pictures.
  public static let h264MinQP = EncoderControl(
    .h264MinQP, "H264_MIN_QP", .integer)
  /// The highest quantizer of H.264 pictures.
  public static let h264MaxQP = EncoderControl(
    .h264MaxQP, "H264_MAX_QP", .integer)
  /// The lowest quantizer of HEVC pictures.
  public static let hevcMinQP = EncoderControl(
    .hevcMinQP, "HEVC_MIN_QP", .integer)
  /// The highest quantizer of HEVC pictures.
  public static let hevcMaxQP = EncoderControl(
    .hevcMaxQP, "HEVC_MAX_QP", .integer)
  /// The lowest quantizer of H.264 I pictures.
  public static let h264IFrameMinQP = EncoderControl(
    .h264IFrameMinQP, "H264_I_FRAME_MIN_QP", .integer)
  /// The highest quantizer of H.264 I pictures.
  public static let h264IFrameMaxQP = EncoderControl(
    .h264IFrameMaxQP, "H264_I_FRAME_MAX_QP", .integer)
  /// The lowest quantizer of H.264 P pictures.
  public static let h264PFrameMinQP = EncoderControl(
    .h264PFrameMinQP, "H264_P_FRAME_MIN_QP", .integer)
  /// The highest quantizer of H.264 P pictures.
  public static let h264PFrameMaxQP = EncoderControl(
    .h264PFrameMaxQP, "H264_P_FRAME_MAX_QP", .integer)
  /// The lowest quantizer of H.264 B pictures.
  public static let h264BFrameMinQP = EncoderControl(
    .h264BFrameMinQP, "H264_B_FRAME_MIN_QP", .integer)
  /// The highest quantizer of H.264 B pictures.
  public static let h264BFrameMaxQP = EncoderControl(
    .h264BFrameMaxQP, "H264_B_FRAME_MAX_QP", .integer)
  /// The lowest quantizer of HEVC I pictures.
  public static let hevcIFrameMinQP = EncoderControl(
    .hevcIFrameMinQP, "HEVC_I_FRAME_MIN_QP", .integer)
  /// The highest quantizer of HEVC I pictures.
  public static let hevcIFrameMaxQP = EncoderControl(
    .hevcIFrameMaxQP, "HEVC_I_FRAME_MAX_QP", .integer)
  /// The lowest quantizer of HEVC P pictures.
  public static let hevcPFrameMinQP = EncoderControl(
    .hevcPFrameMinQP, "HEVC_P_FRAME_MIN_QP", .integer)
  /// The highest quantizer of HEVC P pictures.
  public static let hevcPFrameMaxQP = EncoderControl(
    .hevcPFrameMaxQP, "HEVC_P_FRAME_MAX_QP", .integer)
  /// The lowest quantizer of HEVC B pictures.
  public static let hevcBFrameMinQP = EncoderControl(
    .hevcBFrameMinQP, "HEVC_B_FRAME_MIN_QP", .integer)
  /// The highest quantizer of HEVC B pictures.
  public static let hevcBFrameMaxQP = EncoderControl(
    .hevcBFrameMaxQP, "HEVC_B_FRAME_MAX_QP", .integer)
  /// What is added to the luma quantizer for chroma, -12 to 12.
  public static let h264ChromaQPIndexOffset = EncoderControl(
    .h264ChromaQPIndexOffset, "H264_CHROMA_QP_INDEX_OFFSET", .integer)

  /// Every control of this file: quantizers and their bounds.
  static let quantizerControls: [EncoderControl] = [
    .h264IFrameQP, .h264PFrameQP, .h264BFrameQP, .hevcIFrameQP, .hevcPFrameQP, .hevcBFrameQP,
    .h264MinQP, .h264MaxQP, .hevcMinQP, .hevcMaxQP, .h264IFrameMinQP, .h264IFrameMaxQP,
    .h264PFrameMinQP, .h264PFrameMaxQP, .h264BFrameMinQP, .h264BFrameMaxQP, .hevcIFrameMinQP,
    .hevcIFrameMaxQP, .hevcPFrameMinQP, .hevcPFrameMaxQP, .hevcBFrameMinQP, .hevcBFrameMaxQP,
    .h264ChromaQPIndexOffset,
  ]
}
