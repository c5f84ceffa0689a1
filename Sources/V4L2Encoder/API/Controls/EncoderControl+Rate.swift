extension EncoderControl {
  /// Whether the bitrate varies, is constant, or follows from a constant quality.
  public static let bitrateMode = EncoderControl(
    .bitrateMode, "BITRATE_MODE", .menu(["vbr", "cbr", "cq"]))
  /// The bitrate to reach, in bit/s.
  public static let bitrate = EncoderControl(
    .bitrate, "BITRATE", .integer)
  /// The highest bitrate of a variable one, in bit/s.
  public static let bitratePeak = EncoderControl(
    .bitratePeak, "BITRATE_PEAK", .integer)
  /// The quality of bitrate mode `cq`, 1 to 100, best last.
  public static let constantQuality = EncoderControl(
    .constantQuality, "CONSTANT_QUALITY", .integer)
  /// Whether the quantizer of each picture follows the bitrate; off holds the quantizer.
  public static let frameRCEnable = EncoderControl(
    .frameRCEnable, "FRAME_RC_ENABLE", .boolean)
  /// Whether the quantizer changes within a picture.
  public static let mbRCEnable = EncoderControl(
    .mbRCEnable, "MB_RC_ENABLE", .boolean)
  /// Whether frames may be left out to hold the bitrate.
  public static let frameSkipMode = EncoderControl(
    .frameSkipMode, "FRAME_SKIP_MODE", .menu(["disabled", "level-limit", "buffer-limit"]))
  /// The buffer of the decoder's model, in KiB.
  public static let vbvSize = EncoderControl(
    .vbvSize, "VBV_SIZE", .integer)
  /// The first delay of the decoder's model, in milliseconds.
  public static let vbvDelay = EncoderControl(
    .vbvDelay, "VBV_DELAY", .integer)
  /// The coded picture buffer of H.264, in KiB.
  public static let h264CPBSize = EncoderControl(
    .h264CPBSize, "H264_CPB_SIZE", .integer)
  /// How many frames are left out after each one that is encoded.
  public static let temporalDecimation = EncoderControl(
    .temporalDecimation, "TEMPORAL_DECIMATION", .integer)
  /// The mean quantizer of the last picture; only to be read.
  public static let averageQP = EncoderControl(
    .averageQP, "AVERAGE_QP", .integer)

  /// Every control of this file: how bits are spent.
  static let rateControls: [EncoderControl] = [
    .bitrateMode, .bitrate, .bitratePeak, .constantQuality, .frameRCEnable, .mbRCEnable,
    .frameSkipMode, .vbvSize, .vbvDelay, .h264CPBSize, .temporalDecimation, .averageQP,
  ]
}
