/// Finds out a device that says again and again that buffers are ready and then has none (EAGAIN),
/// so that it is asked less often instead of taking a whole processor.
struct VainWakes {
  /// What is not waited for, and for how long.
  struct Pause {
    var queues: Readiness
    var duration: Duration
  }

  /// A caller who fetches a buffer first, or a driver that wakes both queues, is nothing unusual.
  private static let tolerance = 8
  private static let longest = Duration.milliseconds(4)
  private var count = 0
  /// What was reported since the last progress: two queues that are left alone in turn would be
  /// asked without a pause.
  private var reported: Readiness = []
  private var lastProgress: MonotonicTime?

  /// Whether it is to be told that the device has passed what is usual, which is once.
  private(set) var isNews = false
  private var wasTold = false

  /// Looks at a round of the event loop.
  ///
  /// - Parameters:
  ///   - ready: what the device said.
  ///   - progress: when it last gave a buffer.
  /// - Returns: what the next round should leave alone; nil for nothing.
  mutating func roundEnded(_ ready: Readiness, progress: MonotonicTime) -> Pause? {
    if progress != lastProgress {
      lastProgress = progress
      count = 0
      reported = []
      return nil
    }
    let queues = ready.intersection([.capture, .output])
    guard !queues.isEmpty else { return nil }
    count += 1
    reported.formUnion(queues)
    guard count > Self.tolerance else { return nil }
    isNews = !wasTold
    wasTold = true
    let doubled = Duration.microseconds(250) * (1 << min(count - Self.tolerance, 8))
    return Pause(queues: reported, duration: min(doubled, Self.longest))
  }
}
