/// Controls: written without asking first, read back, reported.
extension Negotiator {
  mutating func setControls() throws(EncoderError) {
    let profile = configuration.profile ?? defaultProfile
    let bitrate: Int? =
      switch configuration.rateControl {
      case .constant(let bitrate): bitrate
      case .variable(_, let peak): peak
      case .constantQuantizer: nil
      }
    let level = try chooseLevel(profile: profile, bitrate: bitrate)
    report.profile = profile
    report.level = level
    for control in ControlPlan.controls(
      for: codec, configuration, profile: profile, level: level)
    {
      let outcome = set(control)
      let isHeader =
        control.id == .prependParameterSetsToIDR && outcome != .unsupported
      if isHeader, case .applied = outcome { report.parameterSets = .driver }
    }
    for setting in configuration.additionalControls {
      let id = ControlID(rawValue: setting.id)
      let name = "0x" + String(setting.id, radix: 16)
      set(PlannedControl(id, name, setting.value, .asked))
    }
  }

  private var defaultProfile: CodecProfile? {
    switch codec {
    case .h264: .h264High
    case .hevc: .hevcMain
    case .fwht: nil
    }
  }

  mutating func chooseLevel(
    profile: CodecProfile?, bitrate: Int?
  ) throws(EncoderError) -> CodecLevel? {
    guard codec != .fwht else { return nil }
    let computed = CodecLevel.minimum(
      codec: codec, size: report.visibleSize, frameRate: configuration.frameRate,
      bitrate: bitrate, profile: profile)
    if let level = configuration.level {
      if let refusal = level.refusal(
        size: report.visibleSize, frameRate: configuration.frameRate, bitrate: bitrate,
        profile: profile)
      {
        note(refusal + (computed.map { "; level \($0.name) would do" } ?? ""))
      }
      return level
    }
    guard let computed else {
      throw EncoderError(
        .unsupported,
        "no \(codec.name) level allows \(report.visibleSize) at \(configuration.frameRate) frames "
          + "per second" + (bitrate.map { " and \($0) bit/s" } ?? ""))
    }
    return computed
  }

  @discardableResult
  mutating func set(_ control: PlannedControl) -> ControlOutcome.Result {
    let result = apply(control)
    report.controls.append(
      ControlOutcome(
        name: control.name, id: control.id.rawValue, requested: control.value, result: result))
    observer.emit(.debug, "control \(control.name) = \(control.value): \(result)")
    switch result {
    case .applied, .unverified: return result
    case .adjusted(let value):
      note("\(control.name): asked for \(control.value), the driver takes \(value)")
    case .unsupported:
      if let substitute = control.substitute.first { return set(substitute) }
      if control.importance == .asked {
        note("\(control.name) = \(control.value): the driver has no such control")
      }
    case .refused(let error):
      note("\(control.name) = \(control.value): the driver refuses it (\(error))")
    }
    return result
  }

  /// Writes without asking first, because some drivers answer no query yet take the value, and
  /// reads back where that is possible.
  func apply(_ control: PlannedControl) -> ControlOutcome.Result {
    do throws(Errno) {
      try device.handle.setControl(control.id, control.value)
    } catch {
      // EINVAL says both "no such control" and "not this value"; the first is true when the
      // control cannot be read either.
      guard error != .notSupported else { return .unsupported }
      guard (try? device.handle.control(control.id)) != nil else { return .unsupported }
      return .refused(error)
    }
    do throws(Errno) {
      let value = try device.handle.control(control.id)
      return value == control.value ? .applied : .adjusted(to: value)
    } catch {
      return .unverified
    }
  }

  func minimumInputBuffers() -> Int {
    let minimum = try? device.handle.control(.minBuffersForOutput)
    return Int(clamping: min(max(minimum ?? 1, 1), 32))
  }

  /// A driver may keep B-frames that nobody asked for.
  func grantedReorderDepth() -> Int {
    let outcome = report.controls.last { $0.id == ControlID.bFrames.rawValue }
    switch outcome?.result {
    case .adjusted(let granted): return Int(clamping: max(0, min(granted, 16)))
    case .applied, .unverified: return configuration.bidirectionalFrames
    case .unsupported, nil: return 0
    case .refused:
      // What is in force instead is unknown; expecting too many only delays a report.
      return 16
    }
  }

  mutating func note(_ difference: String) { report.differences.append(difference) }
}
