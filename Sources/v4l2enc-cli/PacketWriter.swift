internal import Glibc
internal import V4L2Encoder

/// Writes encoded packets to a file or to standard output.
final class PacketWriter: Sendable {
  private let file: OpenFile
  private let name: String
  private let created: Bool
  private let wasWritten = Locked(false)

  /// Whether the output is a file on a disk, whose writes do not wait for anybody.
  let isRegular: Bool

  /// Opens an output without touching what an existing file holds.
  init(_ path: String) throws(CommandError) {
    if path == "-" {
      try StandardStreams.requireOutput(for: "-o -")
      guard isatty(StandardStreams.output) == 0 else {
        throw CommandError(
          .usage, "-o -: standard output is a terminal; redirect it, or name a file")
      }
      file = OpenFile(StandardStreams.output)
      created = false
    } else {
      (file, created) = try OutputFile.open(path)
    }
    name = path == "-" ? "standard output" : path
    isRegular = file.isRegular
  }

  /// Which file the output is.
  var identity: FileIdentity? { file.identity }

  /// Writes one packet completely.
  func write(_ packet: EncodedPacket) throws(CommandError) {
    try begin()
    let failure = unsafe packet.data.withUnsafeBytes { bytes in
      unsafe OutputDescriptor.writeAll(bytes, to: file.descriptor)
    }
    if let failure { throw OutputFile.error(failure, writing: name) }
  }

  /// Removes a file that was created for nothing.
  func removeIfUnused(_ path: String) {
    if created, !wasWritten.withLock({ $0 }) { _ = unsafe unlink(path) }
  }

  /// What an existing file holds is cut off only when there is something better.
  private func begin() throws(CommandError) {
    let isFirst = wasWritten.withLock { written in
      defer { written = true }
      return !written
    }
    guard isFirst, isRegular, file.descriptor != StandardStreams.output else { return }
    guard ftruncate(file.descriptor, 0) == 0 else {
      throw OutputFile.error(.last, writing: name)
    }
  }
}

/// Opening files to write, and what their errors mean.
enum OutputFile {
  /// Opens a file, and says whether it was created.
  static func open(_ path: String) throws(CommandError) -> (OpenFile, created: Bool) {
    let mode: mode_t = 0o666
    let created = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    if created >= 0 { return (OpenFile(created), true) }
    let existing = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode)
    if existing >= 0 { return (OpenFile(existing), false) }
    let errno = Errno.last
    switch errno.rawValue {
    case EACCES, EPERM:
      throw CommandError(.noPermission, "\(path): \(errno.text); you may not write there")
    case ENOENT:
      guard !directoryExists(of: path) else {
        throw CommandError(
          .cannotCreate, "\(path): no file can be created there; choose another directory")
      }
      throw CommandError(.cannotCreate, "\(path): the directory does not exist; create it first")
    case EISDIR:
      throw CommandError(.cannotCreate, "\(path) is a directory; name a file in it")
    default: throw CommandError(.cannotCreate, "\(path): \(errno.text)")
    }
  }

  /// Whether there is anything of this name.
  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// Whether the directory is there in which a file cannot be created.
  private static func directoryExists(of path: String) -> Bool {
    guard !path.isEmpty else { return true }
    var information = stat()
    // A link that points nowhere lacks the directory of its target, not its own.
    if unsafe lstat(path, &information) == 0 { return false }
    let parts = path.split(separator: "/", omittingEmptySubsequences: true).dropLast()
    let parent = (path.hasPrefix("/") ? "/" : "./") + parts.joined(separator: "/")
    return unsafe stat(parent, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
  }

  /// What a failed write means.
  static func error(_ errno: Errno, writing name: String) -> CommandError {
    switch errno.rawValue {
    case EPIPE:
      CommandError(.inputOutput, "\(name): the program that reads it has ended")
    case ETIMEDOUT:
      CommandError(
        .inputOutput, "\(name): whoever is to read it takes nothing; its end is missing")
    case ENOSPC, EDQUOT:
      CommandError(
        .inputOutput, "\(name): \(errno.text); what was written so far is kept, free some space")
    default: CommandError(.inputOutput, "writing \(name): \(errno.text)")
    }
  }
}
