extension EncoderControl {
  /// The profile of H.264.
  public static let h264Profile = EncoderControl(
    .h264Profile, "H264_PROFILE", .menu(h264Profiles))
  /// The level of H.264.
  public static let h264Level = EncoderControl(
    .h264Level, "H264_LEVEL", .menu(h264Levels))
  /// How H.264 symbols become bits.
  public static let h264EntropyMode = EncoderControl(
    .h264EntropyMode, "H264_ENTROPY_MODE", .menu(["cavlc", "cabac"]))
  /// Whether H.264 may transform blocks of 8x8.
  public static let h264Transform8x8 = EncoderControl(
    .h264Transform8x8, "H264_8X8_TRANSFORM", .boolean)
  /// Whether H.264 intra blocks refer to intra blocks only.
  public static let h264ConstrainedIntraPrediction = EncoderControl(
    .h264ConstrainedIntraPrediction, "H264_CONSTRAINED_INTRA_PREDICTION", .boolean)
  /// Where H.264 smooths block edges.
  public static let h264LoopFilterMode = EncoderControl(
    .h264LoopFilterMode, "H264_LOOP_FILTER_MODE",
    .menu(["enabled", "disabled", "disabled-at-slice-boundary"]))
  /// The strength of that filter, -6 to 6.
  public static let h264LoopFilterAlpha = EncoderControl(
    .h264LoopFilterAlpha, "H264_LOOP_FILTER_ALPHA", .integer)
  /// The threshold of that filter, -6 to 6.
  public static let h264LoopFilterBeta = EncoderControl(
    .h264LoopFilterBeta, "H264_LOOP_FILTER_BETA", .integer)
  /// Whether H.264 may order macroblocks freely.
  public static let h264FMO = EncoderControl(
    .h264FMO, "H264_FMO", .boolean)
  /// How macroblocks are grouped.
  public static let h264FMOMapType = EncoderControl(
    .h264FMOMapType, "H264_FMO_MAP_TYPE",
    .menu([
      "interleaved-slices", "scattered-slices", "foreground-with-left-over", "box-out",
      "raster-scan", "wipe-scan", "explicit",
    ]))
  /// Groups of slices.
  public static let h264FMOSliceGroup = EncoderControl(
    .h264FMOSliceGroup, "H264_FMO_SLICE_GROUP", .integer)
  /// Which way the groups change.
  public static let h264FMOChangeDirection = EncoderControl(
    .h264FMOChangeDirection, "H264_FMO_CHANGE_DIRECTION", .menu(["right", "left"]))
  /// The size of the first group.
  public static let h264FMOChangeRate = EncoderControl(
    .h264FMOChangeRate, "H264_FMO_CHANGE_RATE", .integer)
  /// Macroblocks in a row of one group.
  public static let h264FMORunLength = EncoderControl(
    .h264FMORunLength, "H264_FMO_RUN_LENGTH", .integer)
  /// Whether H.264 slices may come in any order.
  public static let h264ASO = EncoderControl(
    .h264ASO, "H264_ASO", .boolean)
  /// The order of the slices.
  public static let h264ASOSliceOrder = EncoderControl(
    .h264ASOSliceOrder, "H264_ASO_SLICE_ORDER", .integer)
  /// The profile of HEVC.
  public static let hevcProfile = EncoderControl(
    .hevcProfile, "HEVC_PROFILE", .menu(["main", "main-still-picture", "main-10"]))
  /// The level of HEVC.
  public static let hevcLevel = EncoderControl(
    .hevcLevel, "HEVC_LEVEL", .menu(hevcLevels))
  /// The tier of HEVC.
  public static let hevcTier = EncoderControl(
    .hevcTier, "HEVC_TIER", .menu(["main", "high"]))
  /// How deep HEVC coding units are divided.
  public static let hevcMaxPartitionDepth = EncoderControl(
    .hevcMaxPartitionDepth, "HEVC_MAX_PARTITION_DEPTH", .integer)
  /// Where HEVC smooths block edges.
  public static let hevcLoopFilterMode = EncoderControl(
    .hevcLoopFilterMode, "HEVC_LOOP_FILTER_MODE",
    .menu(["disabled", "enabled", "disabled-at-slice-boundary"]))
  /// The threshold of that filter, -6 to 6.
  public static let hevcLFBetaOffsetDiv2 = EncoderControl(
    .hevcLFBetaOffsetDiv2, "HEVC_LF_BETA_OFFSET_DIV2", .integer)
  /// The strength of that filter, -6 to 6.
  public static let hevcLFTCOffsetDiv2 = EncoderControl(
    .hevcLFTCOffsetDiv2, "HEVC_LF_TC_OFFSET_DIV2", .integer)
  /// Whether HEVC blocks may be encoded without loss.
  public static let hevcLosslessCU = EncoderControl(
    .hevcLosslessCU, "HEVC_LOSSLESS_CU", .boolean)
  /// Whether HEVC intra blocks refer to intra blocks only.
  public static let hevcConstIntraPred = EncoderControl(
    .hevcConstIntraPred, "HEVC_CONST_INTRA_PRED", .boolean)
  /// Whether HEVC rows can be decoded in parallel.
  public static let hevcWavefront = EncoderControl(
    .hevcWavefront, "HEVC_WAVEFRONT", .boolean)
  /// Whether HEVC smooths large intra blocks.
  public static let hevcStrongSmoothing = EncoderControl(
    .hevcStrongSmoothing, "HEVC_STRONG_SMOOTHING", .boolean)
  /// Candidates for HEVC motion vectors, less one.
  public static let hevcMaxNumMergeMVMinus1 = EncoderControl(
    .hevcMaxNumMergeMVMinus1, "HEVC_MAX_NUM_MERGE_MV_MINUS1", .integer)
  /// Whether HEVC intra blocks may be divided.
  public static let hevcIntraPUSplit = EncoderControl(
    .hevcIntraPUSplit, "HEVC_INTRA_PU_SPLIT", .boolean)
  /// Whether HEVC motion vectors are predicted from other pictures.
  public static let hevcTMVPrediction = EncoderControl(
    .hevcTMVPrediction, "HEVC_TMV_PREDICTION", .boolean)
  /// How far motion is searched to the sides, in pixels.
  public static let mvHSearchRange = EncoderControl(
    .mvHSearchRange, "MV_H_SEARCH_RANGE", .integer)
  /// How far motion is searched up and down, in pixels.
  public static let mvVSearchRange = EncoderControl(
    .mvVSearchRange, "MV_V_SEARCH_RANGE", .integer)

