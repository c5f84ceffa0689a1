internal import Glibc
internal import V4L2Encoder

/// One thread that runs the jobs of a task, so that its waiting in read(2) or write(2) takes no
/// thread from the pool that everything else runs on.
final class WorkerThread: TaskExecutor {
  private struct State {
    var jobs: [UnownedJob] = []
    var isStopped = false
  }

  private let state = Locked(State())
  private let wake = Semaphore()

  /// Starts the thread.
  init() throws(CommandError) {
    let context = unsafe Unmanaged.passRetained(self).toOpaque()
    var thread = pthread_t()
    let failure = unsafe pthread_create(
      &thread, nil,
      { context in
        if let context = unsafe context {
          unsafe Unmanaged<WorkerThread>.fromOpaque(context).takeRetainedValue().run()
        }
        return nil
      }, context)
    guard failure == 0 else {
      unsafe Unmanaged<WorkerThread>.fromOpaque(context).release()
      throw CommandError(
        .operatingSystem, "starting a thread: \(Errno(rawValue: failure).text)")
    }
    pthread_detach(thread)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    state.withLock { $0.jobs.append(job) }
    wake.signal()
  }

  /// Ends the thread once everything queued has run; no task may use it any more.
  func stop() {
    state.withLock { $0.isStopped = true }
    wake.signal()
  }

  private func run() {
    let executor = unsafe asUnownedTaskExecutor()
    while true {
      wake.wait()
      let (job, isStopped) = state.withLock { state in
        (state.jobs.isEmpty ? nil : state.jobs.removeFirst(), state.isStopped)
      }
      if let job { unsafe job.runSynchronously(on: executor) } else if isStopped { return }
    }
  }
}

/// A counter that a thread waits for.
@safe private final class Semaphore: Sendable {
  // Initialized once; the C library makes every use of it atomic.
  private nonisolated(unsafe) let semaphore: UnsafeMutablePointer<sem_t>

  init() {
    unsafe semaphore = .allocate(capacity: 1)
    unsafe sem_init(semaphore, 0, 0)
  }

  deinit {
    unsafe sem_destroy(semaphore)
    unsafe semaphore.deallocate()
  }

  func signal() { unsafe sem_post(semaphore) }

  func wait() { while unsafe sem_wait(semaphore) != 0 {} }
}
