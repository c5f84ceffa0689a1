internal import Glibc
internal import V4L2Encoder

extension Errno {
  /// The number the last call of this thread left; read it before anything else is called.
  static var last: Errno { Errno(rawValue: Glibc.errno) }

  /// Whether somebody else, such as root, would have been let in.
  var isPermission: Bool { rawValue == EACCES || rawValue == EPERM }

  /// What the number means, in the system's words.
  var text: String {
    guard let text = unsafe strerror(rawValue) else { return "error \(rawValue)" }
    return unsafe String(cString: text)
  }
}

/// A descriptor that is closed when nobody holds it any more.
final class OpenFile: Sendable {
  let descriptor: Int32
  private let closes: Bool

  /// Takes over a descriptor; standard ones are left open.
  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    closes = descriptor > STDERR_FILENO && descriptor != StandardStreams.output
  }

  deinit { if closes { _ = Glibc.close(descriptor) } }

  /// What the descriptor is.
  var information: stat {
    var information = stat()
    _ = unsafe fstat(descriptor, &information)
    return information
  }

  /// Whether it is a file on a disk, with a size and an end.
  var isRegular: Bool { information.st_mode & S_IFMT == S_IFREG }
}

extension OpenFile {
  /// Empties a file on a disk; other files have no length to change.
  func truncate() {
    if isRegular { _ = ftruncate(descriptor, 0) }
  }
}
