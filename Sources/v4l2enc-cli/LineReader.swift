internal import Glibc
internal import V4L2Encoder

/// Reads a text file line by line, however long it is.
struct LineReader: ~Copyable {
  /// A line, or what is left where the last one has no end.
  struct Line {
    var text: String
    /// Counted from 1.
    var number: Int
    var isWhole: Bool
  }

  /// What no line of this command's own files comes near.
  private static let longestLine = 1 << 20

  private let file: OpenFile
  private let name: String
  private var buffer: [UInt8] = []
  private var place = 0
  private var number = 0
  /// How many bytes the lines had so far that were whole.
  private(set) var wholeBytes = 0
  private var hasEnded = false

  /// Opens a file; `-` is standard input.
  init(_ path: String) throws(CommandError) {
    name = path == "-" ? "standard input" : path
    if path == "-" {
      file = OpenFile(STDIN_FILENO)
      return
    }
    file = try Self.open(path)
  }

  private static func open(_ path: String) throws(CommandError) -> OpenFile {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let errno = Errno.last
      throw CommandError(
        errno.isPermission ? .noPermission : .noInput, "\(path): \(errno.text); check the path")
    }
    let file = OpenFile(descriptor)
    guard file.information.st_mode & S_IFMT != S_IFDIR else {
      throw CommandError(.noInput, "\(path) is a directory; name a file in it")
    }
    return file
  }

  /// Reads what somebody else has opened, from its beginning.
  init(_ file: OpenFile, name: String) {
    self.file = file
    self.name = name
    _ = lseek(file.descriptor, 0, SEEK_SET)
  }

  /// Which file this is.
  var identity: FileIdentity? { file.identity }

  /// The next line without its end; nil at the end.
  mutating func next() throws(CommandError) -> Line? {
    while true {
      if let end = buffer[place...].firstIndex(of: 0x0a) {
        defer { place = end + 1 }
        return line(buffer[place..<end], isWhole: true)
      }
      if hasEnded {
        defer { place = buffer.count }
        return place < buffer.count ? line(buffer[place...], isWhole: false) : nil
      }
      try fill()
    }
  }

  private mutating func line(_ bytes: ArraySlice<UInt8>, isWhole: Bool) -> Line {
    number += 1
    if isWhole { wholeBytes += bytes.count + 1 }
    return Line(text: String(decoding: bytes, as: UTF8.self), number: number, isWhole: isWhole)
  }

  private mutating func fill() throws(CommandError) {
    buffer.removeFirst(place)
    place = 0
    guard buffer.count < Self.longestLine else {
      throw CommandError(
        .badData, "\(name): line \(number + 1) is longer than any that v4l2enc writes")
    }
    let chunk = 64 << 10
    let descriptor = file.descriptor
    var count = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: chunk) { buffer, filled in
      repeat {
        count = unsafe read(descriptor, buffer.baseAddress, chunk)
      } while count < 0 && Errno.last.rawValue == EINTR
      filled = max(0, count)
    }
    guard count >= 0 else {
      throw CommandError(.inputOutput, "reading \(name): \(Errno.last.text)")
    }
    hasEnded = count == 0
    buffer += bytes
  }
}
