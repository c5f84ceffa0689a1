extension EncoderControl {
  /// Whether parameter sets come in a buffer of their own or with the first picture.
  public static let headerMode = EncoderControl(
    .headerMode, "HEADER_MODE", .menu(["separate", "joined"]))
  /// Whether parameter sets are repeated.
  public static let repeatSeqHeader = EncoderControl(
    .repeatSeqHeader, "REPEAT_SEQ_HEADER", .boolean)
  /// Whether parameter sets come with each key frame.
  public static let prependParameterSetsToIDR = EncoderControl(
    .prependParameterSetsToIDR, "PREPEND_SPSPPS_TO_IDR", .boolean)
  /// Whether each picture begins with an access unit delimiter.
  public static let auDelimiter = EncoderControl(
    .auDelimiter, "AU_DELIMITER", .boolean)
  /// What limits a slice.
  public static let multiSliceMode = EncoderControl(
    .multiSliceMode, "MULTI_SLICE_MODE", .menu(["single", "max-mb", "max-bytes"]))
  /// Macroblocks of a slice.
  public static let multiSliceMaxMB = EncoderControl(
    .multiSliceMaxMB, "MULTI_SLICE_MAX_MB", .integer)
  /// Bytes of a slice.
  public static let multiSliceMaxBytes = EncoderControl(
    .multiSliceMaxBytes, "MULTI_SLICE_MAX_BYTES", .integer)
  /// The shape of the picture in MPEG-2 streams.
  public static let aspect = EncoderControl(
    .aspect, "ASPECT", .menu(["1x1", "4x3", "16x9", "221x100"]))
  /// Whether an H.264 stream says what shape its samples have.
  public static let h264VUISAREnable = EncoderControl(
    .h264VUISAREnable, "H264_VUI_SAR_ENABLE", .boolean)
  /// The shape of the samples; `extended` takes it from the two numbers.
  public static let h264VUISARIDC = EncoderControl(
    .h264VUISARIDC, "H264_VUI_SAR_IDC", .menu(sampleAspectRatios))
  /// The width of a sample, in units of its own.
  public static let h264VUIExtSARWidth = EncoderControl(
    .h264VUIExtSARWidth, "H264_VUI_EXT_SAR_WIDTH", .integer)
  /// The height of a sample, in the units of its width.
  public static let h264VUIExtSARHeight = EncoderControl(
    .h264VUIExtSARHeight, "H264_VUI_EXT_SAR_HEIGHT", .integer)
  /// Whether an H.264 stream says how two views are packed.
  public static let h264SEIFramePacking = EncoderControl(
    .h264SEIFramePacking, "H264_SEI_FRAME_PACKING", .boolean)
  /// Whether the picture is the first view.
  public static let h264SEIFPCurrentFrame0 = EncoderControl(
    .h264SEIFPCurrentFrame0, "H264_SEI_FP_CURRENT_FRAME_0", .boolean)
  /// How two views are packed.
  public static let h264SEIFPArrangementType = EncoderControl(
    .h264SEIFPArrangementType, "H264_SEI_FP_ARRANGEMENT_TYPE",
    .menu(["checkerboard", "column", "row", "side-by-side", "top-bottom", "temporal"]))
  /// Whether HEVC NAL units come with lengths instead of start codes.
  public static let hevcWithoutStartcode = EncoderControl(
    .hevcWithoutStartcode, "HEVC_WITHOUT_STARTCODE", .boolean)
  /// Bytes of those lengths.
  public static let hevcSizeOfLengthField = EncoderControl(
    .hevcSizeOfLengthField, "HEVC_SIZE_OF_LENGTH_FIELD", .menu(["0", "1", "2", "4"]))

  /// Every control of this file: headers, slices and what a decoder is told.
  static let streamControls: [EncoderControl] = [
    .headerMode, .repeatSeqHeader, .prependParameterSetsToIDR, .auDelimiter, .multiSliceMode,
    .multiSliceMaxMB, .multiSliceMaxBytes, .aspect, .h264VUISAREnable, .h264VUISARIDC,
    .h264VUIExtSARWidth, .h264VUIExtSARHeight, .h264SEIFramePacking, .h264SEIFPCurrentFrame0,
    .h264SEIFPArrangementType, .hevcWithoutStartcode, .hevcSizeOfLengthField,
  ]

  private static let sampleAspectRatios = [
    "unspecified", "1x1", "12x11", "10x11", "16x11", "40x33", "24x11", "20x11", "32x11", "80x33",
    "18x11", "15x11", "64x33", "160x99", "4x3", "3x2", "2x1", "extended",
  ]
}
