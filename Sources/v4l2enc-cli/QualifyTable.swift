internal import V4L2Encoder

/// What `qualify` found, as a table with a verdict.
struct QualifyTable {
  struct Row {
    var setting: QualifySetting
    var outcome: QualifyOutcome
    /// Whether the journal knew it.
    var isOld: Bool

    /// Whether it is called stable although this could not be seen.
    func isStable(without isUnknown: (QualifyMeasures) -> Bool) -> Bool {
      outcome.verdict == .stable && outcome.measures.map(isUnknown) == true
    }
  }

  let setting: QualifySetting
  var report: NegotiationReport?
  var rows: [Row] = []
  /// The same pictures through a software encoder.
  var software: (seconds: Duration, outcome: QualifyOutcome)?

  init(setting: QualifySetting) { self.setting = setting }

  /// The gravest of all verdicts.
  var verdict: QualifyOutcome.Verdict {
    if rows.contains(where: { $0.outcome.verdict == .unstable }) { return .unstable }
    return rows.allSatisfy { $0.outcome.verdict == .stable } ? .stable : .untested
  }

  var exitCode: ExitCode {
    switch verdict {
    case .stable: .success
    case .unstable: .unstable
    case .untested: .untested
    }
  }

  /// Everything, in lines.
  func text(_ host: QualifyHost) -> String {
    // What the journal knows needs no device that is there now.
    let known =
      setting.driver.isEmpty
      ? setting.device : "\(setting.card) (\(setting.driver), \(setting.device))"
    let who = report.map { "\($0.card) (\($0.driver), \($0.path))" } ?? known
    let codec = VideoCodec(rawValue: setting.codec)?.name ?? setting.codec
    var lines = [
      "\(who), kernel \(host.kernel)",
      "\(codec), \(setting.width)x\(setting.height) at \(setting.frameRate) fps, "
        + "\(setting.format) in, \(setting.quality)",
      "",
    ]
    lines += Self.aligned(
      [Self.heading] + rows.map(cells)
        + (software.map { [Self.cells("software", $0.seconds, "-", $0.outcome.measures)] } ?? []))
    var notes = rows.filter { !$0.outcome.reasons.isEmpty }.map {
      "\($0.setting.text): \($0.outcome.reasons.joined(separator: "; "))"
    }
    for (text, isUnknown) in Self.unjudged {
      let steps = rows.filter { $0.isStable(without: isUnknown) }.map(\.setting.text)
      if !steps.isEmpty { notes.append("\(text): \(steps.joined(separator: ", "))") }
    }
    if !notes.isEmpty { lines += [""] + notes }
    lines += ["", "verdict: \(verdict.rawValue)\(extent)"]
    return lines.joined(separator: "\n") + "\n"
  }

  /// What a step may be called stable without.
  private static let unjudged: [(String, @Sendable (QualifyMeasures) -> Bool)] = [
    (
      "too short to judge memory and open files",
      { $0.residentGrowth == nil || $0.descriptorGrowth == nil }
    ),
    ("not judged: throttling, which the board does not tell", { $0.wasThrottled == nil }),
    ("not judged: the supply, of which the board does not tell", { $0.wasUnderVoltage == nil }),
    ("not judged: the kernel's log, which was not read", { !$0.kernelLogWasRead }),
  ]

  /// How far it is stable: the most streams, each for the longest time.
  private var extent: String {
    let stable = rows.filter { $0.outcome.verdict == .stable }.map(\.setting)
    guard let streams = stable.map(\.streams).max(),
      let longest = stable.filter({ $0.streams == streams }).map(\.milliseconds).max()
    else { return "" }
    var most = setting
    most.streams = streams
    most.milliseconds = longest
    return verdict == .stable ? "" : "; stable up to \(most.text)"
  }

  private static let heading = [
    "streams", "time", "verdict", "fps", "bitrate", "latency p50/p99/max", "CPU", "memory", "board",
  ]

  private func cells(_ row: Row) -> [String] {
    Self.cells(
      "\(row.setting.streams)", .milliseconds(row.setting.milliseconds),
      row.outcome.verdict.rawValue + (row.isOld ? " (journal)" : ""), row.outcome.measures)
  }

  private static func cells(
    _ streams: String, _ time: Duration, _ verdict: String, _ measures: QualifyMeasures?
  ) -> [String] {
    guard let measures else { return [streams, Units.span(time), verdict] }
    let latency = [
      measures.latency.median, measures.latency.percentile99, measures.latency.maximum,
    ].map { Units.fixed(Double($0) / 1000, 1) }
    return [
      streams, Units.span(time), verdict, Units.fixed(measures.frameRate, 1),
      Units.bitrate(measures.bitrate), latency.joined(separator: "/") + " ms",
      measures.processorPercent.map { Units.fixed($0, 0) + " %" } ?? "-",
      measures.residentBytes.map { Units.bytes($0) } ?? "-",
      measures.temperature.map { Units.fixed($0, 0) + " °C" } ?? "-",
    ]
  }

  private static func aligned(_ rows: [[String]]) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let isLast = column + 1 == row.count
        line += cell
        if !isLast { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
      }
      return line
    }
  }
}
