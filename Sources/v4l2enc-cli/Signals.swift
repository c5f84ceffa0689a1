internal import Glibc
internal import Synchronization
internal import V4L2Encoder

/// SIGINT, SIGTERM and, unless it is ignored as under nohup, SIGHUP: the first asks for an orderly
/// end, the second ends at once.
final class Signals: Sendable {
  /// What is to end in good order.
  private struct Run {
    var stop: StopRequest
    var console: Console
    var note: String
  }

  private let run = Locked(Run?.none)
  private let takesHangUp: Bool
  private let received = Atomic<Int32>(0)
  /// Grows with every packet that is written, so that an end that makes no progress is noticed.
  private let progress = Atomic<Int>(0)

  /// How long an orderly end may take without any packet being written, in seconds.
  private static let patience = 10

  /// Keeps signals from ending the process by themselves.
  ///
  /// To be called before any other thread exists, since threads inherit what is blocked.
  init() {
    takesHangUp = !Self.ignoresHangUp
    var set = handled
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    // A closed pipe is an error of write(2), reported like any other.
    _ = signal(SIGPIPE, SIG_IGN)
  }

  /// From now on the first signal asks for an orderly end; `note` says what that is.
  func protect(_ stop: StopRequest, _ console: Console, _ note: String) {
    run.withLock { $0 = Run(stop: stop, console: console, note: note) }
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
    var set = handled
    while true {
      var number: Int32 = 0
      guard unsafe sigwait(&set, &number) == 0 else { continue }
      guard let run = run.withLock({ $0 }) else { _exit(Self.exitCode(of: number).rawValue) }
      received.store(number, ordering: .releasing)
      run.console.note("stopping: \(run.note); once more ends at once")
      run.stop.raise()
      watchTheEnd(Self.exitCode(of: number), run.console)
    }
  }

  private func watchTheEnd(_ code: ExitCode, _ console: Console) -> Never {
    var set = handled
    let stopped = MonotonicTime.now
    while true {
      let before = progress.load(ordering: .relaxed)
      var patience = timespec(tv_sec: Self.patience, tv_nsec: 0)
      let number = unsafe sigtimedwait(&set, nil, &patience)
      if number > 0 {
        // A program such as timeout(1) sends the same to the process and to its group at once.
        if number != SIGINT, MonotonicTime.now - stopped < .milliseconds(500) { continue }
        _exit(code.rawValue)
      }
      if Errno.last.rawValue == EAGAIN, progress.load(ordering: .relaxed) == before {
        console.error("nothing was written for \(Self.patience) s; giving up")
        _exit(code.rawValue)
      }
    }
  }

  private static func exitCode(of number: Int32) -> ExitCode {
    switch number {
    case SIGTERM: .terminated
    case SIGHUP: .hungUp
    default: .interrupted
    }
  }

  private static var ignoresHangUp: Bool {
    var action = sigaction()
    guard unsafe sigaction(SIGHUP, nil, &action) == 0 else { return false }
    let handler = unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    return unsafe handler == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  private var handled: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGINT)
    unsafe sigaddset(&set, SIGTERM)
    if takesHangUp { unsafe sigaddset(&set, SIGHUP) }
    return set
  }
}
