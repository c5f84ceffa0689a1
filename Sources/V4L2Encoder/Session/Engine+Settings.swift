/// Settings that change while frames are encoded.
extension Engine {
  /// Sets what is asked for at once, or between two stretches of streaming where the driver takes
  /// it only then.
  nonisolated(nonsending) func update(
    _ settings: DynamicSettings
  ) async throws(EncoderError) -> [ControlOutcome] {
    if let error = core.withLock({ $0.machine.terminalError }) { throw error }
    let plan = try SettingsPlan(
      settings, after: core.withLock { $0.configuration }, for: codec, family: device.family)
    guard !plan.isEmpty else { return [] }
    switch device.family.changes {
    case .atOnce:
      let first = try await request { self.apply(plan) }
      // Drivers that lock their controls while they stream say EBUSY.
      let isLocked = settings.mayDrain && first.contains { $0.result == .refused(.busy) }
      return isLocked ? try await atRest { .settings(plan, $0) } : first
    case .afterRestart:
      return try await set(plan, settings, where: "while nothing is encoded")
    case .afterReopening:
      return try await set(plan, settings, where: "when it is opened anew")
    }
  }

  /// Sets what the driver takes only between two stretches of streaming, if the caller allows it.
  private nonisolated(nonsending) func set(
    _ plan: SettingsPlan, _ settings: DynamicSettings, where occasion: String
  ) async throws(EncoderError) -> [ControlOutcome] {
    guard settings.mayDrain else {
      return plan.leftOut(
        because: "\(device.named) takes it only \(occasion), and mayDrain is false")
    }
    return try await atRest { .settings(plan, $0) }
  }

  /// Says when the level does not allow what is in force now; no driver is known to raise the level
  /// of a running stream, whose parameter sets are out.
  private func reportLevel(_ configuration: EncoderConfiguration) {
    let report = core.withLock { $0.setup.report }
    let bitrate = configuration.rateControl.highestBitrate
    guard let level = report.level,
      let refusal = level.refusal(
        size: report.visibleSize, frameRate: configuration.frameRate, bitrate: bitrate,
        profile: report.profile)
    else { return }
    let needed = CodecLevel.minimum(
      codec: codec, size: report.visibleSize, frameRate: configuration.frameRate,
      bitrate: bitrate, profile: report.profile)
    let advice = needed.map { "; reconfigure the encoder to have level \($0.name)" } ?? ""
    observer.emit(.info, "the stream still says level \(level.name): \(refusal)\(advice)")
  }

  /// Remembers what later changes start from, and what a device is set to that is opened anew.
  private func note(_ plan: SettingsPlan, _ outcomes: [ControlOutcome]) {
    func took(_ id: UInt32) -> Bool {
      outcomes.last { $0.id == id }.map(\.isInForce) ?? false
    }
    let (before, after) = core.withLock { core in
      let before = core.configuration
      core.configuration = plan.configuration(
        where: { took($0.rawValue) }, rateIsTaken: took(0), for: codec, after: core.configuration)
      core.defaultDuration = core.configuration.interval
      return (before, core.configuration)
    }
    if before.rateControl != after.rateControl || before.frameRate != after.frameRate {
      reportLevel(after)
    }
  }

  /// Writes everything, and remembers what is in force now; the frame rate last, as at the
  /// negotiation of a new encoder first.
  func apply(_ plan: SettingsPlan) -> [ControlOutcome] {
    var outcomes = plan.controls.flatMap { apply($0, among: plan.controls) }
    if let rate = plan.frameRate {
      outcomes.append(ControlOutcome(frameRate: rate, apply(rate)))
    }
    for outcome in outcomes {
      observer.emit(.info, "changed \(outcome.name) = \(outcome.requested): \(outcome.result)")
    }
    note(plan, outcomes)
    return outcomes
  }

  /// Writes a control, and its substitute where the driver lacks it.
  private func apply(
    _ control: PlannedControl, among plan: [PlannedControl]
  ) -> [ControlOutcome] {
    let result = device.apply(control, among: plan)
    let outcome = control.outcome(result)
    guard result == .unsupported, let substitute = control.substitute.first else {
      return [outcome]
    }
    return [outcome] + apply(substitute, among: plan)
  }

  private func apply(_ rate: Rational) -> ControlOutcome.Result {
    var result = ControlOutcome.Result.unsupported
    for direction in core.withLock({ $0.setup.report.frameRateQueues }) {
      do throws(Errno) {
        let granted = try device.handle.setFrameRate(
          direction, device.bufferType(direction), rate)
        guard granted.denominator > 0, granted.numerator > 0 else {
          result = .unverified
          continue
        }
        result = granted.isNearly(rate) ? .applied : .adjusted(to: granted.thousandths)
      } catch {
        result = error == .notSupported ? .unsupported : .refused(error)
      }
    }
    return result
  }
}

extension SettingsPlan {
  /// The outcomes where the driver is not asked.
  fileprivate func leftOut(because reason: String) -> [ControlOutcome] {
    controls.map { $0.outcome(.leftOut(reason)) }
      + (frameRate.map { [ControlOutcome(frameRate: $0, .leftOut(reason))] } ?? [])
  }
}

extension PlannedControl {
  fileprivate func outcome(_ result: ControlOutcome.Result) -> ControlOutcome {
    ControlOutcome(name: name, id: id.rawValue, requested: value, result: result)
  }
}

extension ControlOutcome {
  fileprivate init(frameRate: Rational, _ result: Result) {
    self.init(
      name: ControlOutcome.frameRateName, id: 0, requested: frameRate.thousandths, result: result)
  }

  fileprivate var isInForce: Bool {
    switch result {
    case .applied, .adjusted, .unverified: true
    case .unsupported, .refused, .leftOut: false
    }
  }
}

extension Rational {
  /// A rate in frames per thousand seconds.
  fileprivate var thousandths: Int64 { Int64((value * 1000).rounded()) }

  func isNearly(_ other: Rational) -> Bool { abs(value - other.value) <= other.value * 1e-9 }
}
