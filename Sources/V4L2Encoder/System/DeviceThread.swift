internal import CV4L2

/// A thread for what must never block the cooperative pool.
package enum DeviceThread {
  /// Starts a detached thread that runs `body` once.
  ///
  /// - Throws: `EAGAIN` or `ENOMEM` when the system has no room for another thread.
  package static func start(
    named name: String, _ body: @escaping @Sendable () -> Void
  ) throws(Errno) {
    let box = unsafe Unmanaged.passRetained(Body(body))
    let result = unsafe cv4l2_thread_start(
      name,
      { context in
        guard let context = unsafe context else { return }
        unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
      }, box.toOpaque())
    guard result < 0 else { return }
    unsafe box.release()
    throw Errno(rawValue: -result)
  }

  /// Lets the calling thread sleep.
  package static func sleep(_ duration: Duration) {
    cv4l2_sleep_nanoseconds(duration.inNanoseconds)
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
}
