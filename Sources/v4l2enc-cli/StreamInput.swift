internal import Glibc
internal import V4L2Encoder

/// A pipe, a socket or a device: read(2) straight into the memory of the frames.
final class StreamInput: InputBytes {
  let isMapped = false
  private let file: OpenFile
  private let name: String
  private let stop: StopRequest
  private let pool = FramePool()
  /// What was read ahead to see what the input is.
  private let lookahead = Locked([UInt8]())

  init(_ file: OpenFile, name: String, stop: StopRequest) {
    self.file = file
    self.name = name == "-" ? "standard input" : name
    self.stop = stop
    // A bigger pipe halves the number of reads; that it is refused does not matter.
    _ = fcntl(file.descriptor, Self.setPipeSize, 1 << 20)
  }

  /// `F_SETPIPE_SZ`, which the C library hides behind `_GNU_SOURCE`.
  private static let setPipeSize: Int32 = 1031

  var remaining: Int? { nil }

  func isAtEnd() throws(CommandError) -> Bool {
    if lookahead.withLock({ !$0.isEmpty }) { return false }
    return try readAhead(1) == 0
  }

  func startsWith(_ bytes: [UInt8]) throws(CommandError) -> Bool {
    while lookahead.withLock({ $0.count }) < bytes.count {
      let wanted = bytes.count - lookahead.withLock { $0.count }
      guard let count = try readAhead(wanted), count > 0 else { break }
    }
    return lookahead.withLock { $0.starts(with: bytes) }
  }

  /// Reads up to `count` bytes that are taken later; nil when a stop was asked for.
  private func readAhead(_ count: Int) throws(CommandError) -> Int? {
    let space = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { unsafe space.deallocate() }
    guard let count = try unsafe read(into: space) else { return nil }
    lookahead.withLock { $0 += unsafe Array(space[..<count]) }
    return count
  }

  func line(limit: Int) throws(CommandError) -> InputLine {
    var line: [UInt8] = []
    while line.count < limit {
      // Byte by byte: what follows the line must be read into a frame. Lines are short and few.
      var byte: UInt8 = 0
      let count = try unsafe withUnsafeMutableBytes(of: &byte) { buffer throws(CommandError) in
        try unsafe fill(buffer)
      }
      switch count {
      case nil: return .stopped
      case 0: return line.isEmpty ? .end : .unterminated
      default:
        if byte == 0x0a { return .line(line) }
        line.append(byte)
      }
    }
    return .unterminated
  }

  func frame(byteCount: Int) throws(CommandError) -> InputFrame {
    let buffer = pool.take(byteCount)
    let count: Int?
    do throws(CommandError) {
      count = try unsafe fill(
        UnsafeMutableRawBufferPointer(start: buffer.start, count: byteCount))
    } catch {
      pool.giveBack(buffer)
      throw error
    }
    switch count {
    case byteCount: return .whole(pool.lend(buffer), offset: 0)
    case nil: return giveBack(buffer, .stopped)
    case 0: return giveBack(buffer, .end)
    case let count?: return giveBack(buffer, .truncated(count))
    }
  }

  // What was read is a copy.
  func verify() throws(CommandError) {}

  private func giveBack(_ buffer: FramePool.Buffer, _ result: InputFrame) -> InputFrame {
    pool.giveBack(buffer)
    return result
  }

  /// Reads until the buffer is full or the input ends; nil when a stop was asked for.
  private func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CommandError) -> Int? {
    var filled = lookahead.withLock { ahead in
      let count = min(ahead.count, buffer.count)
      unsafe buffer.copyBytes(from: ahead[..<count])
      ahead.removeFirst(count)
      return count
    }
    while filled < buffer.count {
      let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
      guard let count = try unsafe read(into: rest) else { return nil }
      guard count > 0 else { break }
      filled += count
    }
    return filled
  }

  /// One read; nil when a stop was asked for, 0 at the end.
  private func read(into buffer: UnsafeMutableRawBufferPointer) throws(CommandError) -> Int? {
    while true {
      guard stop.waitUnlessRaised(forReading: file.descriptor) else { return nil }
      let count = unsafe Glibc.read(file.descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      let errno = Errno.last
      guard [EINTR, EAGAIN].contains(errno.rawValue) else {
        throw CommandError(.inputOutput, "reading \(name): \(errno.text)")
      }
    }
  }
}
