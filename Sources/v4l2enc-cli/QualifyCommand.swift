internal import V4L2Encoder

/// `v4l2enc qualify`.
enum QualifyCommand {
  /// Tries all steps; returns how the command ends.
  static func run(_ options: QualifyOptions, _ signals: Signals) async -> ExitCode {
    await CommandRun.run(
      options.encode, signals, stopping: "the step is given up, and what is known is shown"
    ) { (console, stop) throws(CommandError) in
      try await qualify(options, console, signals, stop)
    }
  }

  private static func qualify(
    _ options: QualifyOptions, _ console: Console, _ signals: Signals, _ stop: StopRequest
  ) async throws(CommandError) -> ExitCode {
    guard let path = options.journalPath else {
      throw CommandError(
        .usage, "which journal? name it with --journal FILE; after a crash it says what was tried")
    }
    try StandardStreams.requireOutput()
    let source = try QualifyStep.source(options)
    try checkDurations(options, source.description.frameRate)
    let plan = try QualifyStep.plan(options, source)
    let device = try DeviceChoice.name(options.encode.device, for: plan, console)
    let identity = DeviceCatalog.examine(try DeviceChoice.selector(device)).first
    let host = QualifyHost.current
    let journal = try QualifyJournal(path, host: host, options.limits)
    stop.whenRaised { journal.noteStop() }
    if !host.readsKernelLog {
      console.note(
        "the kernel's log is not checked: /dev/kmsg cannot be read; run as root for that")
    }
    var campaign = QualifyCampaign(
      options, QualifySetting(options, plan, device, identity), known: journal.entries, console)
    var failure: CommandError?
    while failure == nil, !stop.isRaised, let setting = campaign.next() {
      do throws(CommandError) { try journal.begin(setting) } catch {
        failure = error
        break
      }
      let result = await QualifyStep(
        options: options, device: device, streams: setting.streams,
        duration: .milliseconds(setting.milliseconds), console: console, stop: stop,
        announces: campaign.table.report == nil
      ).run()
      do throws(CommandError) { try journal.end(setting, result.outcome) } catch { failure = error }
      if let refusal = result.refusal, campaign.table.report == nil { throw refusal }
      campaign.take(result)
    }
    campaign.finish(failure == nil ? "stopped" : "the journal cannot be written")
    // What hangs may hang on to the processors as well.
    if options.comparesSoftware, device != "virtual", !stop.isRaised, !campaign.hangs,
      failure == nil,
      let outcome = await software(options, console, stop)
    {
      campaign.table.software = outcome
    }
    if let errno = OutputDescriptor.writeAll(
      Array(campaign.table.text(host).utf8), to: StandardStreams.output)
    {
      throw failure ?? OutputFile.error(errno, writing: "standard output")
    }
    if let failure { throw failure }
    return signals.exitCode ?? campaign.table.exitCode
  }

  /// A few frames tell nothing of a rate.
  private static let leastFrames = 10.0

  private static func checkDurations(
    _ options: QualifyOptions, _ frameRate: Rational
  ) throws(CommandError) {
    guard let shortest = options.durations.first else { return }
    let least = Duration.milliseconds(Int((leastFrames * 1000 / frameRate.value).rounded(.up)))
    guard shortest < least else { return }
    throw CommandError(
      .usage,
      "--duration \(Units.span(shortest)): too short for a verdict at \(frameRate) fps; write "
        + "\(least.inMicroseconds / 1000)ms or more")
  }

  /// One stream through the virtual device's software encoder; nil when it cannot encode this.
  private static func software(
    _ options: QualifyOptions, _ console: Console, _ stop: StopRequest
  ) async -> (seconds: Duration, outcome: QualifyOutcome)? {
    guard options.encode.codec != .fwht, let shortest = options.durations.first else { return nil }
    let duration = min(shortest, .seconds(10))
    console.note("for comparison: a software encoder for \(Units.span(duration))")
    let step = QualifyStep(
      options: options, device: "virtual", streams: 1, duration: duration, console: console,
      stop: stop)
    let outcome = await step.run().outcome
    return outcome.measures == nil ? nil : (duration, outcome)
  }
}

extension QualifySetting {
  /// What all steps have in common.
  init(
    _ options: QualifyOptions, _ plan: EncodePlan, _ device: String, _ identity: DeviceReport?
  ) {
    let configuration = plan.configuration
    self.device = device
    driver = identity?.driver ?? ""
    card = identity?.card ?? ""
    bus = identity?.bus ?? ""
    codec = plan.codec.rawValue
    width = configuration.size.width
    height = configuration.size.height
    frameRate = "\(configuration.frameRate)"
    format = RawFormats.name(of: configuration.inputFormat)
    var parts: [String] = []
    switch configuration.rateControl {
    case .constant(let bitrate): parts.append("cbr \(bitrate)")
    case .variable(let bitrate, let peak): parts.append("vbr \(bitrate) \(peak)")
    case .constantQuantizer(let quantizer): parts.append("qp \(quantizer)")
    }
    parts.append("gop \(configuration.keyFrameInterval)")
    let range = configuration.quantizer
    parts.append("qp range \(range.minimum) \(range.maximum)")
    if let initial = range.initial { parts.append("first qp \(initial)") }
    if let profile = configuration.profile { parts.append(profile.name) }
    if let level = configuration.level { parts.append("level \(level.name)") }
    parts += configuration.additionalControls.map { "control \($0.id)=\($0.value)" }
    quality = parts.joined(separator: ", ")
  }
}
