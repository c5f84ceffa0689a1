internal import CV4L2
internal import Glibc

/// Device nodes of the running kernel, and of anything else that answers ioctls on a file.
package struct KernelTransport: Transport {
  package init() {}

  package func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    let descriptor = unsafe cv4l2_open(path, KernelHandle.flags)
    guard descriptor >= 0 else { throw OpenFailure(Errno(rawValue: -descriptor)) }
    let wake = cv4l2_eventfd_create()
    guard wake >= 0 else {
      _ = cv4l2_close(descriptor)
      throw OpenFailure(Errno(rawValue: -wake))
    }
    return KernelHandle(path, descriptor: descriptor, wake: wake)
  }
}

/// A device behind a file descriptor.
private final class KernelHandle: DeviceHandle {
  static let flags = O_RDWR | O_NONBLOCK

  private let path: String
  private let descriptor: Int32
  private let wakeDescriptor: Int32
  private let isOpen = Locked(true)

  init(_ path: String, descriptor: Int32, wake: Int32) {
    self.path = path
    self.descriptor = descriptor
    self.wakeDescriptor = wake
  }

  /// The wake-up descriptor outlives `close`, so that a late `wake` never reaches a number that
  /// another file has taken over.
  deinit {
    close()
    _ = cv4l2_close(wakeDescriptor)
  }

  @unsafe func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    // The number may belong to another file by now.
    guard isOpen.withLock({ $0 }) else { return -EBADF }
    return unsafe cv4l2_ioctl(descriptor, request, argument)
  }

  @unsafe func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
    var address: UnsafeMutableRawPointer?
    _ = try check(
      unsafe cv4l2_mmap(descriptor, length, Int64(plane.memoryOffset), &address))
    guard let address = unsafe address else { throw Errno(rawValue: EFAULT) }
    return unsafe address
  }

  @unsafe func unmap(_ address: UnsafeMutableRawPointer, length: Int) {
    _ = unsafe cv4l2_munmap(address, length)
  }

  /// poll(2) rather than epoll: the interest changes from call to call and two descriptors are
  /// watched, so one call does what would take an `epoll_ctl` beside each `epoll_wait`.
  func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
    var timeout: Int64 = -1
    if let deadline {
      timeout = max(0, deadline.nanoseconds - MonotonicTime.now.nanoseconds)
    }
    var events: Int16 = 0
    var woken: Int32 = 0
    let result = unsafe cv4l2_poll(
      descriptor, interest.rawValue, wakeDescriptor, timeout, &events, &woken)
    if result == -EINTR { return [] }
    _ = try check(result)
    if woken != 0 { _ = cv4l2_eventfd_drain(wakeDescriptor) }
    return Readiness(rawValue: events)
  }

  func wake() { _ = cv4l2_eventfd_signal(wakeDescriptor) }

  /// The number stays, so that no other thread ever has one that is another file's.
  func reopen() throws(Errno) {
    var fresh = unsafe cv4l2_open(path, Self.flags)
    if fresh == -EBUSY {
      // The driver may have no room for a second one beside the first, whose place is kept by a
      // file that answers no request.
      _ = try check(cv4l2_replace(wakeDescriptor, descriptor))
      fresh = unsafe cv4l2_open(path, Self.flags)
    }
    _ = try check(fresh)
    defer { _ = cv4l2_close(fresh) }
    _ = try check(cv4l2_replace(fresh, descriptor))
  }

  func close() {
    let wasOpen = isOpen.withLock { open in
      defer { open = false }
      return open
    }
    if wasOpen { _ = cv4l2_close(descriptor) }
  }
}
