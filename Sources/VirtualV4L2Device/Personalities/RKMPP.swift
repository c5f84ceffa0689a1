internal import CV4L2
internal import Glibc

extension VirtualDevice.Personality {
  /// libv4l-rkmpp, the libv4l2 plugin of Rockchip's boards (JeffyCN/libv4l-rkmpp,
  /// libv4l-rkmpp.c and libv4l-rkmpp-enc.c of version 1.8.0).
  ///
  /// Left out: VP8 and MJPEG, and that a level's menu index is taken for MPP's own number.
  public static let rkmpp = {
    var plugin = VirtualDevice.Personality(
      name: "rkmpp", summary: "Rockchip behind libv4l2 (libv4l-rkmpp)",
      identity: Identity(driver: "rkmpp", card: "rkmpp", bus: "platform: rkmpp"),
      interface: .multiplanar,
      rawFormats: [RawFormat.yuv420m, .nv12m, .yuyv, .uyvy].map {
        $0.aligned(to: 16, grantsWiderStride: false)
      },
      codedFormats: [.h264],
      controls: [
        .integer(.bFrames, 0...0, 0),
        .integer(.gopSize, 0...0x7fff_ffff, 30),
        .menu(.bitrateMode, 0...1, 0),
        .integer(.bitrate, 0...0x7fff_ffff, 0),
        .integer(.frameRcEnable, 1...1, 1),
        .menu(.headerMode, 0...1, 0),
        .boolean(.mbRcEnable, true),
        .button(.forceKeyFrame),
        .integer(.h264MinQp, 0...51, 4),
        .integer(.h264MaxQp, 0...51, 28),
        .boolean(.h264Transform8x8, true),
        .menu(.h264EntropyMode, 0...1, 1),
        .integer(.h264IPeriod, 0...0, 0),
        .menu(.h264Level, 0...15, 11),
        .menu(.h264LoopFilterMode, [0], 0),
        .menu(.h264Profile, [0, 2, 4], 4),
        .boolean(.prependSpsppsToIdr, false),
        .boolean(.mfcRcFixedTargetBit, false),
        .integer(.mfcRcReactionCoeff, 0...0x7fff_ffff, 0),
      ])
    // rkmpp_try_fmt and its checks: no fallback for a FourCC, sides of 16, CAPTURE first.
    plugin.geometry.widths = 96...1920
    plugin.geometry.heights = 96...1088
    plugin.geometry.widthStep = 16
    plugin.geometry.heightStep = 16
    plugin.codedBufferSize = .verbatim(refusesZero: true)
    plugin.crop = .fromOrigin
    plugin.frameRate.isTakenOnCapture = false
    // rkmpp_enc_query_ctrl knows four numbers, of which one is VP8's.
    plugin.describedControls = [
      StandardControl.prependSpsppsToIdr.identifier, StandardControl.bitrateMode.identifier,
      StandardControl.h264Profile.identifier,
    ]
    // encode_get_packet: an empty buffer with LAST, time 0; DQBUF says EAGAIN for ever after.
    plugin.drain.end = .emptyLast
    plugin.drain.endsWithBrokenPipe = false
    plugin.polling = .inputOnly
    plugin.events.endOfStream = .unknown
    plugin.events.hasControlEvents = false
    // rkmpp_enc_ioctl answers ENOTTY to whatever it does not name.
    for request in [
      CV4L2_VIDIOC_S_CTRL, CV4L2_VIDIOC_G_CTRL, CV4L2_VIDIOC_G_EXT_CTRLS,
      CV4L2_VIDIOC_TRY_EXT_CTRLS, CV4L2_VIDIOC_QUERY_EXT_CTRL, CV4L2_VIDIOC_TRY_ENCODER_CMD,
      CV4L2_VIDIOC_CREATE_BUFS, CV4L2_VIDIOC_PREPARE_BUF, CV4L2_VIDIOC_G_PARM,
      CV4L2_VIDIOC_G_SELECTION, CV4L2_VIDIOC_G_CROP, CV4L2_VIDIOC_SUBSCRIBE_EVENT,
      CV4L2_VIDIOC_UNSUBSCRIBE_EVENT, CV4L2_VIDIOC_DQEVENT, CV4L2_VIDIOC_G_PRIORITY,
      CV4L2_VIDIOC_S_PRIORITY, CV4L2_VIDIOC_ENUM_FRAMEINTERVALS,
    ] {
      plugin.lackingRequests[request] = ENOTTY
    }
    plugin.deviations = [
      .codedFormatComesFirst, .refusesUnknownFormats, .controlsNeedTheirClass,
      .refusesControlsOutOfRange, .planesAreContiguous, .countsNothing,
      .computesBitrateOfZero,
    ]
    return plugin
  }()
}
