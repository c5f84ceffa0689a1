internal import V4L2Encoder

/// Latencies in the words of a report.
struct LatencyText {
  let median: Int
  let percentile95: Int
  let percentile99: Int
  let maximum: Int

  /// Of these latencies in microseconds.
  init(_ microseconds: [Int]) {
    let sorted = microseconds.sorted()
    func share(_ share: Double) -> Int {
      let rank = Int((share * Double(sorted.count)).rounded(.up))
      return sorted.isEmpty ? 0 : sorted[min(max(rank, 1), sorted.count) - 1]
    }
    median = share(0.5)
    percentile95 = share(0.95)
    percentile99 = share(0.99)
    maximum = sorted.last ?? 0
  }

  init(_ record: LatencyRecord) {
    median = record.median
    percentile95 = record.percentile95
    percentile99 = record.percentile99
    maximum = record.maximum
  }

  var text: String {
    "\(Units.duration(microseconds: median)) median, "
      + "\(Units.duration(microseconds: percentile95)) p95, "
      + "\(Units.duration(microseconds: percentile99)) p99, "
      + "\(Units.duration(microseconds: maximum)) at most"
  }
}

/// Latencies in bins of equal width.
struct LatencyBins {
  /// How wide a bin is, in microseconds.
  let width: Int
  private(set) var counts: [Int]
  /// Latencies beyond the last bin.
  private(set) var beyond = 0

  private static let bins = 60

  /// The few slowest would squeeze all others into one bin; they are only counted.
  init(_ microseconds: [Int]) {
    let text = LatencyText(microseconds)
    let end = max(1, min(text.maximum, text.percentile99 * 3 / 2))
    width = end / Self.bins + 1
    counts = [Int](repeating: 0, count: Self.bins)
    for latency in microseconds {
      let bin = latency / width
      if bin < Self.bins { counts[bin] += 1 } else { beyond += 1 }
    }
  }

  /// Where the last bin ends, in microseconds.
  var limit: Int { width * Self.bins }
}
