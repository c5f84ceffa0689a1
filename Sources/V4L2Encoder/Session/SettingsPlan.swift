/// What a change of settings asks of the driver, in the order it is set.
package struct SettingsPlan: Sendable {
  package var controls: [PlannedControl] = []
  package var frameRate: Rational?
  /// What is asked of the driver afterwards, if it takes everything.
  package var configuration: EncoderConfiguration
  /// Controls asked for by number.
  private let settings: [ControlSetting]

  package var isEmpty: Bool { controls.isEmpty && frameRate == nil }

  /// - Parameters:
  ///   - settings: what is asked for.
  ///   - current: what is in force until now.
  ///   - codec: what is encoded.
  ///   - family: how the driver sets key frame distances.
  /// - Throws: `invalidConfiguration` for what contradicts itself or leaves its ranges.
  package init(
    _ settings: DynamicSettings, after current: EncoderConfiguration, for codec: VideoCodec,
    family: DriverFamily
  ) throws(EncoderError) {
    configuration = current
    configuration.rateControl = try Self.rateControl(settings, after: current.rateControl)
    configuration.frameRate = settings.frameRate ?? current.frameRate
    configuration.keyFrameInterval = settings.keyFrameInterval ?? current.keyFrameInterval
    configuration.quantizer = settings.quantizer ?? current.quantizer
    self.settings = settings.controls
    guard settings.quantizer == nil || !configuration.rateControl.isConstantQuantizer else {
      throw EncoderError(
        .invalidConfiguration, "a constant quantizer has no bounds; set rateControl instead")
    }
    try ConfigurationCheck.validate(configuration, for: codec)
    frameRate = settings.frameRate
    controls = Self.rateControls(from: current, to: configuration, for: codec)
    if settings.keyFrameInterval != nil {
      controls += ControlPlan.keyFrameInterval(codec, configuration, family)
    }
    let changesConstant =
      configuration.rateControl.isConstantQuantizer != current.rateControl.isConstantQuantizer
    if settings.quantizer != nil || changesConstant {
      controls += ControlPlan.quantizer(codec, configuration)
    }
    controls += settings.controls.map {
      PlannedControl(ControlID(rawValue: $0.id), $0.value, .asked)
    }
  }

  private static func rateControls(
    from current: EncoderConfiguration, to wanted: EncoderConfiguration, for codec: VideoCodec
  ) -> [PlannedControl] {
    guard wanted.rateControl != current.rateControl else { return [] }
    switch (current.rateControl, wanted.rateControl) {
    case (.constant, .constant(let bitrate)):
      return [PlannedControl(.bitrate, Int64(bitrate), .asked)]
    case (.variable(_, let oldPeak), .variable(let bitrate, let peak)):
      let target = PlannedControl(.bitrate, Int64(bitrate), .asked)
      let limit = PlannedControl(.bitratePeak, Int64(peak), .asked)
      // A driver may clamp the bitrate to the peak in force, so the peak rises first.
      return peak > oldPeak ? [limit, target] : [target, limit]
    case (.constantQuantizer, .constantQuantizer): return ControlPlan.quantizer(codec, wanted)
    case (.constant, _), (.variable, _), (.constantQuantizer, _):
      return ControlPlan.rate(codec, wanted)
    }
  }

  private static func rateControl(
    _ settings: DynamicSettings, after current: RateControl
  ) throws(EncoderError) -> RateControl {
    if let rateControl = settings.rateControl {
      guard settings.bitrate == nil, settings.peakBitrate == nil else {
        throw EncoderError(
          .invalidConfiguration, "rateControl has its own bitrates; leave the others out")
      }
      return rateControl
    }
    guard settings.bitrate != nil || settings.peakBitrate != nil else { return current }
    switch current {
    case .constantQuantizer:
      throw EncoderError(
        .invalidConfiguration,
        "the encoder has a constant quantizer, which has no bitrate; set rateControl instead")
    case .constant:
      guard let bitrate = settings.bitrate, settings.peakBitrate == nil else {
        throw EncoderError(
          .invalidConfiguration,
          "the encoder has a constant bitrate, which has no peak; set rateControl instead")
      }
      return .constant(bitrate: bitrate)
    case .variable(let oldBitrate, let oldPeak):
      return .variable(
        bitrate: settings.bitrate ?? oldBitrate, peak: settings.peakBitrate ?? oldPeak)
    }
  }

  /// What is in force when the driver has taken the controls of these numbers only.
  func configuration(
    where isTaken: (ControlID) -> Bool, rateIsTaken: Bool, for codec: VideoCodec,
    after current: EncoderConfiguration
  ) -> EncoderConfiguration {
    var result = current
    result.rateControl = rateControl(where: isTaken, after: current.rateControl)
    if rateIsTaken { result.frameRate = configuration.frameRate }
    let intervals: [ControlID] = [.gopSize, .h264IPeriod, .hevcRefreshPeriod]
    if intervals.contains(where: isTaken) {
      result.keyFrameInterval = configuration.keyFrameInterval
    }
    let bounds: [ControlID] = [.h264MaxQP, .hevcMaxQP, .fwhtIFrameQP]
    if bounds.contains(where: isTaken) { result.quantizer = configuration.quantizer }
    // The latest value counts, whichever way it was asked for.
    result.additionalControls.removeAll { setting in
      controls.contains { $0.id.rawValue == setting.id && isTaken($0.id) }
    }
    result.additionalControls += settings.filter { isTaken(ControlID(rawValue: $0.id)) }
    return result
  }

  private func rateControl(
    where isTaken: (ControlID) -> Bool, after current: RateControl
  ) -> RateControl {
    switch (current, configuration.rateControl) {
    case (.constant, .constant), (.variable, .variable):
      return isTaken(.bitrate) ? configuration.rateControl : current
    case (_, .constantQuantizer):
      return [.frameRCEnable, .h264MaxQP, .hevcMaxQP, .fwhtIFrameQP].contains(where: isTaken)
        ? configuration.rateControl : current
    case (_, .constant(let bitrate)), (_, .variable(let bitrate, _)):
      if isTaken(.bitrateMode) { return configuration.rateControl }
      guard isTaken(.bitrate) else { return current }
      // The old mode with the new bitrate.
      switch current {
      case .constant: return .constant(bitrate: bitrate)
      case .variable(_, let peak): return .variable(bitrate: bitrate, peak: max(peak, bitrate))
      case .constantQuantizer: return configuration.rateControl
      }
    }
  }
}

extension RateControl {
  fileprivate var isConstantQuantizer: Bool {
    switch self {
    case .constantQuantizer: true
    case .constant, .variable: false
    }
  }
}
