internal import V4L2Encoder

/// What happens to the process and the board during a step; keeps no more for a day than for a
/// minute.
struct MachineWatch {
  private let machine: Machine
  private let kernelLog: KernelLog?
  private let begin: HostLoad
  private let settlesAfter: Duration
  /// When everything that is needed once is there; nil in a step too short for that.
  private var settled: HostLoad?
  /// While the streams were running.
  private var inside: HostLoad?
  private var last: HostLoad
  private var hottest: Double?
  /// Nil where the board does not tell.
  private var wasThrottled: Bool?
  private var wasUnderVoltage: Bool?
  private var defects: [String] = []
  private var errors: [String] = []

  /// Of the kernel's log, of each gravity.
  static let mostLines = 5

  /// Begins to watch.
  init(_ machine: Machine, _ kernelLog: KernelLog?, lasting duration: Duration) {
    self.machine = machine
    self.kernelLog = kernelLog
    begin = machine.hostLoad
    last = begin
    settlesAfter = min(max(duration / 4, .seconds(3)), .seconds(60))
  }

  /// Looks once, while the streams are running or after their end; what it sees.
  @discardableResult
  mutating func look(isOver: Bool = false) -> HostLoad {
    last = machine.hostLoad
    if !isOver {
      inside = last
      if settled == nil, last.time - begin.time >= settlesAfter { settled = last }
    }
    hottest = [hottest, last.temperature].compactMap(\.self).max()
    wasThrottled = Self.ever(wasThrottled, last.isThrottled)
    wasUnderVoltage = Self.ever(wasUnderVoltage, last.isUnderVoltage)
    for (gravity, line) in kernelLog?.newLines() ?? [] {
      switch gravity {
      case .defect: if defects.count < Self.mostLines { defects.append(line) }
      case .error: if errors.count < Self.mostLines { errors.append(line) }
      case .other: break
      }
    }
    return last
  }

  /// Writes down what was seen.
  func tell(_ measures: inout QualifyMeasures) {
    measures.processorPercent = last.processorShare(since: begin).map { ($0 * 1000).rounded() / 10 }
    measures.residentBytes = (inside ?? last).residentBytes
    measures.temperature = hottest
    measures.wasThrottled = wasThrottled
    measures.wasUnderVoltage = wasUnderVoltage
    measures.kernelLogWasRead = kernelLog != nil
    measures.kernelDefects = defects
    measures.kernelErrors = errors
    guard let settled, let inside else { return }
    measures.residentGrowth = Self.difference(inside.residentBytes, settled.residentBytes)
    measures.descriptorGrowth = Self.difference(inside.openDescriptors, settled.openDescriptors)
  }

  /// Whether it was so at any time; nil when that was never known.
  static func ever(_ before: Bool?, _ now: Bool?) -> Bool? {
    guard let now else { return before }
    return now || before == true
  }

  private static func difference(_ new: Int?, _ old: Int?) -> Int? {
    guard let new, let old else { return nil }
    return new - old
  }
}
