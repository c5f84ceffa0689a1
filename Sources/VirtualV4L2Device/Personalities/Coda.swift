extension VirtualDevice.Personality {
  /// The CODA960 of i.MX6 (drivers/media/platform/chips-media/coda-common.c of Linux 6.1).
  ///
  /// Left out: MPEG-4 and JPEG, which nobody here encodes.
  public static let coda = {
    var driver = VirtualDevice.Personality(
      name: "coda", summary: "NXP i.MX6 (coda), single-planar",
      identity: Identity(driver: "coda", card: "CODA960", bus: "platform:coda"),
      interface: .singlePlanar,
      // coda_try_fmt: lines are the width in multiples of 16, whatever is asked for.
      rawFormats: [RawFormat.nv12, .yuv420, .yvu420].map {
        $0.aligned(to: 16, grantsWiderStride: false)
      },
      codedFormats: [.h264],
      controls: [
        .userTitle,
        .integer(.minBuffersForOutput, 1...1, 1, readOnly: true),
        .codecTitle,
        .integer(.gopSize, 0...99, 16),
        .integer(.bitrate, 0...32_767_000, 0, step: 1000),
        .integer(.cyclicIntraRefreshMb, 0...8160, 0),
        .boolean(.frameRcEnable, true),
        .menu(.headerMode, [1], 1),
        .boolean(.mbRcEnable, true),
        .integer(.multiSliceMaxBytes, 1...0x3fff_ffff, 500),
        .integer(.multiSliceMaxMb, 1...0x3fff_ffff, 1),
        .menu(.multiSliceMode, 0...2, 0),
        .integer(.vbvSize, 0...262_144, 0),
        .integer(.vbvDelay, 0...0x7fff, 0),
        .integer(.h264IFrameQp, 0...51, 25),
        .integer(.h264PFrameQp, 0...51, 25),
        .integer(.h264MinQp, 0...51, 12),
        .integer(.h264MaxQp, 0...51, 51),
        .menu(.h264Level, [0, 5, 8, 9, 10, 11, 12, 13], 11),
        .integer(.h264LoopFilterAlpha, -6...6, 0),
        .integer(.h264LoopFilterBeta, -6...6, 0),
        .menu(.h264LoopFilterMode, 0...2, 0),
        .menu(.h264Profile, 0...1, 1),
        .boolean(.h264ConstrainedIntraPrediction, false),
        .integer(.h264ChromaQpIndexOffset, -12...12, 0),
      ])
    // MIN_W, MIN_H; the largest is the codec's, CODA_CODEC.
    driver.geometry.widths = 48...1920
    driver.geometry.heights = 16...1088
    driver.geometry.heightStep = 2
    // coda_s_fmt_vid_out and coda_s_selection leave the CAPTURE format alone.
    driver.geometry.codedSizeFollowsCrop = false
    // coda_estimate_sizeimage
    driver.codedBufferSize = .bitsPerPixel(1...16)
    // coda_s_selection
    driver.crop = .fromOrigin
    // coda_s_parm
    driver.frameRate.isTakenOnCapture = false
    driver.buffers.output = [.mapped, .dmabuf]
    driver.buffers.capture = [.mapped, .dmabuf]
    // coda_encoder_cmd looks at no command: it marks the last frame in the queue, or wakes DQBUF
    // up with EPIPE when there is none.
    driver.drain.end = .lastFlagOrBrokenPipe
    driver.drain.start = .stops
    driver.drain.isBusyMeanwhile = false
    // coda_start_streaming
    driver.deviations = [.streamingNeedsCropOfCodedSize]
    return driver
  }()
}
