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
    if let input = options.input, writer.isSameFile(as: input) {
      throw CommandError(.usage, "\(output) is the input itself; write to another file")
    }
    let reports = try PacketReports(options, timeBase: plan.configuration.timeBase)
    let encoder = try await DeviceChoice.open(
      options.device, plan.writing(to: writer), observer: observer(console), console: console)
    do throws(CommandError) { try checkControls(encoder.negotiated, options.controls) } catch {
      await encoder.close()
      throw error
    }
    announce(encoder.negotiated, plan, source.description, console)
    let run = EncodeRun(
      encoder, from: source, to: writer, reports: reports,
      expectedFrames: [options.frames, source.description.frameCount].compactMap { $0 }.min(),
      console: console, signals: signals, stop: stop)
    var result = try await run.run(limit: options.frames)
    if let failure = reports.finish() { result.errors.append(failure) }
    return conclude(result, run, output, signals.exitCode, console)
  }

  private static func announce(
    _ report: NegotiationReport, _ plan: EncodePlan, _ input: SourceDescription,
    _ console: Console
  ) {
    console.note(NegotiationText.headline(report, plan))
    let chosen = plan.defaults + input.remarks
    if !chosen.isEmpty { console.note(chosen.joined(separator: "; ")) }
    for line in NegotiationText.details(report) { console.detail(line) }
    // With --verbose the library has logged them already, between the controls they concern.
    guard console.verbosity != .verbose else { return }
    for difference in report.differences { console.note("not as asked: \(difference)") }
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
    for error in result.errors {
      let kept =
        run.packetsWritten > 0 ? " (\(run.packetsWritten) encoded frames were written)" : ""
      if error.code == .badData {
        console.warning(error.message + kept)
      } else {
        console.error(error.message + kept)
      }
    }
    return result.errors.first?.code ?? .success
  }

  private static func observer(_ console: Console) -> EncoderObserver {
    EncoderObserver(level: .debug) { _, message in
      console.detail(message)
    } event: { event in
      switch event {
      case .frameSkipped(let time): console.detail("frame \(time) was skipped by the driver")
      case .corruptPacket(let time): console.warning("the driver marked frame \(time) as spoiled")
      case .unmatchedPacket(let count):
        console.warning("\(count) bytes came that belong to no frame; they were dropped")
      case .importRefused(let errno):
        console.warning("the driver cannot read frames in place (\(errno)); they are copied")
      case .streamSizeDiffers(let size):
        console.warning("the driver encodes \(size) instead of the size that was asked for")
      }
    }
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
