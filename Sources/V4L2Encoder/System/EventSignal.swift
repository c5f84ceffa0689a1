internal import CV4L2
internal import Glibc

/// A signal that one thread waits for, also together with a device; an eventfd of the kernel.
package final class EventSignal: Sendable {
  package let descriptor: Int32

  package init() throws(Errno) { descriptor = try check(cv4l2_eventfd_create()) }

  deinit { _ = cv4l2_close(descriptor) }

  package func raise() { _ = cv4l2_eventfd_signal(descriptor) }

  /// Waits until the signal is raised or the deadline passes, and lowers it.
  package func wait(until deadline: MonotonicTime?) throws(Errno) {
    _ = try wait(alsoFor: [], of: -1, until: deadline)
  }

  /// Waits for a file as well (-1: none); returns what poll(2) says of it, or nil when nothing but
  /// this signal ended the wait.
  package func wait(
    alsoFor events: Readiness, of file: Int32, until deadline: MonotonicTime?
  ) throws(Errno) -> Readiness? {
    var timeout: Int64 = -1
    if let deadline { timeout = max(0, deadline.nanoseconds - MonotonicTime.now.nanoseconds) }
    var ready: Int16 = 0
    var isRaised: Int32 = 0
    let result = unsafe cv4l2_poll(file, events.rawValue, descriptor, timeout, &ready, &isRaised)
    if result == -EINTR { return [] }
    _ = try check(result)
    guard isRaised != 0 else { return Readiness(rawValue: ready) }
    _ = cv4l2_eventfd_drain(descriptor)
    return ready == 0 ? nil : Readiness(rawValue: ready)
  }
}
