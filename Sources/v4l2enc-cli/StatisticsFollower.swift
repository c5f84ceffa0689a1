internal import V4L2Encoder

/// Looks at an encoder's statistics in every period, on a thread of its own: whoever reads the file
/// that is written then may be slow.
final class StatisticsFollower: Sendable {
  private let period: Duration
  private let worker: WorkerThread

  /// Starts the thread.
  init(every period: Duration) throws(CommandError) {
    self.period = period
    worker = try WorkerThread()
  }

  /// Looks until the encoder ends or the task is cancelled.
  func follow(
    _ encoder: any VideoEncoder, _ look: @escaping @Sendable (EncoderStatistics) -> Void
  ) -> Task<Void, Never> {
    Task(executorPreference: worker) { [period] in
      for await statistics in encoder.statisticsUpdates(every: period) {
        guard !Task.isCancelled, !statistics.hasEnded else { return }
        look(statistics)
      }
    }
  }

  /// Does something on the thread, once it is free.
  func run(_ job: @escaping @Sendable () -> Void) { Task(executorPreference: worker) { job() } }

  /// Ends the thread; nothing that `follow` started may run any more.
  func stop() { worker.stop() }
}
