internal import CFuse3
internal import Glibc

/// Starts the server as a process of its own and waits until its device is ready.
///
/// A new process instead of a fork: the Swift runtime does not survive a fork without exec.
enum Launcher {
  /// The descriptor by which the server says that it is ready.
  private static let readyDescriptor: Int32 = 3
  private static let patienceInMilliseconds: Int32 = 20_000

  /// Runs this program again in the background; returns its process number.
  ///
  /// The server itself reports on standard error what keeps it from starting.
  static func start(_ arguments: [String]) throws(LaunchFailure) -> pid_t {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .silent(EX_OSERR) }
    let (reader, writer) = (ends[0], ends[1])
    defer { close(reader) }

    let server = spawn(arguments + [CommandOptions.launcherFlag], ready: writer)
    close(writer)
    guard let server else { throw .silent(EX_OSERR) }

    var waiting = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
    var byte: UInt8 = 0
    guard poll(&waiting, 1, patienceInMilliseconds) == 1 else {
      kill(server, SIGKILL)
      throw .unanswered
    }
    if read(reader, &byte, 1) == 1 { return server }
    var status: Int32 = 0
    while waitpid(server, &status, 0) == -1, errno == EINTR {}
    throw status & 0x7f == 0 ? .silent((status >> 8) & 0xff) : .died(signal: status & 0x7f)
  }

  /// Tells the launcher that the device is ready, and leaves its terminal alone from now on.
  static func reportReady() {
    var byte: UInt8 = 1
    let null = open("/dev/null", O_RDWR)
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] { dup2(null, descriptor) }
    close(null)
    chdir("/")
    _ = write(readyDescriptor, &byte, 1)
    close(readyDescriptor)
  }

  private static func spawn(_ arguments: [String], ready: Int32) -> pid_t? {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ready, readyDescriptor)
    cfuse3_close_from(&actions, readyDescriptor + 1)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(CFUSE3_SPAWN_SETSID))

    var process: pid_t = 0
    var pointers = arguments.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    let result = posix_spawn(
      &process, "/proc/self/exe", &actions, &attributes, &pointers, Glibc.environ)
    guard result == 0 else {
      report("cannot start in the background: \(describe(errno: result)); use --foreground")
      return nil
    }
    return process
  }
}

/// Why there is no server in the background.
enum LaunchFailure: Error {
  /// The user knows already.
  case silent(Int32)
  case died(signal: Int32)
  case unanswered
}
