internal import COpenH264
internal import CV4L2

/// V4L2's controls in OpenH264's parameters.
enum OpenH264Parameters {
  /// The library counts no faster than this; the rates are scaled for a faster stream.
  private static let fastest = 60.0

  static func frameRate(_ settings: CodecSettings) -> Float {
    Float(min(max(settings.frameRate, 1), fastest))
  }

  /// The rate at the clock the library believes in.
  private static func scaled(_ rate: Int, _ settings: CodecSettings) -> Int32 {
    Int32(clamping: Int(Double(rate) * Double(frameRate(settings)) / settings.frameRate))
  }

  static func target(_ settings: CodecSettings) -> Int32 { scaled(settings.bitrate, settings) }

  static func ceiling(_ settings: CodecSettings) -> Int32 {
    let isConstant =
      settings.controls[V4L2_CID_MPEG_VIDEO_BITRATE_MODE]
      == Int(V4L2_MPEG_VIDEO_BITRATE_MODE_CBR.rawValue)
    let peak = settings.controls[V4L2_CID_MPEG_VIDEO_BITRATE_PEAK]
    return scaled(isConstant ? settings.bitrate : max(peak, settings.bitrate), settings)
  }

  /// The library's rate control goes no lower than this, whatever it is told.
  private static let lowestControlled = 12

  /// The quantizer of a stream without rate control; nil when there is rate control.
  ///
  /// A range that ends below what rate control uses leaves it nothing to decide.
  private static func fixedQuantizer(_ settings: CodecSettings) -> Int? {
    let controls = settings.controls
    if !settings.isRateControlled {
      return controls[V4L2_CID_MPEG_VIDEO_H264_P_FRAME_QP]
    }
    let quality = Int(V4L2_MPEG_VIDEO_BITRATE_MODE_CQ.rawValue)
    guard controls[V4L2_CID_MPEG_VIDEO_BITRATE_MODE] == quality else {
      let highest = quantizers(settings).upperBound
      return highest < lowestControlled ? highest : nil
    }
    // 1…100, better upwards, to 51…10.
    return 51 - controls[V4L2_CID_MPEG_VIDEO_CONSTANT_QUALITY] * 41 / 100
  }

  /// The range asked for; of 0 as a lower end the library would make its own range.
  private static func quantizers(_ settings: CodecSettings) -> ClosedRange<Int> {
    let lowest = max(1, settings.controls[V4L2_CID_MPEG_VIDEO_H264_MIN_QP])
    return lowest...max(lowest, settings.controls[V4L2_CID_MPEG_VIDEO_H264_MAX_QP])
  }

  /// Whether the change is one the running encoder has no option for.
  static func needsRestart(_ old: CodecSettings, _ new: CodecSettings) -> Bool {
    let followed: [Int32] = [
      V4L2_CID_MPEG_VIDEO_H264_LEVEL, V4L2_CID_MPEG_VIDEO_H264_MIN_QP,
      V4L2_CID_MPEG_VIDEO_H264_MAX_QP, V4L2_CID_MPEG_VIDEO_BITRATE_MODE,
      V4L2_CID_MPEG_VIDEO_FRAME_SKIP_MODE, V4L2_CID_MPEG_VIDEO_H264_LOOP_FILTER_MODE,
    ]
    return fixedQuantizer(old) != fixedQuantizer(new)
      || followed.contains { old.controls[$0] != new.controls[$0] }
  }

