internal import Glibc

extension VirtualDevice.Personality {
  /// bcm2835-codec's encoder of the Raspberry Pi Zero to 4 (raspberrypi/linux,
  /// drivers/staging/vc04_services/bcm2835-codec/bcm2835-v4l2-codec.c).
  ///
  /// Left out: the RGB formats, YVYU, VYUY and NC12, and the firmware's own least number of
  /// buffers. The firmware's judgement of the level is taken to be Table A-1's macroblock rates;
  /// that it looks at the bitrate too is known, but not how.
  public static let bcm2835 = {
    var driver = VirtualDevice.Personality(
      name: "bcm2835", summary: "Raspberry Pi Zero to 4 (bcm2835-codec)",
      identity: Identity(
        driver: "bcm2835-codec", card: "bcm2835-codec-encode", bus: "platform:bcm2835-codec"),
      interface: .multiplanar,
      // get_bytesperline: lines of 64 bytes, of 32 for the semi-planar formats.
      rawFormats: [
        .yuv420.aligned(to: 64), .yvu420.aligned(to: 64), .nv12.aligned(to: 32),
        .nv21.aligned(to: 32), .yuyv.aligned(to: 64), .uyvy.aligned(to: 64),
      ],
      codedFormats: [.h264],
      controls: [
        .codecTitle,
        .integer(.bFrames, 0...0, 0),
        .integer(.gopSize, 0...0x7fff_ffff, 60),
        .menu(.bitrateMode, 0...1, 0),
        .integer(.bitrate, 25_000...25_000_000, 10_000_000, step: 25_000),
        .menu(.headerMode, 0...1, 1),
        .boolean(.repeatSeqHeader, false),
        .button(.forceKeyFrame),
        .integer(.h264MinQp, 0...51, 20),
        .integer(.h264MaxQp, 0...51, 51),
        .integer(.h264IPeriod, 0...0x7fff_ffff, 60),
        .menu(.h264Level, 0...15, 11),
        .menu(.h264Profile, [0, 1, 2, 4], 4),
      ])
    // vidioc_try_fmt clamps both sides without a word; the height is not padded for encoding.
    driver.geometry.widths = 32...1920
    driver.geometry.heights = 32...1920
    driver.geometry.heightStep = 2
    // vidioc_s_fmt hands the size to the other queue only when decoding.
    driver.geometry.codedSizeFollowsCrop = false
    // get_sizeimage
    driver.codedBufferSize = .atLeast(512 << 10, upToPixels: 1280 * 720, above: 768 << 10)
    // vidioc_s_selection: the smaller of the asked and the current rectangle, from the origin.
    driver.crop = .shrinking
    // vidioc_s_parm: OUTPUT only, EINVAL for a zero.
    driver.frameRate.isTakenOnCapture = false
    driver.frameRate.zeroFailure = EINVAL
    // Both write MMAL_PARAMETER_INTRAPERIOD (bcm2835_codec_s_ctrl).
    driver.linkedControls = [
      StandardControl.gopSize.identifier, StandardControl.h264IPeriod.identifier,
    ]
    driver.buffers.output = [.mapped, .dmabuf]
    driver.buffers.capture = [.mapped, .dmabuf]
    // The firmware's end-of-stream buffer comes by itself; vidioc_encoder_cmd does nothing for
    // START.
    driver.drain.end = .emptyLast
    driver.drain.start = .isIgnored
    driver.deviations = [
      .streamingNeedsSufficientLevel, .separateHeadersHaveNoTime,
    ]
    return driver
  }()
}
