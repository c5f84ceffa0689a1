internal import V4L2Encoder

/// Which step comes next, and what became of those before; pure but for what it says.
struct QualifyCampaign {
  private(set) var hangs = false
  var table: QualifyTable
  private var rest: ArraySlice<QualifySetting>
  private let known: [QualifyJournal.Entry]
  private let retries: Bool
  private let console: Console
  private let count: Int
  private var current: QualifySetting?

  init(
    _ options: QualifyOptions, _ setting: QualifySetting, known: [QualifyJournal.Entry],
    _ console: Console
  ) {
    var steps: [QualifySetting] = []
    for duration in options.durations {
      for streams in options.streams {
        var step = setting
        step.streams = streams
        step.milliseconds = duration.inMicroseconds / 1000
        steps.append(step)
      }
    }
    rest = steps[...]
    count = steps.count
    self.known = known.filter { $0.setting.isLike(setting) }
    retries = options.retries
    self.console = console
    table = QualifyTable(setting: setting)
  }

  /// The next step that is to be tried; those that are not are in the table.
  mutating func next() -> QualifySetting? {
    while let step = rest.popFirst() {
      if let (outcome, isOld) = decided(step) {
        table.rows.append(.init(setting: step, outcome: outcome, isOld: isOld))
        if outcome.verdict == .unstable {
          console.warning("\(step.text) is left out: \(outcome.reasons.joined(separator: "; "))")
        }
        continue
      }
      current = step
      console.note("step \(count - rest.count) of \(count): \(step.text)")
      return step
    }
    return nil
  }

  /// What is known of a step without trying it.
  private func decided(_ step: QualifySetting) -> (QualifyOutcome, isOld: Bool)? {
    if hangs { return (QualifyOutcome(.untested, "the device hangs"), false) }
    if let failed = table.rows.first(where: {
      $0.outcome.verdict != .stable && step.asksForAtLeast($0.setting)
    }) {
      let why = failed.outcome.verdict == .unstable ? "unstable" : "not to be had"
      return (QualifyOutcome(.untested, "\(failed.setting.text) was \(why)"), false)
    }
    guard !retries else { return nil }
    if let crash = known.first(where: { $0.isCrash && step.asksForAtLeast($0.setting) }) {
      guard crash.setting.isSame(as: step) else {
        let reasons = crash.outcome.reasons.joined(separator: "; ")
        return (QualifyOutcome(.untested, "\(crash.setting.text): \(reasons)"), true)
      }
      return (Self.withRemedy(crash.outcome), true)
    }
    // Results of another kernel, of another version or under other limits are none of this one.
    guard let entry = known.first(where: { $0.setting.isSame(as: step) && $0.isCurrent })
    else { return nil }
    return (Self.withRemedy(entry.outcome), true)
  }

  private static func withRemedy(_ outcome: QualifyOutcome) -> QualifyOutcome {
    var outcome = outcome
    if outcome.verdict == .unstable { outcome.reasons.append("--retry tries it again") }
    return outcome
  }

  /// Takes what became of the step that `next` gave.
  mutating func take(_ result: QualifyStep.Result) {
    guard let step = current else { return }
    current = nil
    hangs = hangs || result.hangs
    if let report = result.report { table.report = table.report ?? report }
    table.rows.append(.init(setting: step, outcome: result.outcome, isOld: false))
    let reasons = result.outcome.reasons.joined(separator: "; ")
    let text = "\(step.text): \(result.outcome.verdict.rawValue)"
    switch result.outcome.verdict {
    case .stable: console.note(text)
    case .unstable, .untested: console.warning(reasons.isEmpty ? text : "\(text): \(reasons)")
    }
    for remark in result.outcome.remarks { console.note(remark) }
  }

  /// Adds what was not reached, for this reason.
  mutating func finish(_ reason: String) {
    for step in [current].compactMap(\.self) + rest {
      table.rows.append(
        .init(setting: step, outcome: QualifyOutcome(.untested, reason), isOld: false))
    }
    rest = []
  }
}
