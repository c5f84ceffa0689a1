/// Plugins of libv4l2.
extension DriverFamily {
  /// NVIDIA's plugin for NVENC (`v4l2_nv_extensions.h`, `NvVideoEncoder.cpp` of the Jetson
  /// Multimedia API).
  ///
  /// What it answers to `VIDIOC_QUERYCAP` is not documented, so it is known by its nodes. The
  /// `GOP_SIZE` there is the distance of I pictures, of which only each `IDR_INTERVAL` is a key
  /// frame. `forceIDR` of NVIDIA's own class uses MFC51's control; the plugin's own is a button.
  public static let nvidia = DriverFamily(
    "nvidia", "NVIDIA Jetson with NVENC",
    FamilySigns(partOfName: "nvenc", nodes: ["v4l2-nvenc", "nvhost-msenc"])
  ).with { family in
    family.dialect = .nvidia
    family.controlRequests = .extendedOnly
    family.readsControlsBack = false
    family.keyFrames.controls = [
      ControlWrite(.forceFrameType, .value(1)),
      ControlWrite(NVIDIAControls.forceIDRFrame, .value(1)),
    ]
    let intervals: [ControlID] = [.gopSize, NVIDIAControls.idrInterval]
    family.keyFrameIntervals = [.h264: intervals, .hevc: intervals]
    family.drain = .emptyFrame
    family.hevcFormats = [.h265, .hevc]
  }

  /// JeffyCN's libv4l-rkmpp (`libv4l-rkmpp-enc.c`).
  ///
  /// `rkmpp_enc_ioctl` knows `S_EXT_CTRLS` and no request that reads a control. It passes a zero
  /// quantizer range on to MPP unless both bounds are set; this library always sets them.
  public static let rkmpp = DriverFamily(
    "rkmpp", "Rockchip with libv4l-rkmpp", FamilySigns(drivers: ["rkmpp"])
  ).with { family in
    family.controlRequests = .extendedOnly
    family.readsControlsBack = false
    family.controls = [
      .bitrate, .bitrateMode, .gopSize, .forceKeyFrame, .h264MinQP, .h264MaxQP, .h264Profile,
      .headerMode, .prependParameterSetsToIDR, .mbRCEnable, .frameRCEnable, .bFrames,
      .h264IPeriod, .h264LoopFilterMode, .h264EntropyMode, .h264Transform8x8, .h264Level,
      .rcReactionCoefficient, .rcFixedTargetBit,
    ]
    family.exceptions = [
      ControlException(
        .h264Level, because: "libv4l-rkmpp hands the menu's index to MPP as if it were the level"),
      ControlException(
        .bFrames, onlyValue: 0, because: "libv4l-rkmpp makes no B-frames and takes only 0"),
      ControlException(
        .h264IPeriod, onlyValue: 0, because: "libv4l-rkmpp takes only 0; GOP_SIZE sets it"),
      ControlException(
        .frameRCEnable, onlyValue: 1,
        because: "libv4l-rkmpp takes only 1; MB_RC_ENABLE = 0 fixes the quantizer"),
      ControlException(
        .h264LoopFilterMode, onlyValue: 0, because: "libv4l-rkmpp takes only the filter enabled"),
      ControlException(
        .h264EntropyMode, .h264Transform8x8, because: "libv4l-rkmpp takes it and ignores it"),
    ]
  }
}
