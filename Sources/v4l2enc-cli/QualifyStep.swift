internal import V4L2Encoder

/// One step: so many streams for so long.
struct QualifyStep {
  /// What became of it, and whether the device still answers.
  struct Result {
    var outcome: QualifyOutcome
    var hangs = false
    /// Why not even one stream could be opened.
    var refusal: CommandError?
    /// What the driver granted.
    var report: NegotiationReport?
  }

  let options: QualifyOptions
  let device: String
  let streams: Int
  let duration: Duration
  let console: Console
  let stop: StopRequest
  /// Whether it says what the driver granted.
  var announces = false

  /// How often the machine is looked at.
  private var period: Duration { min(.seconds(1), duration / 8) }

  /// Tries it.
  func run() async -> Result {
    let source: TestSource
    let plan: EncodePlan
    do throws(CommandError) {
      source = try QualifyStep.source(options)
      plan = try QualifyStep.plan(options, source)
      // Painting takes longer than the first frame may.
      _ = try source.next(0)
    } catch {
      return Result(outcome: QualifyOutcome(.untested, error.message), refusal: error)
    }
    // What the kernel says of opening the device belongs to the step.
    let kernelLog = KernelLog(root: Machine.current.root)
    let end = StepEnd(stop)
    var opened: [QualifyStream] = []
    for number in 1...streams {
      do throws(CommandError) {
        let stream = try await QualifyStream(source, plan, on: device, console, end)
        opened.append(stream)
        try stream.encoder.negotiated.require(options.encode.controls)
      } catch {
        for stream in opened { await stream.encoder.close() }
        return Self.result(of: error, opening: number, kernelLog)
      }
    }
    if announces, let report = opened.first?.encoder.negotiated { announce(report, plan) }
    return await run(opened, at: source.description.frameRate, kernelLog, until: end)
  }

  /// What it means that this stream, counted from 1, could not be opened.
  static func result(
    of error: CommandError, opening number: Int, _ kernelLog: KernelLog?
  ) -> Result {
    let lines = kernelLog?.newLines() ?? []
    let logged = QualifyChecks.reason(lines.filter { $0.0 == .defect }.map(\.1))
    // A device that does not answer or goes away is there, other than one that refuses.
    let isBroken = [.timedOut, .inputOutput].contains(error.code)
    let verdict: QualifyOutcome.Verdict = isBroken || logged != nil ? .unstable : .untested
    var outcome = QualifyOutcome(
      verdict, (number == 1 ? "" : "stream \(number): ") + error.message)
    if let logged { outcome.reasons.append(logged) }
    let errors = lines.filter { $0.0 == .error }.prefix(MachineWatch.mostLines)
    outcome.remarks = errors.map { "the kernel logged: \($0.1)" }
    return Result(
      outcome: outcome, hangs: error.code == .timedOut,
      refusal: number == 1 && verdict == .untested ? error : nil)
  }

  private func announce(_ report: NegotiationReport, _ plan: EncodePlan) {
    console.note(NegotiationText.headline(report, plan))
    for line in NegotiationText.details(report) { console.detail(line) }
    guard console.verbosity != .verbose else { return }
    for difference in report.differences { console.note("not as asked: \(difference)") }
  }

