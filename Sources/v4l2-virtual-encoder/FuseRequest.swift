internal import CFuse3
internal import Glibc
internal import V4L2Encoder

/// A request of the kernel that is to be answered exactly once.
// libfuse lets any thread answer a request; whoever answers has taken it out of every table.
struct FuseRequest: @unchecked Sendable {
  let pointer: fuse_req_t

  init(_ pointer: fuse_req_t) { self.pointer = pointer }

  /// The thread that made the request; 0 when it is of a PID namespace that is not visible here.
  var callingThread: Int32 { fuse_req_ctx(pointer).pointee.pid }

  func fail(_ error: Int32) { fuse_reply_err(pointer, error) }

  /// Answers an ioctl.
  ///
  /// - Parameters:
  ///   - result: the result or a negated errno.
  ///   - command: the request's number.
  ///   - argument: the struct as the device left it.
  func reply(_ result: Int32, to command: UInt32, argument: UnsafeRawBufferPointer) {
    // Kernel drivers hand back the struct of a failed request for the extended controls only:
    // it says which control was at fault.
    if result >= 0 || Request.returnsStructOnFailure(command) {
      fuse_reply_ioctl(pointer, result, argument.baseAddress, argument.count)
    } else {
      fuse_reply_err(pointer, -result)
    }
  }
}

/// The kernel's wish to be told when an open file may have become ready.
// libfuse lets any thread notify; `OpenFile` keeps it under its lock and takes it out to use it.
struct PollWish: @unchecked Sendable {
  private let pointer: OpaquePointer

  init(_ pointer: OpaquePointer) { self.pointer = pointer }

  func notify() {
    fuse_lowlevel_notify_poll(pointer)
    fuse_pollhandle_destroy(pointer)
  }

  func discard() { fuse_pollhandle_destroy(pointer) }
}

extension Readiness {
  /// What poll(2) reports, with the "normal data" bits that V4L2 always sets along.
  var pollBits: UInt32 {
    var bits = UInt32(UInt16(bitPattern: rawValue))
    if contains(.capture) { bits |= UInt32(POLLRDNORM) }
    if contains(.output) { bits |= UInt32(POLLWRNORM) }
    return bits
  }
}
