internal import V4L2Encoder

/// Lists, and times with units.
extension Quantities {
  private static let units: [(suffix: String, milliseconds: Int)] = [
    ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("", 1000),
  ]

  /// A time with its unit: `30ms`, `2.5s`, `5m`, `24h`, `7d`; seconds without one.
  static func time(_ text: String, for option: String) throws(CommandError) -> Duration {
    let unit = units.first { text.hasSuffix($0.suffix) } ?? ("", 1000)
    let number = text.dropLast(unit.suffix.count)
    let longest = 366 * 86_400_000
    guard let milliseconds = decimal(number, scale: unit.milliseconds),
      (1...longest).contains(milliseconds)
    else {
      throw CommandError(
        .usage, "\(option) \(text): write a time up to a year, such as 30ms, 30s, 5m or 24h")
    }
    return .milliseconds(milliseconds)
  }

  /// Times with commas between them, each longer than the one before.
  static func durations(_ text: String, for option: String) throws(CommandError) -> [Duration] {
    var times: [Duration] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let next = try time(String(part), for: option)
      guard next > times.last ?? .zero else {
        throw CommandError(.usage, "\(option) \(text): write the shortest first, each once")
      }
      times.append(next)
    }
    return times
  }

  /// Numbers with commas between them, or `1..4`; each larger than the one before.
  static func counts(
    _ text: String, for option: String, in range: ClosedRange<Int>
  ) throws(CommandError) -> [Int] {
    var counts: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "..", omittingEmptySubsequences: false).map { count($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
        first <= last, range.contains(first), range.contains(last), first > counts.last ?? 0
      else {
        throw CommandError(
          .usage,
          "\(option) \(text): write numbers from \(range.lowerBound) to \(range.upperBound), the "
            + "smallest first, such as 1..4 or 1,2,4")
      }
      counts += first...last
    }
    return counts
  }

  /// A share in percent: `10%` or `10`.
  static func percent(_ text: String, for option: String) throws(CommandError) -> Double {
    let number = text.hasSuffix("%") ? text.dropLast() : text[...]
    guard let tenths = decimal(number, scale: 10), (1...1_000_000).contains(tenths) else {
      throw CommandError(.usage, "\(option) \(text): write percent of one processor, such as 10%")
    }
    return Double(tenths) / 10
  }
}
