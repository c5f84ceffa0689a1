/// What a change of settings asks of the driver, in the order it is set.
package struct SettingsPlan: Sendable {
  package var controls: [PlannedControl]
  package var frameRate: Rational?
  /// How bits are spent afterwards.
  package var rateControl: RateControl

  package var isEmpty: Bool { controls.isEmpty && frameRate == nil }

  /// - Parameters:
  ///   - settings: what is asked for.
  ///   - current: how bits are spent until now.
  /// - Throws: `invalidConfiguration` for what contradicts itself or leaves its ranges.
  package init(_ settings: DynamicSettings, after current: RateControl) throws(EncoderError) {
    rateControl = try Self.rateControl(settings, after: current)
    frameRate = settings.frameRate
    if let frameRate { try ConfigurationCheck.validate(frameRate: frameRate) }
    controls = []
    let bitrate = rateControl == current ? nil : rateControl.bitrate
    if let bitrate {
      let target = PlannedControl(.bitrate, Int64(bitrate), .asked)
      if case .variable(_, let peak) = rateControl {
        let limit = PlannedControl(.bitratePeak, Int64(peak), .asked)
        // A driver may clamp the bitrate to the peak in force, so the peak rises first.
        let rises = peak > (current.peak ?? 0)
        controls = rises ? [limit, target] : [target, limit]
      } else {
        controls = [target]
      }
    }
    controls += settings.controls.map {
      PlannedControl(ControlID(rawValue: $0.id), $0.value, .asked)
    }
  }

  private static func rateControl(
    _ settings: DynamicSettings, after current: RateControl
  ) throws(EncoderError) -> RateControl {
    guard settings.bitrate != nil || settings.peakBitrate != nil else { return current }
    switch current {
    case .constantQuantizer:
      throw EncoderError(
        .invalidConfiguration,
        "the encoder was opened with a constant quantizer, which has no bitrate")
    case .constant:
      guard let bitrate = settings.bitrate, settings.peakBitrate == nil else {
        throw EncoderError(
          .invalidConfiguration,
          "the encoder was opened with a constant bitrate, which has no peak")
      }
      try ConfigurationCheck.validate(bitrate: bitrate, peak: nil)
      return .constant(bitrate: bitrate)
    case .variable(let oldBitrate, let oldPeak):
      let (bitrate, peak) = (settings.bitrate ?? oldBitrate, settings.peakBitrate ?? oldPeak)
      try ConfigurationCheck.validate(bitrate: bitrate, peak: peak)
      return .variable(bitrate: bitrate, peak: peak)
    }
  }
}

extension RateControl {
  fileprivate var peak: Int? {
    switch self {
    case .variable(_, let peak): peak
    case .constant, .constantQuantizer: nil
    }
  }
}
