internal import Glibc
internal import V4L2Encoder

/// Writing all bytes, however few the kernel takes at a time.
enum OutputDescriptor {
  /// Writes every byte; returns why it could not.
  static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Errno? {
    unsafe bytes.withUnsafeBytes { buffer in unsafe writeAll(buffer, to: descriptor) }
  }

  /// Writes every byte to a pipe or terminal without ever being held by it: from the moment that
  /// `limit` tells on, a reader who takes nothing is given up (`ETIMEDOUT`).
  static func writeAll(
    _ bytes: [UInt8], to descriptor: Int32, until limit: () -> MonotonicTime?
  ) -> Errno? {
    var rest = bytes[...]
    while !rest.isEmpty {
      while !hasRoom(descriptor, within: lookInterval) {
        if let limit = limit(), MonotonicTime.now >= limit { return Errno(rawValue: ETIMEDOUT) }
      }
      // What a pipe with room takes whole (pipe(7)).
      let piece = Array(rest.prefix(Int(PIPE_BUF)))
      if let errno = writeAll(piece, to: descriptor) { return errno }
      rest = rest.dropFirst(piece.count)
    }
    return nil
  }

  /// In milliseconds; how long a limit that is set meanwhile may go unseen.
  private static let lookInterval: Int32 = 50

  private static func hasRoom(_ descriptor: Int32, within milliseconds: Int32) -> Bool {
    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    let count = unsafe poll(&ready, 1, milliseconds)
    // Errors count: write(2) says what they mean. After an interruption nothing is known.
    return count > 0 || (count < 0 && Errno.last.rawValue != EINTR)
  }

  /// Writes every byte; returns why it could not.
  static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Errno? {
    var rest = unsafe bytes
    while unsafe !rest.isEmpty, let start = rest.baseAddress {
      let count = unsafe write(descriptor, start, rest.count)
      if count >= 0 {
        unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        continue
      }
      switch Errno.last.rawValue {
      case EINTR: continue
      case EAGAIN:
        // Somebody who shares the terminal or pipe made it non-blocking.
        _ = hasRoom(descriptor, within: -1)
      case let number: return Errno(rawValue: number)
      }
    }
    return nil
  }
}
