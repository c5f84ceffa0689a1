extension VirtualDevice.Personality {
  /// The kernel's documentation of stateful encoders to the letter
  /// (Documentation/userspace-api/media/v4l/dev-encoder.rst), with everything it allows.
  ///
  /// What the OpenH264 back end cannot do is stored, read back and has no effect there:
  /// `H264_8X8_TRANSFORM`, `H264_CPB_SIZE` and `VBV_SIZE` (its rate control has no such buffer),
  /// `MULTI_SLICE_*`, and `H264_I_FRAME_QP` beside another `H264_P_FRAME_QP` (it takes one
  /// quantizer for both). `B_FRAMES` has the range 0…0 while the coded format is H.264.
  public static let spec = VirtualDevice.Personality(
    name: "spec",
    summary: "the kernel's documentation of stateful encoders, with everything it allows",
    identity: Identity(
      driver: "virtual-encoder", card: "Virtual V4L2 encoder", bus: "platform:virtual-encoder"),
    interface: .multiplanar,
    rawFormats: [.nv12, .yuv420, .nv21, .nv12m, .yuv420m, .yuyv],
    codedFormats: [.h264, .hevc],
    controls: [
      .userTitle,
      .integer(.minBuffersForOutput, 1...16, 1, readOnly: true),
      .codecTitle,
      .integer(.bFrames, 0...2, 0),
      .integer(.gopSize, 0...1000, 12),
      .menu(.bitrateMode, 0...2, 0),
      .integer(.bitrate, 10_000...200_000_000, 4_000_000),
      .integer(.bitratePeak, 10_000...200_000_000, 8_000_000),
      .boolean(.frameRcEnable, true),
      .menu(.headerMode, 0...1, 1),
      .boolean(.repeatSeqHeader, false),
      .button(.forceKeyFrame),
      .boolean(.mbRcEnable, true),
      .integer(.multiSliceMaxMb, 1...65536, 1),
      .menu(.multiSliceMode, 0...1, 0),
      .integer(.vbvSize, 0...65536, 0),
      .boolean(.prependSpsppsToIdr, false),
      .integer(.constantQuality, 1...100, 50),
      .menu(.frameSkipMode, 0...2, 0),
      .boolean(.auDelimiter, false),
      .integer(.h264IFrameQp, 0...51, 26),
      .integer(.h264PFrameQp, 0...51, 28),
      .integer(.h264MinQp, 0...51, 0),
      .integer(.h264MaxQp, 0...51, 51),
      .boolean(.h264Transform8x8, false),
      .integer(.h264CpbSize, 0...65536, 0),
      .menu(.h264EntropyMode, 0...1, 0),
      .integer(.h264IPeriod, 0...1000, 0),
      .menu(.h264Level, 0...16, 11),
      .menu(.h264LoopFilterMode, 0...2, 0),
      .menu(.h264Profile, [0, 1, 2, 4], 1),
      .integer(.hevcMinQp, 0...51, 0),
      .integer(.hevcMaxQp, 0...51, 51),
      .integer(.hevcIFrameQp, 0...51, 26),
      .integer(.hevcPFrameQp, 0...51, 28),
      .menu(.hevcProfile, [0], 0),
      .menu(.hevcLevel, 0...12, 5),
      .menu(.hevcTier, 0...1, 0),
    ])
}
