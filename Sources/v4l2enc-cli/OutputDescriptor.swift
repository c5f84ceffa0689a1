internal import Glibc
internal import V4L2Encoder

/// Writing all bytes, however few the kernel takes at a time.
enum OutputDescriptor {
  /// Writes every byte; returns why it could not.
  static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Errno? {
    unsafe bytes.withUnsafeBytes { buffer in unsafe writeAll(buffer, to: descriptor) }
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
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&ready, 1, -1)
      case let number: return Errno(rawValue: number)
      }
    }
    return nil
  }
}
