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
      var outcome = crash.outcome
      if crash.setting != step {
        outcome = QualifyOutcome(
          .untested, "\(crash.setting.text): \(crash.outcome.reasons.joined(separator: "; "))")
      } else {
        outcome.reasons.append("--retry tries it again")
      }
      return (outcome, true)
    }
    // Results of another kernel or of another version are none of this one.
    guard
      let entry = known.first(where: {
        $0.setting == step && $0.isCurrent && $0.outcome.verdict != .untested
      })
    else { return nil }
    return (entry.outcome, true)
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

  /// Adds what was not reached.
  mutating func finish(isStopped: Bool) {
    guard isStopped else { return }
    while let step = rest.popFirst() {
      let (outcome, isOld) = decided(step) ?? (QualifyOutcome(.untested, "stopped"), false)
      table.rows.append(.init(setting: step, outcome: outcome, isOld: isOld))
    }
  }
}
