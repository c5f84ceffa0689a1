extension VirtualDevice.Personality {
  /// Venus of Qualcomm's Snapdragon (drivers/media/platform/qcom/venus, venc.c and venc_ctrls.c of
  /// Linux 6.1).
  ///
  /// Left out: VP8, MPEG-4 and H.263 with their controls, the SoC's own size limits, and controls
  /// of more than one number. That the payload starts behind a `data_offset` is the driver's, how
  /// far behind is this model's choice.
  public static let venus = {
    var driver = VirtualDevice.Personality(
      name: "venus", summary: "Qualcomm Snapdragon (venus)",
      identity: Identity(
        driver: "qcom-venus", card: "Qualcomm Venus video encoder", bus: "platform:qcom-venus"),
      interface: .multiplanar,
      rawFormats: [.nv12.aligned(to: 128)],
      codedFormats: [.h264, .hevc],
      controls: controls(of: h264 + hevc))
    // venc_try_fmt_common returns the aligned size; S_SELECTION tells the true one.
    driver.geometry.widths = 128...4096
    driver.geometry.heights = 128...4096
    driver.geometry.widthStep = 128
    driver.geometry.heightStep = 32
    driver.crop = .fromOrigin
    driver.frameRate.isTakenOnCapture = false
    driver.frameRate.initial = FrameRateRule.Fraction(numerator: 1, denominator: 15)
    driver.buffers.leastOutput = 4
    driver.buffers.leastCapture = 4
    driver.buffers.neededOutput = 4
    driver.buffers.captureOffset = 64
    // EOS can be subscribed to, but venc.c never queues one.
    driver.events.endOfStream = .neverSent
    return driver
  }()

  /// `venc_ctrl_init`; the bitrates are BITRATE_MIN, BITRATE_MAX, BITRATE_STEP and the two defaults
  /// of venc_ctrls.c.
  private static func controls(of codecs: [ControlDefinition]) -> [ControlDefinition] {
    codecs + [
      .userTitle,
      .integer(.minBuffersForOutput, 4...11, 4, readOnly: true),
      .codecTitle,
      .integer(.bFrames, 0...4, 0),
      .integer(.gopSize, 0...0xffff, 30),
      .menu(.bitrateMode, 0...2, 0),
      .integer(.bitrate, 32_000...160_000_000, 1_000_000, step: 100),
      .integer(.bitratePeak, 32_000...160_000_000, 2_000_000, step: 100),
      .boolean(.frameRcEnable, true),
      .menu(.headerMode, 0...1, 1),
      .menu(.multiSliceMode, 0...2, 0),
      .button(.forceKeyFrame),
      .integer(.baselayerPriorityId, 0...6, 0),
      .boolean(.auDelimiter, false),
      .integer(.intraRefreshPeriod, 0...36864, 0),
      .menu(.intraRefreshPeriodType, 0...1, 0),
      .integer(.constantQuality, 0...100, 0),
      .menu(.frameSkipMode, [0, 2], 0),
    ]
  }

  private static let h264: [ControlDefinition] = [
    .integer(.h264IFrameQp, 1...51, 26),
    .integer(.h264PFrameQp, 1...51, 28),
    .integer(.h264BFrameQp, 1...51, 30),
    .integer(.h264MinQp, 1...51, 1),
    .integer(.h264MaxQp, 1...51, 51),
    .boolean(.h264Transform8x8, true),
    .menu(.h264EntropyMode, 0...1, 0),
    .integer(.h264IPeriod, 0...0xffff, 0),
    .menu(.h264Level, 0...15, 0),
    .integer(.h264LoopFilterAlpha, -6...6, 0),
    .integer(.h264LoopFilterBeta, -6...6, 0),
    .menu(.h264LoopFilterMode, 0...2, 1),
    .menu(.h264Profile, [0, 1, 2, 4, 15, 16], 4),
    .integer(.h264IFrameMinQp, 1...51, 1),
    .integer(.h264IFrameMaxQp, 1...51, 51),
    .integer(.h264PFrameMinQp, 1...51, 1),
    .integer(.h264PFrameMaxQp, 1...51, 51),
    .integer(.h264BFrameMinQp, 1...51, 1),
    .integer(.h264BFrameMaxQp, 1...51, 51),
  ]

  private static let hevc: [ControlDefinition] = [
    .integer(.hevcMinQp, 1...63, 1),
    .integer(.hevcMaxQp, 1...63, 63),
    .integer(.hevcIFrameQp, 1...63, 26),
    .integer(.hevcPFrameQp, 1...63, 28),
    .integer(.hevcBFrameQp, 1...63, 30),
    .menu(.hevcProfile, 0...2, 0),
    .menu(.hevcLevel, 0...12, 0),
    .integer(.hevcIFrameMinQp, 1...63, 1),
    .integer(.hevcIFrameMaxQp, 1...63, 63),
    .integer(.hevcPFrameMinQp, 1...63, 1),
    .integer(.hevcPFrameMaxQp, 1...63, 63),
    .integer(.hevcBFrameMinQp, 1...63, 1),
    .integer(.hevcBFrameMaxQp, 1...63, 63),
  ]
}
