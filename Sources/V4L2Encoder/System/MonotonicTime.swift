internal import CV4L2

/// A point on `CLOCK_MONOTONIC`, the clock of the kernel's buffers.
package struct MonotonicTime: Hashable, Comparable, Sendable {
  package var nanoseconds: Int64
  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  package static var now: MonotonicTime {
    MonotonicTime(nanoseconds: cv4l2_monotonic_nanoseconds())
  }

  package static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
    left.nanoseconds < right.nanoseconds
  }

  package static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
    MonotonicTime(nanoseconds: time.nanoseconds &+ duration.inNanoseconds)
  }

  package static func - (left: MonotonicTime, right: MonotonicTime) -> Duration {
    .nanoseconds(left.nanoseconds - right.nanoseconds)
  }
}

extension Duration {
  /// Whole nanoseconds, saturating far beyond any deadline.
  package var inNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    guard seconds.magnitude < 1 << 32 else { return seconds < 0 ? .min / 2 : .max / 2 }
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
