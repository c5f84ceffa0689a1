internal import CV4L2
internal import Glibc

extension VirtualDevice.Personality {
  /// NVIDIA's libv4l2 plugin of the Jetsons, as `v4l2_nv_extensions.h` and the samples of the
  /// Multimedia API (NvVideoEncoder.cpp, NvV4l2Element.cpp, NvV4l2ElementPlane.cpp) document it.
  ///
  /// The plugin's source is closed. What no sample uses is assumed to be missing here: QUERYCTRL,
  /// QUERY_EXT_CTRL, QUERYMENU, ENUM_FRAMESIZES, TRY_FMT, TRY_ENCODER_CMD, G_PARM, CREATE_BUFS
  /// and PREPARE_BUF. The strings of QUERYCAP, the ranges of the controls, the error number of a
  /// control that comes too late and the size limits are this model's. Left out: VP8, VP9, AV1,
  /// the formats beside YUV420M and NV12M, and control payloads besides those below.
  public static let nvidia = {
    var plugin = VirtualDevice.Personality(
      name: "nvidia", summary: "NVIDIA Jetson behind libv4l2 (nvv4l2)",
      identity: Identity(driver: "nvenc", card: "NVIDIA nvenc", bus: "nvenc"),
      interface: .multiplanar,
      rawFormats: [.yuv420m.aligned(to: 256), .nv12m.aligned(to: 256)],
      codedFormats: [.h264, .h265],
      controls: controls)
    plugin.geometry.heightStep = 2
    plugin.geometry.widths = 144...4096
    plugin.geometry.heights = 96...4096
    plugin.codedBufferSize = .verbatim(refusesZero: true)
    plugin.frameRate.isTakenOnCapture = false
    plugin.buffers.output = [.mapped, .dmabuf]
    plugin.buffers.capture = [.mapped]
    // "EOS Handling" of v4l2_nv_extensions.h
    plugin.drain.endsAtEmptyFrame = true
    plugin.drain.end = .emptyBuffer
    plugin.drain.endsWithBrokenPipe = false
    plugin.drain.start = .isIgnored
    plugin.polling = .useless
    // NvVideoEncoder::forceIDR writes 0 to the second one.
    plugin.keyFrameControls = [
      forceIntraFrame, forceIDRFrame, StandardControl.mfcForceFrameType.identifier,
    ]
    plugin.runTimeControls = plugin.keyFrameControls.union([StandardControl.bitrate.identifier])
    for request in [
      CV4L2_VIDIOC_QUERYCTRL, CV4L2_VIDIOC_QUERY_EXT_CTRL, CV4L2_VIDIOC_QUERYMENU,
      CV4L2_VIDIOC_ENUM_FRAMESIZES, CV4L2_VIDIOC_ENUM_FRAMEINTERVALS, CV4L2_VIDIOC_TRY_FMT,
      CV4L2_VIDIOC_TRY_ENCODER_CMD, CV4L2_VIDIOC_G_PARM, CV4L2_VIDIOC_CREATE_BUFS,
      CV4L2_VIDIOC_PREPARE_BUF, CV4L2_VIDIOC_TRY_EXT_CTRLS, CV4L2_VIDIOC_G_PRIORITY,
      CV4L2_VIDIOC_S_PRIORITY,
    ] {
      plugin.lackingRequests[request] = ENOTTY
    }
    plugin.deviations = [
      .codedFormatComesFirst, .refusesUnknownFormats, .controlsNeedTheirClass,
      .copiesTimesOnRequest,
    ]
    return plugin
  }()

  private static let forceIntraFrame: UInt32 = 0x0099_0b36
  private static let forceIDRFrame: UInt32 = 0x0099_0b37

  private static let controls: [ControlDefinition] = [
    .codecTitle,
    .integer(.gopSize, 0...0x7fff_ffff, 30),
    .menu(.bitrateMode, 0...1, 1),
    .integer(.bitrate, 1...0x7fff_ffff, 4_000_000),
    .integer(.bitratePeak, 1...0x7fff_ffff, 4_800_000),
    .boolean(.frameRcEnable, true),
    .menu(.h264EntropyMode, 0...1, 0),
    .menu(.h264Level, 0...16, 15),
    .menu(.h264Profile, [0, 1, 2, 4], 0),
    .integer(.h264VuiExtSarHeight, 0...0xffff, 1),
    .integer(.h264VuiExtSarWidth, 0...0xffff, 1),
    .menu(.mfcForceFrameType, 0...2, 0),
    number(513, "H265 Profile", 0...2, 0),
    number(514, "IDR Interval", 0...0x7fff_ffff, 256),
    number(528, "Temporal Tradeoff", 0...4, 0),
    payload(529, "Slice Length", words: 2),
    payload(531, "Virtual Buffer Size", words: 1),
    payload(532, "Reference Frames", words: 1),
    payload(533, "Slice Intrarefresh Interval", words: 1),
    number(534, "B Frames", 0...2, 0),
    number(535, "Insert SPS PPS At Every IDR", 0...1, 0),
    payload(539, "QP Range", words: 6),
    number(540, "Hardware Preset", 0...4, 1),
    number(546, "Insert VUI", 0...1, 0),
    number(547, "Insert AUD", 0...1, 0),
    number(548, "Extended Color Format", 0...1, 0),
    number(552, "Two Pass CBR", 0...1, 0),
    number(554, "Maximum Performance", 0...1, 0),
    number(555, "All I-Frame Encoding", 0...1, 0),
    number(561, "H265 Level", 0...25, 16),
    number(562, "Slice Level Encoding", 0...1, 0),
    number(563, "POC Type", 0...2, 0),
    number(564, "H265 SAR Width", 0...0xffff, 1),
    number(565, "H265 SAR Height", 0...0xffff, 1),
    push(566, "Force Intra Frame"),
    push(567, "Force IDR Frame"),
    payload(574, "Initial QP", words: 3),
  ]

  /// NVIDIA's numbers count from the base of the codec controls, as the kernel's do, and some
  /// mean something else there.
  private static func number(
    _ offset: UInt32, _ name: String, _ range: ClosedRange<Int64>, _ initial: Int64
  ) -> ControlDefinition {
    ControlDefinition(
      identifier: 0x0099_0900 + offset, name: name, kind: .integer,
      minimum: range.lowerBound, maximum: range.upperBound, step: 1, initial: initial)
  }

  private static func push(_ offset: UInt32, _ name: String) -> ControlDefinition {
    ControlDefinition(
      identifier: 0x0099_0900 + offset, name: name, kind: .button, minimum: 0, maximum: 0,
      step: 0, initial: 0)
  }

  private static func payload(
    _ offset: UInt32, _ name: String, words: Int
  ) -> ControlDefinition {
    ControlDefinition(
      identifier: 0x0099_0900 + offset, name: name, kind: .structure(words: words), minimum: 0,
      maximum: 0, step: 0, initial: 0)
  }
}
