package import V4L2Encoder

/// How a front reaches the memory and files of the program that made a request.
///
/// The model never follows a pointer out of a request's struct itself: in this process the front
/// copies directly, over FUSE it uses `process_vm_readv` and `process_vm_writev`.
package protocol CallerMemory {
  /// Copies from the caller's memory; 0 or a negated errno (`-EFAULT`).
  func read(_ address: UInt64, into target: UnsafeMutableRawBufferPointer) -> Int32
  /// Copies to the caller's memory; 0 or a negated errno (`-EFAULT`).
  func write(_ address: UInt64, from source: UnsafeRawBufferPointer) -> Int32
  /// A duplicate, in this process, of the caller's DMABUF (or memfd) descriptor; or a negated
  /// errno. The model closes it.
  func duplicateDescriptor(_ descriptor: Int32) -> Int32
  /// Whether USERPTR buffers can be reached directly: true in this process only.
  var sharesAddressSpace: Bool { get }
}

/// What every front serves: one open file handle of a virtual device.
///
/// `ioctl` never waits. Where a blocking handle would wait (DQBUF, DQEVENT) it answers `-EAGAIN`
/// (DQEVENT too); the front then waits for a change and asks again, or, for a non-blocking
/// handle, passes EAGAIN on (DQEVENT: ENOENT).
package protocol ServedHandle: AnyObject, Sendable {
  /// Performs one request on the struct that `_IOC_SIZE` describes; returns the result (usually
  /// 0) or a negated errno. A failing EXT_CTRLS request has still written `error_idx`.
  func ioctl(_ request: UInt32, _ argument: UnsafeMutableRawPointer, caller: any CallerMemory)
    -> Int32

  /// What poll(2) would report now, in its bits, `POLLERR` included. Readiness is level-triggered.
  func readiness() -> Readiness

  /// What can be taken now, in the same bits, whatever the personality's poll(2) says.
  func bufferReadiness() -> Readiness

  /// Called after anything happened that may change `readiness` or let a waiting request succeed;
  /// from any thread, never under the model's lock, and possibly once for several changes.
  func onChange(_ handler: @escaping @Sendable () -> Void)

  /// Frees everything the handle holds.
  func close()
}

/// What every front opens.
package protocol ServedDevice: Sendable {
  /// Opens one more handle.
  func open() throws(Errno) -> any ServedHandle
  /// The memfd that holds every MMAP buffer at its `mem_offset`; a front maps it or hands it out.
  var memoryDescriptor: Int32 { get }
}