  private func run(
    _ opened: [QualifyStream], at frameRate: Rational, _ kernelLog: KernelLog?, until end: StepEnd
  ) async -> Result {
    let machine = Locked(MachineWatch(.current, kernelLog, lasting: duration))
    let (duration, period) = (duration, period)
    let watching = Task.detached { [console] in
      while true {
        do { try await Task.sleep(for: period) } catch { return }
        let (load, measures) = machine.withLock { watch in
          (watch.look(), Self.measures(opened, watch))
        }
        console.status(Self.status(opened, load))
        if !QualifyChecks.defects(measures).isEmpty { end.raise() }
      }
    }
    let results = await withTaskGroup(of: QualifyStream.Result.self) { group in
      for stream in opened { group.addTask { await stream.run(for: duration) } }
      var results: [QualifyStream.Result] = []
      for await result in group {
        results.append(result)
        // Without one of its streams the step says nothing any more.
        if result.failure != nil { end.raise() }
      }
      return results
    }
    watching.cancel()
    await watching.value
    var measures = machine.withLock { watch in
      watch.look(isOver: true)
      return Self.measures(opened, watch)
    }
    measures.framesIn = results.reduce(0) { $0 + $1.framesIn }
    measures.frameRate = results.map(\.frameRate).min() ?? 0
    measures.framesMissed = results.map(\.framesMissed).max() ?? 0
    var result = Result(outcome: QualifyOutcome(), report: opened.first?.encoder.negotiated)
    result.hangs = results.contains(where: \.hangs)
    result.outcome.measures = measures
    result.outcome.remarks = measures.kernelErrors.map { "the kernel logged: \($0)" }
    let failures = results.compactMap(\.failure).map(\.message)
    if stop.isRaised, failures.isEmpty {
      result.outcome.reasons = ["stopped"]
      return result
    }
    // What a failure leaves behind is no finding of its own.
    result.outcome.reasons =
      failures.isEmpty
      ? QualifyChecks.reasons(measures, asked: frameRate, for: duration, options.limits)
      : Self.unique(failures)
    result.outcome.verdict = result.outcome.reasons.isEmpty ? .stable : .unstable
    return result
  }

  private static func measures(
    _ streams: [QualifyStream], _ watch: MachineWatch
  ) -> QualifyMeasures {
    var measures = QualifyMeasures()
    watch.tell(&measures)
    for stream in streams { measures.add(stream) }
    return measures
  }

  private static func unique(_ texts: [String]) -> [String] {
    texts.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  private static func status(_ streams: [QualifyStream], _ load: HostLoad) -> String {
    let all = streams.map(\.encoder.statistics)
    let slowest = all.compactMap(\.latency?.percentile99).max() ?? .zero
    let parts = [
      "\(all.reduce(0) { $0 + $1.packetsOut }) frames",
      "latency \(Units.duration(microseconds: slowest.inMicroseconds)) p99",
      load.residentBytes.map { Units.bytes($0) },
      load.temperature.map { "\(Units.fixed($0, 0)) °C" },
    ]
    return parts.compactMap(\.self).joined(separator: "  ")
  }

  /// The test picture as it is asked for.
  static func source(_ options: QualifyOptions) throws(CommandError) -> TestSource {
    var asked = options.encode
    asked.frames = Int(Int32.max)
    return try TestSource(named: "motion", options: asked, defaultRate: Rational(30))
  }

  /// How it is encoded; the quantizers are read, which needs every slice to be readable.
  static func plan(
    _ options: QualifyOptions, _ source: TestSource
  ) throws(CommandError) -> EncodePlan {
    var plan = try EncodePlan(
      options.encode, codec: options.encode.codec ?? .h264, input: source.description)
    plan.configuration.measuresQuantizer = true
    return plan
  }
}

extension QualifyMeasures {
  /// Adds what one stream has done.
  fileprivate mutating func add(_ stream: QualifyStream) {
    let statistics = stream.encoder.statistics
    packetsOut += statistics.packetsOut
    framesSkipped += statistics.framesSkipped
    corruptPackets += statistics.corruptPackets
    let found = stream.findings.counts
    unreadablePackets += found.unreadable
    unmatchedPackets += found.unmatched
    bitrate = max(bitrate, statistics.averageBitrate ?? 0)
    targetBitrate = statistics.targetBitrate
    guard let summary = statistics.latency.map({ LatencyRecord($0) }) else { return }
    latency.median = max(latency.median, summary.median)
    latency.percentile95 = max(latency.percentile95, summary.percentile95)
    latency.percentile99 = max(latency.percentile99, summary.percentile99)
    latency.maximum = max(latency.maximum, summary.maximum)
  }
}
