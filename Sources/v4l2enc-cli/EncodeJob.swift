internal import V4L2Encoder

/// Everything that stays the same while one output is made, by one encoder or by several in turn.
struct EncodeJob: Sendable {
  let options: EncodeOptions
  let codec: VideoCodec
  let output: String
  let writer: PacketWriter
  let reports: PacketReports
  let trace: TraceFile?
  let progress: ProgressReport?
  let events: EncodeEvents
  let console: Console
  let signals: Signals
  let stop: StopRequest

  /// Opens the output and the reports; `input` is the file that is read, if it is one.
  init(
    _ options: EncodeOptions, codec: VideoCodec, to output: String, timeBase: Rational,
    input: FileIdentity?, _ console: Console, _ signals: Signals, _ stop: StopRequest
  ) throws(CommandError) {
    self.options = options
    self.codec = codec
    self.output = output
    self.console = console
    self.signals = signals
    self.stop = stop
    events = EncodeEvents(console)
    writer = try PacketWriter(output)
    do throws(CommandError) {
      reports = try PacketReports(options, timeBase: timeBase)
    } catch {
      writer.removeIfUnused(output)
      throw error
    }
    do throws(CommandError) {
      trace = try options.tracePath.map { path throws(CommandError) in try TraceFile(path) }
    } catch {
      writer.removeIfUnused(output)
      reports.removeIfUnused()
      throw error
    }
    do throws(CommandError) {
      progress = try options.progressPath.map { path throws(CommandError) in
        try ProgressReport(path, every: options.reportPeriod, timeBase: timeBase)
      }
    } catch {
      writer.removeIfUnused(output)
      reports.removeIfUnused()
      trace?.file.removeIfUnused()
      throw error
    }
    do throws(CommandError) {
      try FileIdentity.refuseClashes(
        [("INPUT", "the input", input), (output, "the output", writer.identity)] + reports.files
          + [
            ("--trace", "the file of --trace", trace?.file.identity),
            ("--progress", "the file of --progress", progress?.file.identity),
          ])
    } catch {
      removeIfUnused()
      throw error
    }
    trace?.begin()
    // An end that makes no progress is given up; what is known by now must be in the files then.
    // Their readers may be slow, and whoever asks for the stop must not wait for them.
    stop.whenRaised { [reports] in reports.flushBeside() }
  }

  /// Leaves nothing behind but what was written, however the command ends.
  func end() {
    // Nobody waits any more for the requests that have not returned.
    trace?.finish()
    removeIfUnused()
  }

  /// Removes the files that were created for nothing.
  private func removeIfUnused() {
    writer.removeIfUnused(output)
    reports.removeIfUnused()
    trace?.file.removeIfUnused()
    progress?.file.removeIfUnused()
  }

  /// Empties the reports, now that there is something to say.
  func beginReports() {
    reports.begin()
    progress?.file.begin()
  }

  /// Opens an encoder for a plan and says what it granted.
  func open(
    _ plan: EncodePlan, for input: SourceDescription
  ) async throws(CommandError) -> any VideoEncoder {
    let encoder = try await DeviceChoice.open(
      options.device, hasPatientReaders ? plan.waitingForReaders : plan, observer: events.observer,
      trace: trace?.trace,
      console: console)
    do throws(CommandError) { try encoder.negotiated.require(options.controls) } catch {
      await encoder.close()
      throw error
    }
    announce(encoder.negotiated, plan, input)
    return encoder
  }

  /// Whether packets go where somebody reads who may pause as long as they like.
  private var hasPatientReaders: Bool { !writer.isRegular || !reports.areRegular }

