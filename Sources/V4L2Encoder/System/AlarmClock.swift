internal import Glibc

/// Calls at points in time, from a thread of its own.
///
/// A task that sleeps needs one of the process's few threads for tasks to wake up on, and whatever
/// is to be noticed may be what holds all of those.
// The mutex makes every access to `entries` and `isRunning` exclusive.
@safe package final class AlarmClock: @unchecked Sendable {
  /// One call that is still to come.
  package struct Alarm: Sendable {
    fileprivate let identity: UInt64
    /// What makes the call where the system had no room for the thread.
    fileprivate var task: Task<Void, Never>?
  }

  private struct Entry {
    let identity: UInt64
    let time: MonotonicTime
    let call: @Sendable () -> Void
  }

  /// The clock of the process; its thread starts with the first alarm and stays.
  package static let shared = AlarmClock()

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var entries: [Entry] = []
  private var lastIdentity: UInt64 = 0
  private var isRunning = false

  private init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(condition, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
  }

  /// Has `call` called once, which must be quick: other alarms wait for it.
  @discardableResult
  package func set(at time: MonotonicTime, _ call: @escaping @Sendable () -> Void) -> Alarm {
    let (identity, isKept) = withLock { () -> (UInt64, Bool) in
      lastIdentity += 1
      guard startIfNeeded() else { return (lastIdentity, false) }
      let isFirst = entries.allSatisfy { time < $0.time }
      entries.append(Entry(identity: lastIdentity, time: time, call: call))
      if isFirst { unsafe pthread_cond_signal(condition) }
      return (lastIdentity, true)
    }
    guard !isKept else { return Alarm(identity: identity) }
    return Alarm(
      identity: identity,
      task: Task.detached {
        do { try await Task.sleep(for: time - .now) } catch { return }
        call()
      })
  }

  /// Calls an alarm off; one that is being made at this moment is made.
  package func cancel(_ alarm: Alarm) {
    alarm.task?.cancel()
    // Dropped outside the lock: it may hold the last reference to something.
    let entry = withLock { () -> Entry? in
      guard let index = entries.firstIndex(where: { $0.identity == alarm.identity }) else {
        return nil
      }
      return entries.remove(at: index)
    }
    withExtendedLifetime(entry) {}
  }

  private func startIfNeeded() -> Bool {
    if !isRunning {
      isRunning = (try? DeviceThread.start(named: "encoder-alarms") { self.run() }) != nil
    }
    return isRunning
  }

  private func run() {
    while true { nextDue().call() }
  }

  /// Waits for the first alarm and takes it out.
  private func nextDue() -> Entry {
    withLock {
      while true {
        guard let index = entries.indices.min(by: { entries[$0].time < entries[$1].time }) else {
          unsafe pthread_cond_wait(condition, mutex)
          continue
        }
        let time = entries[index].time
        guard time > .now else { return entries.remove(at: index) }
        let nanoseconds = max(0, time.nanoseconds)
        var end = timespec(
          tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        unsafe pthread_cond_timedwait(condition, mutex, &end)
      }
    }
  }

  private func withLock<Result>(_ body: () -> Result) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body()
  }
}
