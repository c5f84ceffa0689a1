extension EncoderControl {
  /// Pictures from one I picture to the next.
  public static let gopSize = EncoderControl(
    .gopSize, "GOP_SIZE", .integer)
  /// Whether no picture refers to one before the last I picture.
  public static let gopClosure = EncoderControl(
    .gopClosure, "GOP_CLOSURE", .boolean)
  /// Bidirectional pictures between two others.
  public static let bFrames = EncoderControl(
    .bFrames, "B_FRAMES", .integer)
  /// Pictures from one I picture of H.264 to the next, for drivers without GOP_SIZE.
  public static let h264IPeriod = EncoderControl(
    .h264IPeriod, "H264_I_PERIOD", .integer)
  /// Makes the next picture a key frame.
  public static let forceKeyFrame = EncoderControl(
    .forceKeyFrame, "FORCE_KEY_FRAME", .button)
  /// Pictures that one picture may refer to.
  public static let maxRefPic = EncoderControl(
    .maxRefPic, "MAX_REF_PIC", .integer)
  /// Pictures that a P picture may refer to.
  public static let refNumberForPFrames = EncoderControl(
    .refNumberForPFrames, "REF_NUMBER_FOR_PFRAMES", .integer)
  /// In how many pictures every block is encoded anew; 0 is never.
  public static let intraRefreshPeriod = EncoderControl(
    .intraRefreshPeriod, "INTRA_REFRESH_PERIOD", .integer)
  /// In which order blocks are encoded anew.
  public static let intraRefreshPeriodType = EncoderControl(
    .intraRefreshPeriodType, "INTRA_REFRESH_PERIOD_TYPE", .menu(["random", "cyclic"]))
  /// Macroblocks of each picture that are encoded anew, in turn.
  public static let cyclicIntraRefreshMB = EncoderControl(
    .cyclicIntraRefreshMB, "CYCLIC_INTRA_REFRESH_MB", .integer)
  /// Long-term reference pictures kept.
  public static let ltrCount = EncoderControl(
    .ltrCount, "LTR_COUNT", .integer)
  /// Keeps the next picture as the long-term reference of this index.
  public static let frameLTRIndex = EncoderControl(
    .frameLTRIndex, "FRAME_LTR_INDEX", .integer)
  /// The long-term references that the next picture may use, a bit for each.
  public static let useLTRFrames = EncoderControl(
    .useLTRFrames, "USE_LTR_FRAMES", .bitmask)
  /// The priority of the base layer in the stream.
  public static let baselayerPriorityID = EncoderControl(
    .baselayerPriorityID, "BASELAYER_PRIORITY_ID", .integer)
  /// What an HEVC key frame is.
  public static let hevcRefreshType = EncoderControl(
    .hevcRefreshType, "HEVC_REFRESH_TYPE", .menu(["none", "cra", "idr"]))
  /// I pictures of HEVC from one key frame to the next.
  public static let hevcRefreshPeriod = EncoderControl(
    .hevcRefreshPeriod, "HEVC_REFRESH_PERIOD", .integer)
  /// Whether HEVC pictures carry the number of their temporal layer.
  public static let hevcTemporalID = EncoderControl(
    .hevcTemporalID, "HEVC_TEMPORAL_ID", .boolean)
  /// Ticks per second of HEVC's clock.
  public static let hevcFrameRateResolution = EncoderControl(
    .hevcFrameRateResolution, "HEVC_FRAME_RATE_RESOLUTION", .integer)
  /// Whether HEVC P pictures are encoded as generalised B pictures.
  public static let hevcGeneralPB = EncoderControl(
    .hevcGeneralPB, "HEVC_GENERAL_PB", .boolean)

  /// Every control of this file: which pictures follow each other.
  static let structureControls: [EncoderControl] = [
    .gopSize, .gopClosure, .bFrames, .h264IPeriod, .forceKeyFrame, .maxRefPic, .refNumberForPFrames,
    .intraRefreshPeriod, .intraRefreshPeriodType, .cyclicIntraRefreshMB, .ltrCount, .frameLTRIndex,
    .useLTRFrames, .baselayerPriorityID, .hevcRefreshType, .hevcRefreshPeriod, .hevcTemporalID,
    .hevcFrameRateResolution, .hevcGeneralPB,
  ]
}
