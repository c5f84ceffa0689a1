/// Counts durations so that percentiles cost the same memory for ten frames and for ten days.
///
/// A value is kept to one part in 64.
package struct LatencyHistogram: Sendable {
  private static let bits = 6
  private var counts = [Int](repeating: 0, count: (64 - bits) << bits)
  package private(set) var total = 0
  /// The longest, which no bucket rounds.
  package private(set) var longest = 0

  package init() {}

  /// Counts one duration.
  package mutating func add(microseconds: Int) {
    counts[Self.bucket(of: UInt(max(0, microseconds)))] += 1
    longest = max(longest, microseconds)
    total += 1
  }

  /// Counts what another histogram has counted.
  package mutating func add(_ other: LatencyHistogram) {
    for (bucket, count) in other.counts.enumerated() where count > 0 { counts[bucket] += count }
    longest = max(longest, other.longest)
    total += other.total
  }

  /// The duration that this share of all does not exceed; nil when nothing was counted.
  package func percentile(_ share: Double) -> Int? {
    guard total > 0 else { return nil }
    let rank = min(total, max(1, Int((share * Double(total)).rounded(.up))))
    var seen = 0
    for (bucket, count) in counts.enumerated() where count > 0 {
      seen += count
      if seen >= rank { return Self.value(of: bucket) }
    }
    return nil
  }

  private static func bucket(of value: UInt) -> Int {
    let shift = max(0, UInt.bitWidth - value.leadingZeroBitCount - bits - 1)
    // Below 2^(bits + 1) every value has a bucket; above, the leading bits choose it.
    return (shift << bits) + Int(value >> UInt(shift))
  }

  private static func value(of bucket: Int) -> Int {
    let shift = max(0, (bucket >> bits) - 1)
    return (bucket - (shift << bits)) << shift
  }
}
