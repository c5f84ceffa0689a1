internal import CV4L2
internal import Glibc

extension VirtualDevice.Personality {
  /// The MFC of Samsung's Exynos, version 10
  /// (drivers/media/platform/samsung/s5p-mfc/s5p_mfc_enc.c of Linux 6.1).
  ///
  /// Left out: NV12MT, MPEG-4, H.263 and VP8 with their controls, hierarchical coding, and the
  /// padding of rows and planes, which only makes buffers larger.
  public static let s5pMFC = {
    var driver = VirtualDevice.Personality(
      name: "s5p-mfc", summary: "Samsung Exynos (s5p-mfc)",
      identity: Identity(driver: "s5p-mfc", card: "s5p-mfc-enc", bus: "platform:s5p-mfc"),
      interface: .multiplanar,
      rawFormats: [
        .nv12m.aligned(to: 16, grantsWiderStride: false),
        .nv21m.aligned(to: 16, grantsWiderStride: false),
      ],
      codedFormats: [.h264, .hevc],
      controls: controls)
    // vidioc_try_fmt
    driver.geometry.widths = 8...1920
    driver.geometry.heights = 4...1080
    driver.geometry.heightStep = 2
    driver.codedBufferSize = .verbatim(refusesZero: true)
    driver.frameRate.isTakenOnCapture = false
    driver.buffers.output = [.mapped, .userPointer]
    driver.buffers.capture = [.mapped, .userPointer]
    // vidioc_encoder_cmd and s5p_mfc_handle_stream_complete: an empty buffer and the EOS event
    // are the end; there is no LAST flag, and frames after STOP get EIO (vidioc_qbuf).
    driver.drain.end = .emptyBuffer
    driver.drain.start = .isRefused
    driver.drain.endsWithBrokenPipe = false
    driver.drain.refusesWhenIdle = true
    driver.lackingRequests = [
      CV4L2_VIDIOC_TRY_ENCODER_CMD: ENOTTY, CV4L2_VIDIOC_G_SELECTION: ENOTTY,
      CV4L2_VIDIOC_S_SELECTION: ENOTTY, CV4L2_VIDIOC_ENUM_FRAMESIZES: ENOTTY,
      CV4L2_VIDIOC_ENUM_FRAMEINTERVALS: ENOTTY, CV4L2_VIDIOC_CREATE_BUFS: ENOTTY,
    ]
    // s5p_mfc_enc_s_ctrl stores; s5p_mfc_set_enc_params reads that once. s5p_mfc_stop_streaming
    // leaves the state FINISHED behind, in which s5p_mfc_ctx_ready finds nothing to do.
    driver.deviations = [
      .refusesFramesAfterStop, .refusesUnknownFormats, .ignoresControlsWhileStreaming,
      .encodesOnce,
    ]
    return driver
  }()

  private static let controls: [ControlDefinition] = [
    .userTitle,
    .integer(.minBuffersForOutput, 1...32, 1, readOnly: true),
    .codecTitle,
    .integer(.bFrames, 0...2, 0),
    .integer(.gopSize, 0...0xffff, 12),
    .boolean(.gopClosure, true),
    .integer(.bitrate, 1...0x3fff_ffff, 1),
    .integer(.cyclicIntraRefreshMb, 0...0xffff, 0),
    .boolean(.frameRcEnable, false),
    .menu(.headerMode, 0...1, 0),
    .boolean(.mbRcEnable, false),
    .integer(.multiSliceMaxBytes, 1900...0x3fff_ffff, 1900),
    .integer(.multiSliceMaxMb, 1...0xffff, 1),
    .menu(.multiSliceMode, 0...2, 0),
    .integer(.vbvSize, 0...0xffff, 0),
    .integer(.mvHSearchRange, 16...128, 32),
    .integer(.mvVSearchRange, 16...128, 32),
    .button(.forceKeyFrame),
    .integer(.h264IFrameQp, 0...51, 1),
    .integer(.h264PFrameQp, 0...51, 1),
    .integer(.h264BFrameQp, 0...51, 1),
    .integer(.h264MinQp, 0...51, 1),
    .integer(.h264MaxQp, 0...51, 51),
    .boolean(.h264Transform8x8, false),
    .integer(.h264CpbSize, 0...0xffff, 0),
    .menu(.h264EntropyMode, 0...1, 0),
    .integer(.h264IPeriod, 0...0xffff, 0),
    .menu(.h264Level, 0...11, 0),
    .integer(.h264LoopFilterAlpha, -6...6, 0),
    .integer(.h264LoopFilterBeta, -6...6, 0),
    .menu(.h264LoopFilterMode, 0...2, 0),
    .menu(.h264Profile, 0...16, 0),
    .integer(.h264VuiExtSarHeight, 0...0xffff, 0),
    .integer(.h264VuiExtSarWidth, 0...0xffff, 0),
    .boolean(.h264VuiSarEnable, false),
    .menu(.h264VuiSarIdc, 0...17, 0),
    .integer(.hevcMinQp, 0...51, 0),
    .integer(.hevcMaxQp, 0...51, 0),
    .integer(.hevcIFrameQp, 0...51, 0),
    .integer(.hevcPFrameQp, 0...51, 0),
    .integer(.hevcBFrameQp, 0...51, 0),
    .menu(.hevcProfile, 0...1, 0),
    .menu(.hevcLevel, 0...12, 0),
    .menu(.hevcTier, 0...1, 0),
    .menu(.hevcRefreshType, 0...2, 0),
    .integer(.hevcRefreshPeriod, 0...0xffff, 0),
    .integer(.refNumberForPframes, 1...2, 1),
    .boolean(.prependSpsppsToIdr, false),
    .menu(.frameSkipMode, 0...2, 0),
    .menu(.mfcFrameSkipMode, 0...2, 0),
    .menu(.mfcForceFrameType, 0...2, 0),
    .boolean(.mfcRcFixedTargetBit, false),
    .integer(.mfcRcReactionCoeff, 1...0xffff, 1),
    .boolean(.mfcH264AdaptiveRcActivity, false),
    .boolean(.mfcH264AdaptiveRcDark, false),
    .boolean(.mfcH264AdaptiveRcSmooth, false),
    .boolean(.mfcH264AdaptiveRcStatic, false),
    .integer(.mfcH264NumRefPicForP, 1...2, 1),
  ]
}
