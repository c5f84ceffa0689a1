internal import Glibc

/// Which of the standard descriptors the command was started without.
///
/// A closed one would be given to the next file that is opened, and messages would end up there.
enum StandardStreams {
  /// The descriptors that were closed; asking for the first time opens /dev/null in their place.
  static let closed: Set<Int32> = {
    var closed: Set<Int32> = []
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is given out, which is this one since those below are open.
      if unsafe open("/dev/null", O_RDWR) == descriptor { closed.insert(descriptor) }
    }
    return closed
  }()
}
