/// What happened in an encoder, from time to time; ends with the encoder.
public struct StatisticsSequence: AsyncSequence, Sendable {
  /// The counters at one moment.
  public typealias Element = EncoderStatistics
  /// Reading counters does not fail.
  public typealias Failure = Never

  let period: Duration
  let read: @Sendable () -> EncoderStatistics

  /// Waits, then reads.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let period: Duration
    let read: @Sendable () -> EncoderStatistics
    private var due: SuspendingClock.Instant
    private var hasEnded = false

    init(period: Duration, read: @escaping @Sendable () -> EncoderStatistics) {
      self.period = period
      self.read = read
      due = .now
    }

    /// Waits until the next counters are due; nil after the encoder's end, or when the task is
    /// cancelled.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async -> EncoderStatistics? {
      await next()
    }

    /// Waits until the next counters are due; nil after the encoder's end, or when the task is
    /// cancelled.
    public mutating func next() async -> EncoderStatistics? {
      guard !hasEnded else { return nil }
      // A reader that was busy for longer than a period does not get what it missed all at once.
      due = Swift.max(due.advanced(by: period), .now)
      do { try await Task.sleep(until: due, clock: .suspending) } catch { return nil }
      let statistics = read()
      hasEnded = statistics.hasEnded
      return statistics
    }
  }

  /// Starts reading; the first counters come after one period.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(period: period, read: read) }
}

extension VideoEncoder {
  /// The counters, again and again.
  ///
  /// After `close` or a failure the last ones come, whose `hasEnded` is true, and the sequence
  /// ends. It keeps the encoder open as any reference does: close it, or cancel the task that
  /// reads.
  ///
  /// - Parameter period: from one reading to the next, at least a millisecond.
  /// - Returns: a sequence that everybody who iterates over it gets for himself.
  public func statisticsUpdates(every period: Duration = .seconds(1)) -> StatisticsSequence {
    StatisticsSequence(period: max(period, .milliseconds(1))) { statistics }
  }
}
