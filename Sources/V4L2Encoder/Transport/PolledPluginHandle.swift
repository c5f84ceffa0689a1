internal import CV4L2
internal import Glibc

/// A plugin's device whose descriptor can be polled, though only for POLLIN: rkmpp reports either
/// queue that way, and never POLLOUT.
///
/// A wake-up may be the only one for several buffers (rkmpp's event is edge-triggered inside), so
/// after one both queues count as ready until DQBUF says EAGAIN.
final class PolledPluginHandle: DeviceHandle {
  private let descriptor: PluginDescriptor
  private let wakeUp: EventSignal
  private let queues = Locked(Queues())

  private struct Queues {
    /// What may be dequeued since the last wake-up.
    var undrained: Readiness = []
    /// Whether anything came out since the last wake-up.
    var wasFruitful = true
  }

  init(_ descriptor: PluginDescriptor) throws(OpenFailure) {
    self.descriptor = descriptor
    do throws(Errno) { wakeUp = try EventSignal() } catch { throw OpenFailure(error) }
  }

  @unsafe func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    let result = unsafe descriptor.ioctl(request, argument)
    guard request == CV4L2_VIDIOC_DQBUF else { return result }
    let queue = Readiness.queue(
      ofType: unsafe argument.assumingMemoryBound(to: v4l2_buffer.self).pointee.type)
    queues.withLock { queues in
      if result == 0 { queues.wasFruitful = true } else { queues.undrained.remove(queue) }
    }
    return result
  }

  @unsafe func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
    try unsafe descriptor.map(plane, length: length)
  }

  @unsafe func unmap(_ address: UnsafeMutableRawPointer, length: Int) {
    _ = unsafe cv4l2_munmap(address, length)
  }

  func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
    let buffers = interest.intersection([.capture, .output])
    let (undrained, wasFruitful) = queues.withLock { queues in
      (queues.undrained.intersection(buffers), queues.wasFruitful)
    }
    if !undrained.isEmpty { return undrained }
    if !buffers.isEmpty, !wasFruitful {
      // POLLIN may stay for a queue that nobody asks for now; resting keeps this from spinning.
      let rest = MonotonicTime.now + .milliseconds(2)
      let isWoken =
        try wakeUp.wait(
          alsoFor: [], of: -1, until: deadline.map { min($0, rest) } ?? rest) == nil
      if isWoken { return [] }
    }
    var events = interest
    if !buffers.isEmpty { events.insert(.capture) }
    let ready = try wakeUp.wait(alsoFor: events, of: descriptor.number, until: deadline) ?? []
    guard !ready.isDisjoint(with: [.capture, .output]) else { return ready }
    queues.withLock { queues in
      queues.undrained = [.capture, .output]
      queues.wasFruitful = false
    }
    return ready.union(buffers).intersection(interest.union([.error, .hangUp]))
  }

  func wake() { wakeUp.raise() }

  func reopen() throws(Errno) {
    try descriptor.reopen()
    queues.withLock { $0 = Queues() }
  }

  func close() { descriptor.close() }
}

extension Readiness {
  /// What poll(2) would report of the queue with this buffer type.
  static func queue(ofType type: UInt32) -> Readiness {
    switch type {
    case QueueDirection.output.bufferType(multiplanar: true),
      QueueDirection.output.bufferType(multiplanar: false):
      .output
    default: .capture
    }
  }
}
