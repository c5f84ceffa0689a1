internal import CV4L2

/// A plugin's device whose descriptor tells nothing when it is polled (NVIDIA's): opened blocking,
/// with a thread per queue that waits in DQBUF.
///
/// The threads wait only while their queue streams and the driver holds a buffer of it, and get
/// out by STREAMOFF. One that a plugin keeps for ever is left behind, with the device.
final class BlockingPluginHandle: DeviceHandle {
  private let descriptor: PluginDescriptor
  private let wakeUp: EventSignal
  private let capture: BlockingQueue
  private let output: BlockingQueue

  init(_ descriptor: PluginDescriptor) throws(OpenFailure) {
    self.descriptor = descriptor
    do throws(Errno) {
      wakeUp = try EventSignal()
      capture = try BlockingQueue(descriptor, hasAnswered: wakeUp)
      output = try BlockingQueue(descriptor, hasAnswered: wakeUp)
      try capture.start(named: "v4l2-capture")
      try output.start(named: "v4l2-output")
    } catch {
      throw OpenFailure(error)
    }
  }

  deinit { close() }

  @unsafe func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    switch request {
    case CV4L2_VIDIOC_DQBUF:
      let buffer = unsafe argument.assumingMemoryBound(to: v4l2_buffer.self)
      return unsafe queue(buffer.pointee.type).take(into: buffer)
    case CV4L2_VIDIOC_QBUF:
      let buffer = unsafe argument.assumingMemoryBound(to: v4l2_buffer.self)
      let queue = unsafe queue(buffer.pointee.type)
      // Counted before: the driver may be done before QBUF returns.
      unsafe queue.bufferIsQueued(buffer)
      let result = unsafe descriptor.ioctl(request, argument)
      if result != 0 { queue.bufferIsRefused() }
      return result
    case CV4L2_VIDIOC_STREAMON:
      let result = unsafe descriptor.ioctl(request, argument)
      if result == 0 { unsafe queue(argument.load(as: UInt32.self)).streamIsOn() }
      return result
    case CV4L2_VIDIOC_STREAMOFF:
      let queue = unsafe queue(argument.load(as: UInt32.self))
      queue.streamGoesOff()
      let result = unsafe descriptor.ioctl(request, argument)
      queue.streamIsOff()
      return result
    default: return unsafe descriptor.ioctl(request, argument)
    }
  }

  private func queue(_ type: UInt32) -> BlockingQueue {
    Readiness.queue(ofType: type) == .output ? output : capture
  }

  @unsafe func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
    try unsafe descriptor.map(plane, length: length)
  }

  @unsafe func unmap(_ address: UnsafeMutableRawPointer, length: Int) {
    _ = unsafe cv4l2_munmap(address, length)
  }

  func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
    let ready = answered.intersection(interest)
    if !ready.isEmpty { return ready }
    try wakeUp.wait(until: deadline)
    return answered.intersection(interest)
  }

  private var answered: Readiness {
    var ready: Readiness = []
    if capture.hasAnswer { ready.insert(.capture) }
    if output.hasAnswer { ready.insert(.output) }
    return ready
  }

  func wake() { wakeUp.raise() }

  /// The threads are outside of libv4l2: no queue streams.
  func reopen() throws(Errno) { try descriptor.reopen() }

  func close() {
    capture.end()
    output.end()
    descriptor.close()
  }
}
