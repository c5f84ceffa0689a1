internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// A handle that waits in DQBUF and DQEVENT, as one of a device that was opened blocking does.
package final class BlockingHandle: Sendable {
  private let served: any ServedHandle
  private let changes = Monitor(Changes())

  private struct Changes { var count = 0 }

  package init(_ served: any ServedHandle) { self.served = served }

  /// Has to be called after everything that changes what can be dequeued.
  package func hasChanged() {
    changes.withLock { $0.count &+= 1 }
    changes.signal()
  }

  package func ioctl(
    _ request: UInt32, _ argument: UnsafeMutableRawPointer, caller: any CallerMemory
  ) -> Int32 {
    while true {
      let seen = changes.withLock { $0.count }
      let result = served.ioctl(request, argument, caller: caller)
      let mayWait =
        request == UInt32(CV4L2_VIDIOC_DQBUF) || request == UInt32(CV4L2_VIDIOC_DQEVENT)
      guard mayWait, result == -EAGAIN else { return result }
      changes.wait { $0.count == seen ? nil : () }
    }
  }
}
