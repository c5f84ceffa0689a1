internal import CV4L2
internal import Glibc

/// Device nodes of the running kernel, and of anything else that answers ioctls on a file.
package struct KernelTransport: Transport {
  package init() {}

  package func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    let descriptor = unsafe cv4l2_open(path, O_RDWR | O_NONBLOCK)
    guard descriptor >= 0 else { throw OpenFailure(Errno(rawValue: -descriptor)) }
    let wake = cv4l2_eventfd_create()
    guard wake >= 0 else {
      _ = cv4l2_close(descriptor)
      throw OpenFailure(Errno(rawValue: -wake))
    }
    return KernelHandle(descriptor: descriptor, wake: wake)
  }
}

/// A device behind a file descriptor.
private final class KernelHandle: DeviceHandle {
  private let descriptor: Int32
  private let wakeDescriptor: Int32
  private let isOpen = Locked(true)

  init(descriptor: Int32, wake: Int32) {
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

  func close() {
    let wasOpen = isOpen.withLock { open in
      defer { open = false }
      return open
    }
    if wasOpen { _ = cv4l2_close(descriptor) }
  }
}
