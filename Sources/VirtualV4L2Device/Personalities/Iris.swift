internal import Glibc

extension VirtualDevice.Personality {
  /// Iris of newer Snapdragons (drivers/media/platform/qcom/iris, iris_venc.c and
  /// iris_platform_gen2.c).
  ///
  /// Left out: QC08C. The ranges of the controls whose numbers were not read (quantizers, the
  /// default bitrate), the size limits and the rate beyond which S_PARM fails are this model's.
  public static let iris = {
    var driver = VirtualDevice.Personality(
      name: "iris", summary: "Qualcomm Snapdragon, newer (iris)",
      identity: Identity(driver: "iris_driver", card: "Iris Encoder", bus: "platform:iris"),
      interface: .multiplanar,
      rawFormats: [.nv12.aligned(to: 128)],
      codedFormats: [.h264.withCaptureFrameInterval, .hevc.withCaptureFrameInterval],
      controls: [
        .codecTitle,
        .integer(.gopSize, 0...0xffff, 59),
        .menu(.bitrateMode, 0...1, 0),
        .integer(.bitrate, 1...245_000_000, 20_000_000),
        .boolean(.frameRcEnable, true),
        .menu(.headerMode, 0...1, 1),
        .boolean(.prependSpsppsToIdr, false),
        .integer(.h264MinQp, 0...51, 0),
        .integer(.h264MaxQp, 0...51, 51),
        .menu(.h264EntropyMode, 0...1, 0),
        .menu(.h264Level, 0...19, 14),
        .menu(.h264Profile, [0, 1, 2, 4], 4),
        .integer(.hevcMinQp, 0...51, 0),
        .integer(.hevcMaxQp, 0...51, 51),
        .menu(.hevcProfile, [0], 0),
        .menu(.hevcLevel, 0...12, 7),
        .menu(.hevcTier, 0...1, 0),
      ])
    // iris_venc_s_fmt_output: the crop becomes the aligned size.
    driver.geometry.widths = 128...4096
    driver.geometry.heights = 128...4096
    driver.geometry.widthStep = 128
    driver.geometry.heightStep = 32
    driver.crop = .fromOrigin
    // iris_venc_s_param
    driver.frameRate.isDecidedByCapture = true
    driver.frameRate.limit = FrameRateRule.Limit(framesPerSecond: 480, failure: ENOMEM)
    driver.buffers.output = [.mapped, .dmabuf]
    driver.buffers.capture = [.mapped, .dmabuf]
    driver.deviations = [.refusesUnknownFormats]
    return driver
  }()
}
