/// Settings that change while frames are encoded.
extension Engine {
  /// Sets what is asked for at once, or between two stretches of streaming where the driver takes
  /// it only then.
  nonisolated(nonsending) func update(
    _ settings: DynamicSettings
  ) async throws(EncoderError) -> [ControlOutcome] {
    if let error = core.withLock({ $0.machine.terminalError }) { throw error }
    let plan = try SettingsPlan(settings, after: core.withLock { $0.rateControl })
    guard !plan.isEmpty else { return [] }
    let outcomes: [ControlOutcome]
    switch device.family.changes {
    case .atOnce:
      let first = apply(plan)
      // Drivers that lock their controls while they stream say EBUSY.
      outcomes =
        first.contains { $0.result == .refused(.busy) } ? try await applyAtRest(plan) : first
    case .afterRestart: outcomes = try await applyAtRest(plan)
    case .afterReopening:
      let reason = "\(device.named) reads it only when it is opened; open a new encoder"
      outcomes =
        plan.controls.map { $0.outcome(.leftOut(reason)) }
        + (plan.frameRate.map { [ControlOutcome(frameRate: $0, .leftOut(reason))] } ?? [])
    }
    noteRate(plan, outcomes)
    return outcomes
  }

  /// Remembers what later changes start from.
  private func noteRate(_ plan: SettingsPlan, _ outcomes: [ControlOutcome]) {
    func took(_ id: UInt32) -> Bool {
      outcomes.last { $0.id == id }.map(\.isInForce) ?? false
    }
    core.withLock { core in
      if took(ControlID.bitrate.rawValue) { core.rateControl = plan.rateControl }
      if let rate = plan.frameRate, took(0) {
        core.defaultDuration = configuration.interval(at: rate)
      }
    }
  }

  /// Writes everything; the frame rate last, as at the negotiation of a new encoder first.
  func apply(_ plan: SettingsPlan) -> [ControlOutcome] {
    var outcomes = plan.controls.map { $0.outcome(device.apply($0, among: plan.controls)) }
    if let rate = plan.frameRate {
      outcomes.append(ControlOutcome(frameRate: rate, apply(rate)))
    }
    for outcome in outcomes {
      observer.emit(.info, "changed \(outcome.name) = \(outcome.requested): \(outcome.result)")
    }
    return outcomes
  }

  private func apply(_ rate: Rational) -> ControlOutcome.Result {
    var result = ControlOutcome.Result.unsupported
    for direction in report.frameRateQueues {
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

  /// Drains, stops both queues, writes and starts them again.
  private nonisolated(nonsending) func applyAtRest(
    _ plan: SettingsPlan
  ) async throws(EncoderError) -> [ControlOutcome] {
    let outcomes = Deferred<[ControlOutcome]>()
    let change = EngineCore.SettingsChange(plan: plan, outcomes: outcomes)
    core.withLock { $0.settingsChanges.append(change) }
    do throws(EncoderError) {
      repeat { try await drainDevice() } while try !restartIsUnderWay(for: change)
    } catch {
      // It must not come into force at somebody else's restart, later.
      core.withLock { core in core.settingsChanges.removeAll { $0.outcomes === outcomes } }
      throw error
    }
    device.handle.wake()
    let result = await outcomes.value(within: configuration.deadlines.setup)
    if let error = core.withLock({ $0.machine.terminalError }) { throw error }
    guard let result else {
      throw EncoderError(
        .deviceStalled, "\(device.path) has not started again with other settings in time")
    }
    return result
  }

  /// Asks for a restart; false while frames of somebody else are about again.
  private func restartIsUnderWay(
    for change: EngineCore.SettingsChange
  ) throws(EncoderError) -> Bool {
    let (isUnderWay, error) = core.withLock { core -> (Bool, EncoderError?) in
      if let error = core.machine.terminalError { return (false, error) }
      // Somebody else's restart may have taken it along.
      guard core.settingsChanges.contains(where: { $0.outcomes === change.outcomes }) else {
        return (true, nil)
      }
      return (core.machine.requestRestart() || core.machine.state == .restarting, nil)
    }
    if let error { throw error }
    return isUnderWay
  }

  /// Ends the waiting for a restart that will not come.
  func giveUpWaitingSettings() {
    for change in takeSettingsChanges() { change.outcomes.fulfill([]) }
  }

  private func takeSettingsChanges() -> [EngineCore.SettingsChange] {
    core.withLock { core in
      defer { core.settingsChanges = [] }
      return core.settingsChanges
    }
  }

  /// Writes what waited for the queues to be stopped; called by the device thread between
  /// STREAMOFF and STREAMON.
  func applyWaitingSettings() {
    for change in takeSettingsChanges() { change.outcomes.fulfill(apply(change.plan)) }
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
