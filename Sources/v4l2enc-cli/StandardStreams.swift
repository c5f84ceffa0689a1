internal import Glibc
internal import V4L2Encoder

/// The standard descriptors as the command was started with them.
enum StandardStreams {
  /// The descriptors that were closed; asking for the first time opens /dev/null in their place.
  ///
  /// A closed one would be given to the next file that is opened, and messages would end up there.
  static let closed: Set<Int32> = {
    var closed: Set<Int32> = []
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is given out, which is this one since those below are open.
      if unsafe open("/dev/null", O_RDWR) == descriptor { closed.insert(descriptor) }
    }
    return closed
  }()

  /// Refuses to begin what nobody could read; `use` is what needs standard output.
  static func requireOutput(for use: String? = nil) throws(CommandError) {
    guard closed.contains(STDOUT_FILENO) else { return }
    throw CommandError(
      .cannotCreate,
      use.map { "\($0): standard output is closed; redirect it, or name a file" }
        ?? "standard output is closed; open or redirect it")
  }

  private static let privateOutput = Locked(Int32?.none)

  /// Where data for standard output goes.
  static var output: Int32 { privateOutput.withLock { $0 } ?? STDOUT_FILENO }

  /// Keeps standard output for the command alone; who else prints there prints messages.
  ///
  /// Plugins of libv4l2 run in this process and print as they like: libv4l-rkmpp logs to standard
  /// output, which would end up in the middle of the stream of `-o -`.
  static func keepOutputPrivate() {
    guard !closed.contains(STDOUT_FILENO) else { return }
    let copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
    // Without a free number everything stays as it was.
    guard copy >= 0 else { return }
    privateOutput.withLock { $0 = copy }
    _ = dup2(STDERR_FILENO, STDOUT_FILENO)
  }
}
