extension VirtualDevice.Personality {
  /// Wave521 of TI's AM62A and J721S2 and of StarFive's JH7110
  /// (drivers/media/platform/chips-media/wave5/wave5-vpu-enc.c).
  ///
  /// Left out: the 4:2:2 formats, and controls without a use for any client here. The sizes are
  /// W5_MIN_ENC_PIC_WIDTH to W5_MAX_ENC_PIC_HEIGHT of wave5-vpuconfig.h.
  public static let wave5 = {
    var driver = VirtualDevice.Personality(
      name: "wave5", summary: "TI AM62A and J721S2, StarFive JH7110 (wave5)",
      identity: Identity(driver: "wave5-enc", card: "wave5-enc", bus: "platform:wave5-enc"),
      interface: .multiplanar,
      // wave5_update_pix_fmt
      rawFormats: [
        RawFormat.yuv420, .nv12, .nv21, .yuv420m, .nv12m, .nv21m,
      ].map { $0.aligned(to: 32) },
      codedFormats: [.hevc, .h264],
      // wave5_vpu_open_enc
      controls: [
        .userTitle,
        .boolean(.hflip, false),
        .boolean(.vflip, false),
        .integer(.rotate, 0...270, 0, step: 90),
        .integer(.minBuffersForOutput, 1...32, 1, readOnly: true),
        .codecTitle,
        .integer(.gopSize, 0...2047, 0),
        .menu(.bitrateMode, 0...1, 1),
        .integer(.bitrate, 0...700_000_000, 0),
        .boolean(.frameRcEnable, false),
        .boolean(.mbRcEnable, false),
        .menu(.multiSliceMode, 0...1, 0),
        .integer(.vbvSize, 10...3000, 1000),
        .boolean(.auDelimiter, true),
        .integer(.h264IFrameQp, 0...63, 30),
        .integer(.h264MinQp, 0...63, 8),
        .integer(.h264MaxQp, 0...63, 51),
        .boolean(.h264Transform8x8, true),
        .menu(.h264EntropyMode, 0...1, 0),
        .integer(.h264IPeriod, 0...2047, 0),
        .menu(.h264Level, 0...15, 0),
        .integer(.h264LoopFilterAlpha, -6...6, 0),
        .integer(.h264LoopFilterBeta, -6...6, 0),
        .menu(.h264LoopFilterMode, 0...1, 0),
        .menu(.h264Profile, 0...7, 0),
        .boolean(.h264ConstrainedIntraPrediction, false),
        .integer(.h264ChromaQpIndexOffset, -12...12, 0),
        .integer(.hevcMinQp, 0...63, 8),
        .integer(.hevcMaxQp, 0...63, 51),
        .integer(.hevcIFrameQp, 0...63, 30),
        .menu(.hevcProfile, 0...2, 0),
        .menu(.hevcLevel, 0...8, 0),
        .menu(.hevcLoopFilterMode, 0...2, 1),
        .integer(.hevcLfBetaOffsetDiv2, -6...6, 0),
        .integer(.hevcLfTcOffsetDiv2, -6...6, 0),
        .menu(.hevcRefreshType, 0...2, 2),
        .integer(.hevcRefreshPeriod, 0...2047, 0),
        .boolean(.hevcLosslessCu, false),
        .boolean(.hevcConstIntraPred, false),
        .boolean(.hevcWavefront, false),
        .boolean(.hevcStrongSmoothing, true),
        .integer(.hevcMaxNumMergeMvMinus1, 1...2, 2),
        .boolean(.hevcTmvPrediction, true),
        .boolean(.prependSpsppsToIdr, false),
      ])
    driver.geometry.widths = 256...8192
    driver.geometry.heights = 128...8192
    driver.geometry.widthStep = 8
    // wave5_vpu_enc_s_selection
    driver.crop = .fromOrigin
    driver.frameRate.isTakenOnCapture = false
    // wave5_vpu_enc_s_ctrl: GOP_SIZE is the IDR period of H.264 only.
    driver.keyFrameDistance = [.h264: [.gopSize], .hevc: [.hevcRefreshPeriod]]
    driver.buffers.output = [.mapped, .dmabuf]
    driver.buffers.capture = [.mapped, .dmabuf]
    // wave5_vpu_enc_finish_encode and wave5_vpu_enc_encoder_cmd
    driver.drain.end = .emptyLast
    driver.drain.start = .isIgnored
    // wave5_vpu_enc_finish_encode looks for the NAL units of HEVC only.
    driver.frameTypes = .predictedInH264
    // wave5_vpu_enc_s_ctrl stores; wave5_vpu_enc_s_parm divides integers. The state STOP that
    // wave5_vpu_enc_stop_streaming leaves behind is one for which wave5_vpu_enc_job_ready has no
    // job, and wave5_vpu_enc_start_streaming does not leave it.
    driver.deviations = [
      .ignoresControlsWhileStreaming, .keepsWholeFrameRates, .encodesOnce,
    ]
    return driver
  }()
}
