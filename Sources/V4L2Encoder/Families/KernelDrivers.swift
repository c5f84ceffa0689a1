/// Drivers of the kernel, mainline and Raspberry Pi's; sources are those of Linux 6.1 unless said
/// otherwise.
extension DriverFamily {
  /// Raspberry Pi's firmware encoder (`bcm2835-v4l2-codec.c` of raspberrypi/linux).
  ///
  /// `vidioc_s_parm` and `bcm2835_codec_s_ctrl` hand frame rate and bitrate to the running
  /// firmware.
  public static let bcm2835 = DriverFamily(
    "bcm2835-codec", "Raspberry Pi Zero to 4", FamilySigns(drivers: ["bcm2835-codec"]))

  /// Chips&Media CODA (`coda-common.c`, `coda-bit.c`).
  ///
  /// `coda_s_ctrl` would take `FORCE_KEY_FRAME`, but `coda_encode_ctrls` does not offer it.
  /// `coda_update_parameters` hands bitrate and frame rate to the running encoder.
  public static let coda = DriverFamily(
    "coda", "NXP i.MX5 and i.MX6", FamilySigns(drivers: ["coda"])
  ).with { $0.keyFrames = .standardOrRestart }

  /// Qualcomm Venus (`venc.c`, `venc_ctrls.c`).
  public static let venus = DriverFamily(
    "venus", "Qualcomm Snapdragon", FamilySigns(drivers: ["qcom-venus"]))

  /// Qualcomm Iris (torvalds/linux, `iris_venc.c`, `iris_vidc.c`).
  ///
  /// `iris_venc_s_param` takes the coded rate on CAPTURE; on OUTPUT it is that of the hardware.
  public static let iris = DriverFamily(
    "iris", "Qualcomm Snapdragon, newer", FamilySigns(drivers: ["iris_driver"])
  ).with { $0.takesRateOnCapture = true }

  /// Chips&Media Wave5 (torvalds/linux, `wave5-vpu-enc.c`).
  ///
  /// `wave5_vpu_enc_s_ctrl` stores values that `wave5_set_enc_openparam` reads when the encoder is
  /// opened. `GOP_SIZE` is the IDR period of H.264 only; that of HEVC is `HEVC_REFRESH_PERIOD`. After
  /// `wave5_vpu_enc_stop_streaming` the instance stays in the state STOP, in which
  /// `wave5_vpu_enc_job_ready` has no job for it.
  public static let wave5 = DriverFamily(
    "wave5", "TI AM62A and J721S2, StarFive JH7110", FamilySigns(drivers: ["wave5-enc"])
  ).with { family in
    family.keyFrameIntervals = [.hevc: [.hevcRefreshPeriod]]
    family.changes = .afterReopening
  }

  /// Samsung MFC (`s5p_mfc_enc.c`).
  ///
  /// `s5p_mfc_set_enc_params` reads what `s5p_mfc_enc_s_ctrl` stored once, when the encoder
  /// starts. Older kernels know `MFC51_VIDEO_FORCE_FRAME_TYPE` only. There is no S_SELECTION. After
  /// `s5p_mfc_stop_streaming` the context stays in the state FINISHED, in which
  /// `s5p_mfc_ctx_ready` finds nothing to do.
  public static let s5pMFC = DriverFamily(
    "s5p-mfc", "Samsung Exynos", FamilySigns(drivers: ["s5p-mfc"])
  ).with { family in
    family.keyFrames.controls.append(ControlWrite(.forceFrameType, .value(1)))
    family.changes = .afterReopening
    family.crops = false
  }

  /// MediaTek (`mtk_vcodec_enc.c`).
  ///
  /// `mtk_venc_param_change` hands bitrate, frame rate and GOP to the running encoder.
  public static let mtkVcodec = DriverFamily(
    "mtk-vcodec-enc", "MediaTek", FamilySigns(drivers: ["mtk-vcodec-enc"]))

  /// Allegro DVT (`allegro-core.c`).
  ///
  /// `allegro_channel_create` takes the controls and locks them until the queues are stopped. There
  /// is no `FORCE_KEY_FRAME` and no S_SELECTION.
  public static let allegro = DriverFamily(
    "allegro", "Xilinx ZynqMP EV", FamilySigns(drivers: ["allegro"])
  ).with { family in
    family.keyFrames = .standardOrRestart
    family.changes = .afterRestart
    family.crops = false
  }

  /// NXP's Amphion VPU (`venc.c`).
  public static let amphion = DriverFamily(
    "amphion", "NXP i.MX8Q", FamilySigns(drivers: ["amphion-vpu"]))

  /// STMicroelectronics HVA (`hva-v4l2.c`, `hva-h264.c`).
  ///
  /// `hva_ioctl_ops` has neither ENCODER_CMD nor S_SELECTION; `hva_h264_prepare_task` reads bitrate
  /// and frame rate for each frame. There is no `FORCE_KEY_FRAME`.
  public static let hva = DriverFamily(
    "hva", "STMicroelectronics STiH4", FamilySigns(drivers: ["st-hva"])
  ).with { family in
    family.keyFrames = .standardOrRestart
    family.drain = .none
    family.crops = false
  }

  /// The kernel's own test driver (`vicodec-core.c`), without frame rates, bitrates and key frames
  /// on demand.
  public static let vicodec = DriverFamily(
    "vicodec", "any machine, for tests", FamilySigns(drivers: ["vicodec"]))

  /// The same family with something changed.
  func with(_ change: (inout DriverFamily) -> Void) -> DriverFamily {
    var family = self
    change(&family)
    return family
  }
}
