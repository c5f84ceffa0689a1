internal import V4L2Encoder

/// `v4l2enc encode`.
enum EncodeCommand {
  /// Encodes; returns how the command ends.
  @concurrent static func run(_ options: EncodeOptions, _ signals: Signals) async -> ExitCode {
    let console = Console(verbosity: options.verbosity, progress: options.showsProgress)
    do throws(CommandError) {
      let stop = try StopRequest()
      signals.protect(stop, console)
      do throws(CommandError) {
        return try await encode(options, console, signals, stop)
      } catch {
        // What was cut off by a stop, such as an input that had not begun, is no failure.
        if let code = signals.exitCode { return code }
        throw error
      }
    } catch {
      console.error(error.message)
      return error.code
    }
  }

  private static func encode(
    _ options: EncodeOptions, _ console: Console, _ signals: Signals, _ stop: StopRequest
  ) async throws(CommandError) -> ExitCode {
    guard let output = options.output else {
      throw CommandError(.usage, "where to? name the output with -o OUTPUT, or -o - for a pipe")
    }
    let codec = try OutputName.codec(for: output, asked: options.codec)
    let source = try FrameSources.open(options, stop: stop)
    let plan = try EncodePlan(options, codec: codec, input: source.description)
    let writer = try PacketWriter(output)
    defer { writer.removeIfUnused(output) }
    let reports = try PacketReports(options, timeBase: plan.configuration.timeBase)
    defer { reports.removeIfUnused() }
    try FileIdentity.refuseClashes(
      [
        ("INPUT", "the input", options.input.flatMap(FileIdentity.init(input:))),
        (output, "the output", writer.identity),
      ] + reports.files)
    let events = EncodeEvents(console)
    let encoder = try await DeviceChoice.open(
      options.device, plan.writing(to: writer), observer: events.observer, console: console)
    do throws(CommandError) { try checkControls(encoder.negotiated, options.controls) } catch {
      await encoder.close()
      throw error
    }
    announce(encoder.negotiated, plan, source.description, console)
    reports.begin()
    let run = EncodeRun(
      encoder, of: codec, from: source, to: writer, reports: reports,
      deadlines: plan.configuration.deadlines,
      expectedFrames: [options.frames, source.description.frameCount].compactMap { $0 }.min(),
      console: console, signals: signals, stop: stop)
    var result = try await run.run(limit: options.frames)
    if let failure = reports.finish() { result.errors.append(failure) }
    result.errors += events.losses(
      skipped: run.framesSkipped, isAsked: ControlNames.skipsFrames(options.controls))
    compare(run.streamParameters, encoder.negotiated, codec, console)
    return conclude(result, run, output, signals.exitCode, console)
  }

  private static func announce(
    _ report: NegotiationReport, _ plan: EncodePlan, _ input: SourceDescription,
    _ console: Console
  ) {
    console.note(NegotiationText.headline(report, plan))
    let aspect = PixelAspect.remark(input.pixelAspect, plan.codec, report)
    let chosen = plan.defaults + input.remarks + [aspect].compactMap(\.self)
    if !chosen.isEmpty { console.note(chosen.joined(separator: "; ")) }
    for line in NegotiationText.details(report) { console.detail(line) }
    // With --verbose the library has logged them already, between the controls they concern.
    guard console.verbosity != .verbose else { return }
    for difference in report.differences where !PixelAspect.concerns(difference) {
      console.note("not as asked: \(ControlArgument.namingControls(in: difference))")
    }
  }

  /// Says what the stream is where the driver's controls promised something else.
  private static func compare(
    _ parameters: SequenceParameterSet?, _ report: NegotiationReport, _ codec: VideoCodec,
    _ console: Console
  ) {
    guard let parameters else { return }
    let stream = StreamSummary(parameters, codec)
    guard !stream.agrees(with: StreamSummary(report, codec)) else { return }
    console.detail("the stream itself says: \(stream.text)")
  }

  /// A control that was asked for by name and is not in force is an error, not a remark.
  private static func checkControls(
    _ report: NegotiationReport, _ asked: [ControlSetting]
  ) throws(CommandError) {
    for setting in asked {
      guard
        let outcome = report.controls.last(where: {
          $0.id == setting.id && $0.requested == setting.value
        })
      else { continue }
      switch outcome.result {
      case .unsupported:
        throw CommandError(
          .noDevice, "--set \(NegotiationText.outcome(outcome)); leave it out or use another device"
        )
      case .refused, .adjusted:
        throw CommandError(
          .usage, "--set \(NegotiationText.outcome(outcome)); the value is out of its range")
      case .applied, .unverified: continue
      }
    }
  }

  private static func conclude(
    _ result: EncodeRun.Result, _ run: EncodeRun, _ output: String, _ signal: ExitCode?,
    _ console: Console
  ) -> ExitCode {
    let summary = run.summary(framesIn: result.framesIn)
    console.note(summary)
    if let signal {
      // What a stop cuts off is no failure of its own.
      console.note("stopped; \(run.packetsWritten) frames are in \(output)")
      return result.errors.first { $0.code == .inputOutput }?.code ?? signal
    }
    let kept =
      run.packetsWritten > 0 ? " (\(run.packetsWritten) encoded frames were written)" : ""
    for error in result.errors {
      if error.severity == .warning, result.framesIn > 0 {
        console.warning(error.message + kept)
      } else {
        console.error(error.message + kept)
      }
    }
    return result.errors.first { $0.code != .success }?.code ?? .success
  }
}

extension EncodePlan {
  /// The same plan with the patience that the output needs.
  ///
  /// Whoever reads a pipe may pause as long as they like; a disk that takes nothing is a failure.
  fileprivate func writing(to writer: PacketWriter) -> EncodePlan {
    var plan = self
    if !writer.isRegular { plan.configuration.deadlines.consumer = .seconds(3600) }
    return plan
  }
}