  /// Every control of this file: profiles, levels and coding tools.
  static let toolsControls: [EncoderControl] = [
    .h264Profile, .h264Level, .h264EntropyMode, .h264Transform8x8, .h264ConstrainedIntraPrediction,
    .h264LoopFilterMode, .h264LoopFilterAlpha, .h264LoopFilterBeta, .h264FMO, .h264FMOMapType,
    .h264FMOSliceGroup, .h264FMOChangeDirection, .h264FMOChangeRate, .h264FMORunLength, .h264ASO,
    .h264ASOSliceOrder, .hevcProfile, .hevcLevel, .hevcTier, .hevcMaxPartitionDepth,
    .hevcLoopFilterMode, .hevcLFBetaOffsetDiv2, .hevcLFTCOffsetDiv2, .hevcLosslessCU,
    .hevcConstIntraPred, .hevcWavefront, .hevcStrongSmoothing, .hevcMaxNumMergeMVMinus1,
    .hevcIntraPUSplit, .hevcTMVPrediction, .mvHSearchRange, .mvVSearchRange,
  ]

  private static let h264Profiles = [
    "baseline", "constrained-baseline", "main", "extended", "high", "high-10", "high-422",
    "high-444-predictive", "high-10-intra", "high-422-intra", "high-444-intra", "cavlc-444-intra",
    "scalable-baseline", "scalable-high", "scalable-high-intra", "stereo-high", "multiview-high",
    "constrained-high",
  ]

  private static let h264Levels = [
    "1", "1b", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3", "3.1", "3.2", "4", "4.1", "4.2", "5",
    "5.1", "5.2", "6", "6.1", "6.2",
  ]

  private static let hevcLevels = [
    "1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2",
  ]
}
