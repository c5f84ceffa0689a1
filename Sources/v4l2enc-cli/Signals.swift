internal import Glibc
internal import Synchronization
internal import V4L2Encoder

/// SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.
final class Signals: Sendable {
  /// What is to end in good order.
  private struct Run {
    var stop: StopRequest
    var console: Console
  }

  private let run = Locked(Run?.none)
  private let received = Atomic<Int32>(0)
  /// Grows with every packet that is written, so that an end that makes no progress is noticed.
  private let progress = Atomic<Int>(0)

  /// How long an orderly end may take without any packet being written, in seconds.
  private static let patience = 10

  /// Keeps signals from ending the process by themselves.
  ///
  /// To be called before any other thread exists, since threads inherit what is blocked.
  init() {
    var set = Self.handled
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    // A closed pipe is an error of write(2), reported like any other.
    _ = signal(SIGPIPE, SIG_IGN)
  }

  /// From now on the first signal asks for an orderly end.
  func protect(_ stop: StopRequest, _ console: Console) {
    run.withLock { $0 = Run(stop: stop, console: console) }
  }

  /// How the command ends because of a signal; nil when none came.
  var exitCode: ExitCode? {
    let number = received.load(ordering: .acquiring)
    return number == 0 ? nil : Self.exitCode(of: number)
  }

  /// Says that a packet was written.
  func noteProgress() { progress.wrappingAdd(1, ordering: .relaxed) }

  /// Answers signals until the process ends; for the main thread, which has nothing else to do.
  func serve() -> Never {
    var set = Self.handled
    while true {
      var number: Int32 = 0
      guard unsafe sigwait(&set, &number) == 0 else { continue }
      guard let run = run.withLock({ $0 }) else { _exit(Self.exitCode(of: number).rawValue) }
      received.store(number, ordering: .releasing)
      run.console.note("stopping: what was read is encoded and written; once more ends at once")
      run.stop.raise()
      watchTheEnd(Self.exitCode(of: number), run.console)
    }
  }

  private func watchTheEnd(_ code: ExitCode, _ console: Console) -> Never {
    var set = Self.handled
    while true {
      let before = progress.load(ordering: .relaxed)
      var patience = timespec(tv_sec: Self.patience, tv_nsec: 0)
      if unsafe sigtimedwait(&set, nil, &patience) > 0 { _exit(code.rawValue) }
      if Errno.last.rawValue == EAGAIN, progress.load(ordering: .relaxed) == before {
        console.error("nothing was written for \(Self.patience) s; giving up")
        _exit(code.rawValue)
      }
    }
  }

  private static func exitCode(of number: Int32) -> ExitCode {
    number == SIGTERM ? .terminated : .interrupted
  }

  private static var handled: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGINT)
    unsafe sigaddset(&set, SIGTERM)
    return set
  }
}
