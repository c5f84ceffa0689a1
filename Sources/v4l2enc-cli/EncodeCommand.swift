internal import V4L2Encoder

/// `v4l2enc encode`.
enum EncodeCommand {
  /// Encodes; returns how the command ends.
  static func run(_ options: EncodeOptions, _ signals: Signals) async -> ExitCode {
    await CommandRun.run(options, signals) { (console, stop) throws(CommandError) in
      try await encode(options, console, signals, stop)
    }
  }

  private static func encode(
    _ options: EncodeOptions, _ console: Console, _ signals: Signals, _ stop: StopRequest
  ) async throws(CommandError) -> ExitCode {
    let output = try OutputName.required(options.output)
    let codec = try OutputName.codec(for: output, asked: options.codec)
    let source = try FrameSources.open(options, stop: stop)
    let plan = try EncodePlan(options, codec: codec, input: source.description)
    let job = try EncodeJob(
      options, codec: codec, to: output, timeBase: plan.configuration.timeBase,
      input: options.input.flatMap(FileIdentity.init(input:)), console, signals, stop)
    defer { job.end() }
    let encoder = try await job.open(plan, for: source.description)
    job.beginReports()
    let tally = EncodeTally(
      timeBase: plan.configuration.timeBase,
      expectedFrames: [options.frames, source.description.frameCount].compactMap { $0 }.min())
    let result = try await job.run(
      encoder, as: plan, from: source, limit: options.frames, into: tally)
    return job.conclude(result.errors, tally)
  }
}