  static func fill(_ parameters: inout SEncParamExt, _ settings: CodecSettings) {
    let controls = settings.controls
    parameters.iUsageType = CAMERA_VIDEO_REAL_TIME
    parameters.iPicWidth = Int32(settings.width)
    parameters.iPicHeight = Int32(settings.height)
    parameters.fMaxFrameRate = frameRate(settings)
    parameters.iTargetBitrate = target(settings)
    parameters.iMaxBitrate = ceiling(settings)
    parameters.iTemporalLayerNum = 1
    parameters.iSpatialLayerNum = 1
    parameters.iComplexityMode = LOW_COMPLEXITY
    parameters.uiIntraPeriod = UInt32(settings.keyFrameInterval)
    parameters.eSpsPpsIdStrategy = CONSTANT_ID
    parameters.bPrefixNalAddingCtrl = false
    parameters.iMultipleThreadIdc = 1
    parameters.bEnableFrameSkip = controls[V4L2_CID_MPEG_VIDEO_FRAME_SKIP_MODE] != 0
    parameters.bEnableFrameCroppingFlag = true
    parameters.bEnableSceneChangeDetect = false
    parameters.bEnableDenoise = false
    parameters.bEnableBackgroundDetection = false
    parameters.bEnableAdaptiveQuant = controls[V4L2_CID_MPEG_VIDEO_MB_RC_ENABLE] != 0
    parameters.bEnableLongTermReference = false
    parameters.iLoopFilterDisableIdc = Int32(
      controls[V4L2_CID_MPEG_VIDEO_H264_LOOP_FILTER_MODE])
    fillRateControl(&parameters, settings)

    let profile = controls[V4L2_CID_MPEG_VIDEO_H264_PROFILE]
    let isArithmetic = controls[V4L2_CID_MPEG_VIDEO_H264_ENTROPY_MODE] == 1
    let (idc, allowsArithmetic): (EProfileIdc, Bool) =
      switch profile {
      case Int(V4L2_MPEG_VIDEO_H264_PROFILE_MAIN.rawValue): (PRO_MAIN, true)
      case Int(V4L2_MPEG_VIDEO_H264_PROFILE_HIGH.rawValue): (PRO_HIGH, true)
      default: (PRO_BASELINE, false)
      }
    parameters.iEntropyCodingModeFlag = isArithmetic && allowsArithmetic ? 1 : 0
    parameters.sSpatialLayers.0.uiProfileIdc = idc
    parameters.sSpatialLayers.0.uiLevelIdc = ELevelIdc(
      UInt32(H264Levels.code(controls[V4L2_CID_MPEG_VIDEO_H264_LEVEL])))
    parameters.sSpatialLayers.0.iVideoWidth = parameters.iPicWidth
    parameters.sSpatialLayers.0.iVideoHeight = parameters.iPicHeight
    parameters.sSpatialLayers.0.fFrameRate = parameters.fMaxFrameRate
    parameters.sSpatialLayers.0.iSpatialBitrate = parameters.iTargetBitrate
    parameters.sSpatialLayers.0.iMaxSpatialBitrate = parameters.iMaxBitrate
    parameters.sSpatialLayers.0.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE
    parameters.sSpatialLayers.0.sSliceArgument.uiSliceNum = 1
    fillColor(&parameters.sSpatialLayers.0, ColorCodes(settings.color))
  }

  private static func fillRateControl(
    _ parameters: inout SEncParamExt, _ settings: CodecSettings
  ) {
    let controls = settings.controls
    let range = quantizers(settings)
    parameters.iMinQp = Int32(range.lowerBound)
    parameters.iMaxQp = Int32(range.upperBound)
    if let quantizer = fixedQuantizer(settings) {
      parameters.iRCMode = RC_OFF_MODE
      parameters.sSpatialLayers.0.iDLayerQp = Int32(
        min(max(quantizer, range.lowerBound), range.upperBound))
      return
    }
    let isConstant =
      controls[V4L2_CID_MPEG_VIDEO_BITRATE_MODE]
      == Int(V4L2_MPEG_VIDEO_BITRATE_MODE_CBR.rawValue)
    parameters.iRCMode = isConstant ? RC_BITRATE_MODE : RC_QUALITY_MODE
    parameters.sSpatialLayers.0.iDLayerQp = 26
  }

  private static func fillColor(_ layer: inout SSpatialLayerConfig, _ codes: ColorCodes) {
    layer.bVideoSignalTypePresent = true
    layer.uiVideoFormat = UInt8(VF_UNDEF.rawValue)
    layer.bFullRange = codes.isFullRange
    layer.bColorDescriptionPresent = true
    layer.uiColorPrimaries = UInt8(codes.primaries)
    layer.uiTransferCharacteristics = UInt8(codes.transfer)
    layer.uiColorMatrix = UInt8(codes.matrix)
  }
}
