internal import V4L2Encoder

/// `v4l2enc capture`.
enum CaptureCommand {
  /// Encodes what a camera sends; returns how the command ends.
  ///
  /// `device` makes a device of the camera's path.
  static func run(
    _ options: CaptureOptions, _ signals: Signals,
    device: @escaping @Sendable (String) -> DeviceSelector = DeviceSelector.path
  ) async -> ExitCode {
    await CommandRun.run(options.encode, signals) { (console, stop) throws(CommandError) in
      try await capture(options, device, console, signals, stop)
    }
  }

  private static func capture(
    _ options: CaptureOptions, _ device: (String) -> DeviceSelector, _ console: Console,
    _ signals: Signals, _ stop: StopRequest
  ) async throws(CommandError) -> ExitCode {
    guard let path = options.encode.input else {
      throw CameraRefusal.missing(DeviceCatalog.devices())
    }
    let output = try OutputName.required(options.encode.output)
    let codec = try OutputName.codec(for: output, asked: options.encode.codec)
    let job = try EncodeJob(
      options.encode, codec: codec, to: output, timeBase: CameraSource.timeBase, input: nil,
      console, signals, stop)
    defer { job.end() }
    let trace = job.trace?.trace
    let selector = device(path)
    let source = try await open(
      trace.map { selector.traced(by: $0) } ?? selector, path, options, codec, console)
    stop.whenRaised { Task { await source.close() } }
    let result: Result<ExitCode, CommandError>
    do throws(CommandError) {
      result = .success(try await encode(source, options, job))
    } catch {
      result = .failure(error)
    }
    await source.close()
    return try result.get()
  }

  /// Encodes until the camera ends, by another encoder whenever its pictures become others.
  private static func encode(
    _ source: CameraSource, _ options: CaptureOptions, _ job: EncodeJob
  ) async throws(CommandError) -> ExitCode {
    var plan = try EncodePlan(options.encode, codec: job.codec, input: source.description)
    var encoder = try await job.open(plan, for: source.description)
    job.beginReports()
    let tally = EncodeTally(
      timeBase: CameraSource.timeBase, expectedFrames: options.encode.frames)
    var failures: [CommandError] = []
    do throws(CommandError) {
      while true {
        let left = options.encode.frames.map { $0 - tally.framesIn }
        let result = try await job.run(encoder, as: plan, from: source, limit: left, into: tally)
        failures += result.errors
        guard failures.isEmpty, !job.stop.isRaised, try source.advance() else { break }
        plan = try EncodePlan(options.encode, codec: job.codec, input: source.description)
        if tally.framesIn > 0 {
          job.console.note(
            "the camera's pictures are now \(source.description.size) at "
              + "\(source.description.frameRate) fps: a new stream with parameter sets of its own "
              + "follows in \(job.output)")
        }
        encoder = try await job.open(plan, for: source.description)
      }
    } catch {
      failures.append(error)
    }
    await source.close()
    failures += CameraEvents.losses(source.statistics)
    return job.conclude(failures, tally, framesLost: source.framesLost)
  }

  private static func open(
    _ device: DeviceSelector, _ path: String, _ options: CaptureOptions, _ codec: VideoCodec,
    _ console: Console
  ) async throws(CommandError) -> CameraSource {
    let report = try offers(of: device, at: path)
    let plan = try CameraPlan(
      options, report,
      encoderFormats: try EncoderFormats.taken(by: options.encode.device, codec))
    let events = CameraEvents(console, path: path, patience: options.signalPatience)
    let camera: CaptureSource
    do {
      camera = try await CaptureSource.open(
        plan.configuration, on: device, observer: events.observer)
    } catch {
      throw CommandError(error)
    }
    do throws(CommandError) {
      let source = try CameraSource(
        camera, options, scaledFormat: plan.configuration.jpeg.format)
      announce(report, camera, plan, console)
      return source
    } catch {
      await camera.close()
      throw error
    }
  }

  /// What a camera offers; what is no camera is refused by its name.
  private static func offers(
    of device: DeviceSelector, at path: String
  ) throws(CommandError) -> CameraReport {
    do throws(EncoderError) {
      return try CaptureSource.offers(of: device)
    } catch {
      if error.code == .unsupported, let report = DeviceCatalog.examine(device).first,
        let refusal = CameraRefusal.refusal(of: report, among: DeviceCatalog.devices())
      {
        throw refusal
      }
      if error.code == .notAnEncoder {
        throw CameraRefusal.noDevice(path, among: DeviceCatalog.devices())
      }
      throw CommandError(error)
    }
  }

  private static func announce(
    _ report: CameraReport, _ camera: CaptureSource, _ plan: CameraPlan, _ console: Console
  ) {
    let format = camera.current
    let rate = format.frameRate.map { " at \($0) fps" } ?? ""
    console.note(
      "camera \(report.card) (\(report.driver), \(report.path)): \(format.size)\(rate), "
        + RawFormats.name(of: format.cameraFormat))
    for difference in camera.differences { console.note("not as asked: \(difference)") }
    if plan.way == .decoded {
      console.detail("JPEG pictures are decoded to \(RawFormats.name(of: format.format))")
    }
  }
}
