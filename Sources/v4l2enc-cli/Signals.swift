internal import Glibc
internal import Synchronization
internal import V4L2Encoder

/// SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.
final class Signals: Sendable {
  private let stop: StopRequest
  private let console: Console
  private let received = Atomic<Int32>(0)
  /// Grows with every packet that is written, so that an end that makes no progress is noticed.
  private let progress = Atomic<Int>(0)

  /// How long an orderly end may take without any packet being written.
  private static let patience = 10

  private init(stop: StopRequest, console: Console) {
    self.stop = stop
    self.console = console
  }

  /// Keeps signals from ending the process; call it before any other thread exists, since threads
  /// inherit what is blocked.
  static func block() {
    var set = handled
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    // A closed pipe is an error of write(2), reported like any other.
    _ = signal(SIGPIPE, SIG_IGN)
  }

  /// Starts to answer signals, on a thread of its own.
  static func watch(stop: StopRequest, console: Console) -> Signals {
    let signals = Signals(stop: stop, console: console)
    let context = unsafe Unmanaged.passRetained(signals).toOpaque()
    var thread = pthread_t()
    let failure = unsafe pthread_create(
      &thread, nil,
      { context in
        if let context = unsafe context {
          unsafe Unmanaged<Signals>.fromOpaque(context).takeRetainedValue().serve()
        }
        return nil
      }, context)
    if failure == 0 {
      pthread_detach(thread)
    } else {
      unsafe Unmanaged<Signals>.fromOpaque(context).release()
      // Without the thread signals do what they always do.
      var set = handled
      unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
    return signals
  }

  /// How the command ends because of a signal; nil when none came.
  var exitCode: ExitCode? {
    switch received.load(ordering: .acquiring) {
    case 0: nil
    case SIGTERM: .terminated
    default: .interrupted
    }
  }

  /// Says that a packet was written.
  func noteProgress() { progress.wrappingAdd(1, ordering: .relaxed) }

  private static var handled: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGINT)
    unsafe sigaddset(&set, SIGTERM)
    return set
  }

  private func serve() {
    var set = Self.handled
    var number: Int32 = 0
    guard unsafe sigwait(&set, &number) == 0 else { return }
    received.store(number, ordering: .releasing)
    console.note("stopping: what was read is encoded and written; once more ends at once")
    stop.raise()
    let code: ExitCode = number == SIGTERM ? .terminated : .interrupted
    while true {
      let before = progress.load(ordering: .relaxed)
      var patience = timespec(tv_sec: Self.patience, tv_nsec: 0)
      let next = unsafe sigtimedwait(&set, nil, &patience)
      if next > 0 { _exit(code.rawValue) }
      if Errno.last.rawValue == EAGAIN, progress.load(ordering: .relaxed) == before {
        console.error("nothing was written for \(Self.patience) s; giving up")
        _exit(code.rawValue)
      }
    }
  }
}