  /// Encodes what a source has, up to a limit.
  func run(
    _ encoder: any VideoEncoder, as plan: EncodePlan, from source: any FrameSource, limit: Int?,
    into tally: EncodeTally
  ) async throws(CommandError) -> EncodeRun.Result {
    let run = EncodeRun(encoder, of: self, from: source, into: tally, as: plan)
    let progressing = progress?.follow(encoder, tally)
    let reporting = reports.follow(encoder, as: plan)
    let outcome: Result<EncodeRun.Result, CommandError>
    do throws(CommandError) {
      outcome = .success(try await run.run(limit: limit))
    } catch {
      outcome = .failure(error)
    }
    if let progressing { await progress?.end(progressing) }
    reporting?.cancel()
    await reporting?.value
    reports.ended(encoder)
    let result = try outcome.get()
    let statistics = encoder.statistics
    tally.add(
      framesIn: result.framesIn, skipped: statistics.framesSkipped,
      dropped: statistics.framesDropped.total)
    compare(run.streamParameters, encoder.negotiated)
    return result
  }

  /// Finishes the reports, says what was done and what ended it early, the most telling failure
  /// first; how the command ends.
  func conclude(
    _ failures: [CommandError], _ tally: EncodeTally, framesLost: Int? = nil
  ) -> ExitCode {
    var errors = failures
    if tally.framesIn == 0, !stop.isRaised, failures.allSatisfy({ $0.code == .success }) {
      errors.insert(CommandError(.badData, "the input has no frame to encode"), at: 0)
    }
    errors += [reports.finish(), trace?.finish(), progress?.finish(tally)].compactMap(\.self)
    errors += events.losses(
      skipped: tally.framesSkipped, isAsked: options.skipsFrames)
    console.note(tally.summary(framesLost: framesLost))
    let written = tally.packetsWritten
    if let signal = signals.exitCode {
      console.note("stopped; \(written) frames are in \(output)")
      // What a stop cuts off is no failure of its own.
      guard let failure = errors.first(where: { $0.code == .inputOutput }) else { return signal }
      console.error(failure.message)
      return failure.code
    }
    let kept = written > 0 ? " (\(written) encoded frames were written)" : ""
    for error in errors {
      if error.severity == .warning, tally.framesIn > 0 {
        console.warning(error.message + kept)
      } else {
        console.error(error.message + kept)
      }
    }
    return errors.first { $0.code != .success }?.code ?? .success
  }

  private func announce(
    _ report: NegotiationReport, _ plan: EncodePlan, _ input: SourceDescription
  ) {
    console.note(NegotiationText.headline(report, plan))
    let aspect = PixelAspect.remark(input.pixelAspect, plan.codec, report)
    let chosen = plan.defaults + input.remarks + [aspect].compactMap(\.self)
    if !chosen.isEmpty { console.note(chosen.joined(separator: "; ")) }
    for line in NegotiationText.details(report) { console.detail(line) }
    // With --verbose the library has logged them already, between the controls they concern.
    guard console.verbosity != .verbose else { return }
    for difference in report.differences where !PixelAspect.concerns(difference) {
      console.note("not as asked: \(difference)")
    }
  }

  /// Says what the stream is where the driver's controls promised something else.
  private func compare(_ parameters: SequenceParameterSet?, _ report: NegotiationReport) {
    guard let parameters else { return }
    let stream = StreamSummary(parameters, codec)
    guard !stream.agrees(with: StreamSummary(report, codec)) else { return }
    console.detail("the stream itself says: \(stream.text)")
  }
}

extension NegotiationReport {
  /// A control that was asked for by name and is not in force is an error, not a remark.
  func require(_ settings: [ControlSetting]) throws(CommandError) {
    for setting in settings {
      guard
        let outcome = controls.last(where: {
          $0.id == setting.id && $0.requested == setting.value
        })
      else { continue }
      switch outcome.result {
      case .unsupported, .leftOut:
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
}

extension EncodePlan {
  /// The same plan with the patience that pipes need; a disk that takes nothing is a failure.
  fileprivate var waitingForReaders: EncodePlan {
    var plan = self
    plan.configuration.deadlines.consumer = .seconds(3600)
    return plan
  }
}
