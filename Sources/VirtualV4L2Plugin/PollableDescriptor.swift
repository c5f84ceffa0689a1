internal import CLibV4LPlugin
internal import CV4L2
internal import V4L2Encoder

/// Makes the program's descriptor an epoll instance that is readable while something can be
/// dequeued, as rkmpp's plugin does: `dup2` over the file, one eventfd inside, edge-triggered.
final class PollableDescriptor: Sendable {
  private let event: Int32
  private let isRaised = Locked(false)

  init(replacing descriptor: Int32) throws(Errno) {
    event = try check(cv4l2_eventfd_create())
    _ = try check(virtual_plugin_watch(descriptor, event))
  }

  deinit { _ = cv4l2_close(event) }

  /// Looks whether something can be dequeued; alone, so that no look overtakes a newer one.
  func update(_ isReady: () -> Bool) {
    isRaised.withLock { isRaised in
      let isReady = isReady()
      if isReady, !isRaised { _ = cv4l2_eventfd_signal(event) }
      if !isReady, isRaised { _ = cv4l2_eventfd_drain(event) }
      isRaised = isReady
    }
  }
}
