/// Where device nodes live: the kernel, libv4l2, a virtual device in this process.
package protocol Transport: Sendable {
  /// Opens a node; no request of its handle waits for a buffer.
  func open(_ path: String) throws(OpenFailure) -> any DeviceHandle
}

/// One open device.
///
/// Requests may come from several threads at once; `wait` is called by one thread only. The
/// protocol says nothing of how a handle learns of readiness: a device that cannot be polled
/// answers `wait` from dequeuing threads of its own, and one that exports its buffers answers
/// `map` by `VIDIOC_EXPBUF`.
package protocol DeviceHandle: AnyObject, Sendable {
  /// Performs one request once; never retries, never waits for a buffer.
  ///
  /// - Returns: the request's result, or a negated errno.
  @unsafe func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32

  /// Maps a plane that `VIDIOC_QUERYBUF` described, shared, readable and writable.
  @unsafe func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer

  /// Undoes one `map`.
  @unsafe func unmap(_ address: UnsafeMutableRawPointer, length: Int)

  /// Waits until something of `interest` is ready, until `wake` or until `deadline`.
  ///
  /// An empty result means the deadline passed or `wake` was called. `.error` and `.hangUp`
  /// come without being asked for.
  func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness

  /// Makes the current or the next `wait` return; may be called from any thread.
  func wake()

  /// Opens the same node again in place of what is open; neither queue streams, and the thread that
  /// calls `wait` is the one that asks.
  ///
  /// What was set, subscribed to and allocated stays behind; memory that is mapped stays so. When
  /// it fails the handle is good for nothing but `close`.
  func reopen() throws(Errno)

  /// Closes the device; every later request answers `EBADF`.
  func close()
}

/// Which plane of which buffer, and where the driver says it lies.
package struct PlaneIdentity: Hashable, Sendable {
  /// The queue's buffer type, `V4L2_BUF_TYPE_*`.
  package var bufferType: UInt32
  package var index: UInt32
  package var plane: UInt32
  /// The `mem_offset` of `VIDIOC_QUERYBUF`.
  package var memoryOffset: UInt32

  package init(bufferType: UInt32, index: UInt32, plane: UInt32, memoryOffset: UInt32) {
    self.bufferType = bufferType
    self.index = index
    self.plane = plane
    self.memoryOffset = memoryOffset
  }
}

/// What a device can be waited for, in the bits of poll(2).
package struct Readiness: OptionSet, Hashable, Sendable {
  package let rawValue: Int16
  package init(rawValue: Int16) { self.rawValue = rawValue }

  /// A CAPTURE buffer (encoded bytes) can be dequeued; `POLLIN`.
  package static let capture = Readiness(rawValue: 0x0001)
  /// An event is pending; `POLLPRI`.
  package static let event = Readiness(rawValue: 0x0002)
  /// An OUTPUT buffer (raw frame) can be dequeued; `POLLOUT`.
  package static let output = Readiness(rawValue: 0x0004)
  /// No queue that was asked for can become ready; `POLLERR`.
  package static let error = Readiness(rawValue: 0x0008)
  /// The device is gone; `POLLHUP`.
  package static let hangUp = Readiness(rawValue: 0x0010)
}
