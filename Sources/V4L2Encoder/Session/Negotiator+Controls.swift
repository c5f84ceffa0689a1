/// Controls: written without asking first, read back, reported.
extension Negotiator {
  mutating func setControls() throws(EncoderError) {
    let profile = configuration.profile ?? defaultProfile()
    let level = try chooseLevel(
      profile: profile, bitrate: configuration.rateControl.highestBitrate)
    report.profile = profile
    report.level = level
    var plan = ControlPlan.controls(
      for: codec, configuration, profile: profile, level: level, family: family)
    plan += configuration.additionalControls.map { setting in
      PlannedControl(ControlID(rawValue: setting.id), setting.value, .asked)
    }
    for control in plan {
      let result = set(control, among: plan)
      // NVIDIA's plugin takes the control and answers no question about it.
      let isTaken = result == .applied || result == .unverified
      if control.id == .prependParameterSetsToIDR, isTaken { report.parameterSets = .driver }
    }
  }

  /// Where a family may lack the control, the driver is asked whether it has it.
  func keyFrameMethod() -> NegotiationReport.KeyFrameMethod {
    guard family.keyFrames.mayRestart else { return .control }
    let exists = family.keyFrames.controls.contains {
      device.handle.controlDescription($0.id) != nil
    }
    return exists ? .control : .restart
  }

  /// The profile of the best compression that the driver lists: coda and allegro have no High.
  private func defaultProfile() -> CodecProfile? {
    let (control, profiles): (ControlID, [CodecProfile])
    switch codec {
    case .h264:
      (control, profiles) = (
        .h264Profile, [.h264High, .h264Main, .h264ConstrainedBaseline, .h264Baseline]
      )
    case .hevc: (control, profiles) = (.hevcProfile, [.hevcMain])
    case .fwht: return nil
    }
    guard profiles.count > 1, family.readsControlsBack,
      let items = device.handle.controlDescription(control)?.items
    else { return profiles.first }
    let offered = Set(items.map(\.index))
    return profiles.first { offered.contains(Int64($0.menuValue)) } ?? profiles.first
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

  /// Writes one control of the plan, or its substitute, and reports what became of it.
  @discardableResult
  mutating func set(
    _ control: PlannedControl, among plan: [PlannedControl]
  ) -> ControlOutcome.Result {
    let result = device.apply(control, among: plan)
    report.controls.append(
      ControlOutcome(
        name: control.name, id: control.id.rawValue, requested: control.value, result: result))
    observer.emit(.debug, "control \(control.name) = \(control.value): \(result)")
    switch result {
    case .applied, .unverified: return result
    case .adjusted(let value):
      note("\(control.name): asked for \(control.value), the driver takes \(value)")
    case .unsupported:
      if let substitute = control.substitute.first { return set(substitute, among: plan) }
      if control.importance == .asked {
        note("\(control.name) = \(control.value): the driver has no such control")
      }
    case .refused(let error):
      note("\(control.name) = \(control.value): the driver refuses it (\(error))")
    case .leftOut(let reason):
      if control.importance == .asked {
        note("\(control.name) = \(control.value): left out, \(reason)")
      }
    }
    return result
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
    case .unsupported, .leftOut, nil: return 0
    case .refused:
      // What is in force instead is unknown; expecting too many only delays a report.
      return 16
    }
  }

  mutating func note(_ difference: String) { report.differences.append(difference) }
}
