internal import CV4L2
internal import Glibc

/// The descriptor that libv4l2 gave for a device; every request on it goes through libv4l2.
///
/// libv4l2 wants all calls to have returned before `v4l2_close`, so the last one out closes. A
/// call that a plugin never returns from keeps its device open instead of crashing the program.
final class PluginDescriptor: Sendable {
  private let path: String
  private let flags: Int32
  private let calls: Locked<Calls>

  private struct Calls {
    var number: Int32
    var count = 0
    var isClosing = false
  }

  /// Opens a device.
  init(_ path: String, _ flags: Int32) throws(Errno) {
    self.path = path
    self.flags = flags
    calls = Locked(Calls(number: try check(unsafe cv4l2_libv4l2_open(path, flags))))
  }

  var number: Int32 { calls.withLock { $0.number } }

  deinit { close() }

  /// Whether poll(2) can tell anything of the device.
  var canPoll: Bool { cv4l2_can_poll(number) == 1 }

  @unsafe func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    guard let number = enter() else { return Self.closed }
    defer { leave() }
    return unsafe cv4l2_libv4l2_ioctl(number, request, argument)
  }

  /// Maps a plane.
  ///
  /// By `VIDIOC_EXPBUF`, as libv4l2 maps nothing but the node itself, which is a stub: the DMABUF
  /// is mapped at `mem_offset`, as NVIDIA's samples do (`NvBuffer.cpp`), unless that lies outside
  /// of it: rkmpp's is no offset but a mark of the buffer.
  @unsafe func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
    guard let number = enter() else { throw Errno(rawValue: -Self.closed) }
    defer { leave() }
    var raw = v4l2_exportbuffer()
    raw.type = plane.bufferType
    raw.index = plane.index
    raw.plane = plane.plane
    raw.flags = UInt32(O_RDWR | O_CLOEXEC)
    var address: UnsafeMutableRawPointer?
    let exported = unsafe cv4l2_libv4l2_ioctl(number, CV4L2_VIDIOC_EXPBUF, &raw)
    if exported == 0 {
      defer { _ = cv4l2_close(raw.fd) }
      let size = cv4l2_size(raw.fd)
      let isInside = size < 0 || Int64(plane.memoryOffset) + Int64(length) <= size
      let offset = isInside ? Int64(plane.memoryOffset) : 0
      _ = try check(unsafe cv4l2_mmap(raw.fd, length, offset, &address))
    } else {
      _ = try check(
        unsafe cv4l2_libv4l2_mmap(number, length, Int64(plane.memoryOffset), &address))
    }
    guard let address = unsafe address else { throw Errno(rawValue: EFAULT) }
    return unsafe address
  }

  /// Closes the device and opens it again; fails with `EBUSY` while a call has not returned.
  func reopen() throws(Errno) {
    let former = calls.withLock { calls -> Int32? in
      guard calls.count == 0, !calls.isClosing else { return nil }
      calls.isClosing = true
      return calls.number
    }
    guard let former else { throw .busy }
    _ = cv4l2_libv4l2_close(former)
    let number = try check(unsafe cv4l2_libv4l2_open(path, flags))
    calls.withLock { calls in
      calls.number = number
      calls.isClosing = false
    }
  }

  func close() {
    let last = calls.withLock { calls -> Int32? in
      guard !calls.isClosing else { return nil }
      calls.isClosing = true
      return calls.count == 0 ? calls.number : nil
    }
    if let last { _ = cv4l2_libv4l2_close(last) }
  }

  private static let closed: Int32 = -EBADF

  private func enter() -> Int32? {
    calls.withLock { calls in
      guard !calls.isClosing else { return nil }
      calls.count += 1
      return calls.number
    }
  }

  private func leave() {
    let last = calls.withLock { calls -> Int32? in
      calls.count -= 1
      return calls.isClosing && calls.count == 0 ? calls.number : nil
    }
    if let last { _ = cv4l2_libv4l2_close(last) }
  }
}
