internal import Glibc
internal import V4L2Encoder

/// Bytes of an input, taken from the front.
protocol InputBytes: AnyObject, Sendable {
  /// Whether frames are read only while they are encoded.
  var isMapped: Bool { get }

  /// Bytes that are left, if that is known.
  var remaining: Int? { get }

  /// Whether the bytes ahead are these; takes none.
  func startsWith(_ bytes: [UInt8]) throws(CommandError) -> Bool

  /// Whether nothing is left; false when a stop was asked for before that was known.
  func isAtEnd() throws(CommandError) -> Bool

  /// Takes a line without its end; nil when there is no line end within `limit` bytes.
  func line(limit: Int) throws(CommandError) -> InputLine

  /// Takes the bytes of one frame.
  func frame(byteCount: Int) throws(CommandError) -> InputFrame

  /// Throws if what was taken may have changed since.
  func verify() throws(CommandError)
}

/// What asking for a line gave.
enum InputLine: Equatable {
  case line([UInt8])
  /// Nothing was left.
  case end
  /// The bytes that are left, or the first of them, have no line end.
  case unterminated
  /// A stop was asked for.
  case stopped
}

/// What asking for a frame gave.
enum InputFrame {
  case whole(FrameMemory, offset: Int)
  /// Nothing was left.
  case end
  /// This many bytes were left, too few.
  case truncated(Int)
  /// A stop was asked for.
  case stopped
}

/// Opens inputs.
enum InputFile {
  /// Opens a file, or standard input for `-`; regular files are mapped.
  static func open(_ path: String, stop: StopRequest) throws(CommandError) -> any InputBytes {
    let file = try descriptor(path)
    let information = file.information
    let kind = information.st_mode & S_IFMT
    guard kind != S_IFDIR else {
      throw CommandError(.noInput, "\(path) is a directory; name a file of raw video")
    }
    guard kind == S_IFREG else { return StreamInput(file, name: path, stop: stop) }
    // Standard input may have been read before: its position counts.
    let position = max(0, Int(lseek(file.descriptor, 0, SEEK_CUR)))
    let size = Int(information.st_size)
    if size > position,
      let mapped = MappedInput(file, name: path, size: size, position: position, stop: stop)
    {
      return mapped
    }
    // Files of procfs and the like have no size, and some file systems do not map.
    return StreamInput(file, name: path, stop: stop)
  }

  private static func descriptor(_ path: String) throws(CommandError) -> OpenFile {
    if path == "-" {
      guard !StandardStreams.closed.contains(STDIN_FILENO) else {
        throw CommandError(
          .noInput, "-: standard input is closed; pipe raw video or y4m into it, or name a file")
      }
      guard isatty(STDIN_FILENO) == 0 else {
        throw CommandError(.usage, "-: standard input is a terminal; pipe raw video or y4m into it")
      }
      return OpenFile(STDIN_FILENO)
    }
    try InputDevice.refuse(path)
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    if descriptor >= 0 { return OpenFile(descriptor) }
    let errno = Errno.last
    if errno.isPermission {
      throw CommandError(.noPermission, "\(path): \(errno.text); you may not read it")
    }
    let remedy = errno.rawValue == ENOENT ? "; check the path, or write - for standard input" : ""
    throw CommandError(.noInput, "\(path): \(errno.text)\(remedy)")
  }
}
