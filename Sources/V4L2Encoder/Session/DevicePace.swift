/// How fast a device works, to foretell when a frame's packet will come.
///
/// A plain value without a clock. It tells the time of a frame that finds the device at rest, which
/// goes through the whole of it, from the time between packets while the device has work.
package struct DevicePace: Hashable, Sendable {
  /// From the first frame after a rest to its packet, in nanoseconds; nil until one came.
  private var passage: Double?
  /// From packet to packet while there is work, in nanoseconds; nil until one came.
  private var step: Double?
  /// Since when the device works on the next packet; nil while it owes none.
  private var busySince: MonotonicTime?
  /// Whether the next packet is the first after a rest.
  private var isFirst = false

  package init() {}

  /// How long a frame that finds the device at rest takes.
  package var shortest: Duration { .nanoseconds(Int64(passage ?? 0)) }

  /// A frame went into the device, which now owes so many packets.
  package mutating func frameQueued(owed: Int, at now: MonotonicTime) {
    guard owed > 0, busySince == nil else { return }
    busySince = now
    isFirst = true
  }

  /// A packet came, perhaps together with the news that others will not; so many are still owed.
  package mutating func packetCame(settling count: Int = 1, owed: Int, at now: MonotonicTime) {
    if let busySince {
      let sample = Double((now - busySince).inNanoseconds) / Double(max(1, count))
      if isFirst {
        passage = Self.mean(passage, sample)
      } else {
        step = Self.mean(step, sample)
      }
    }
    isFirst = false
    busySince = owed > 0 ? now : nil
  }

  /// The device owes nothing any more.
  package mutating func rests() { busySince = nil }

  /// The device could not go on until now, for no fault of its own.
  package mutating func goesOn(at now: MonotonicTime) {
    if busySince != nil { busySince = now }
  }

  /// How long the packet will take of a frame that is queued now, when so many are owed before it;
  /// zero while nothing is known.
  ///
  /// A device that is late with its next packet is expected to need as long again.
  package func expected(behind owed: Int, at now: MonotonicTime) -> Duration {
    guard let known = step ?? passage else { return .zero }
    guard owed > 0 else { return shortest }
    let usual = (isFirst ? passage : step) ?? known
    let elapsed = busySince.map { Double((now - $0).inNanoseconds) } ?? 0
    let expected = abs(usual - elapsed) + known * Double(owed)
    return .nanoseconds(Int64(min(max(expected, passage ?? 0), 1e15)))
  }

  /// A mean that learns faster that a device is slow than that it is fast.
  private static func mean(_ mean: Double?, _ sample: Double) -> Double {
    guard let mean else { return sample }
    return mean + (sample - mean) * (sample > mean ? 0.25 : 0.125)
  }
}
