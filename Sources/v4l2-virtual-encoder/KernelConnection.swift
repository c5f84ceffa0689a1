internal import CFuse3
internal import Glibc

/// The connection to the kernel's FUSE driver, with passthrough of mappings.
///
/// libfuse before 3.16 knows nothing of passthrough, so the reply to INIT is completed on its way
/// to the kernel, and OPEN is answered here.
// The variables are set by `establish`, before the threads start that read them.
final class KernelConnection: @unchecked Sendable {
  /// The open /dev/fuse, to be named when mounting.
  let descriptor: Int32
  /// The file system's device number.
  private(set) var fileSystem: UInt64 = 0
  /// The registered memory that mappings reach.
  private(set) var backing: Int32 = 0

  private var session: OpaquePointer?
  private var isEstablished = false
  private var kernelOffersPassthrough = false
  private let path: String

  init(path: String) throws(ServerFailure) {
    self.path = path
    descriptor = open("/dev/fuse", O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else {
      let error = errno
      let words = "cannot open /dev/fuse: \(describe(errno: error))"
      if error == EACCES || error == EPERM {
        throw .notPermitted("\(words); run it as root, or \(ServerFailure.inProcessRemedy)")
      }
      throw .unavailable("\(words); load the module fuse, or \(ServerFailure.inProcessRemedy)")
    }
  }

  /// Makes the file system at `path`, which is mounted by now, work.
  func establish(server: DeviceFileServer, memory: Int32) throws(ServerFailure) {
    try createSession(server)
    var buffer = fuse_buf()
    while !isEstablished {
      guard receiveAndProcess(&buffer) else {
        throw .system("the kernel closed the FUSE connection at once")
      }
    }
    free(buffer.mem)

    guard kernelOffersPassthrough else {
      throw .unavailable(
        "this kernel has no FUSE passthrough; use Linux 6.9 or newer, or "
          + ServerFailure.inProcessRemedy)
    }
    let number = cfuse3_register_backing(descriptor, memory)
    switch number {
    case 1...: backing = Int32(truncatingIfNeeded: number)
    case -Int(EPERM):
      throw .notPermitted(
        "FUSE passthrough needs root (CAP_SYS_ADMIN); run it as root, or "
          + ServerFailure.inProcessRemedy)
    default:
      throw .unavailable(
        "FUSE passthrough refused the buffers: \(describe(errno: Int32(-number))); "
          + ServerFailure.inProcessRemedy)
    }
    fileSystem = cfuse3_file_system(AT_FDCWD, path)
  }

  /// Answers requests until the mount is gone.
  func processRequests() {
    var buffer = fuse_buf()
    while receiveAndProcess(&buffer) {}
    free(buffer.mem)
  }

  private func receiveAndProcess(_ buffer: inout fuse_buf) -> Bool {
    let result = fuse_session_receive_buf(session, &buffer)
    if result == -EINTR || result == -EAGAIN { return true }
    guard result > 0 else { return false }
    fuse_session_process_buf(session, &buffer)
    return fuse_session_exited(session) == 0
  }

  private func createSession(_ server: DeviceFileServer) throws(ServerFailure) {
    var operations = deviceFileOperations()
    let context = Unmanaged.passUnretained(server).toOpaque()
    session = "v4l2-virtual-encoder".withCString { name in
      var argument: UnsafeMutablePointer<CChar>? = UnsafeMutablePointer(mutating: name)
      return withUnsafeMutablePointer(to: &argument) { arguments in
        var parsed = fuse_args(argc: 1, argv: arguments, allocated: 0)
        return fuse_session_new(
          &parsed, &operations, MemoryLayout<fuse_lowlevel_ops>.size, context)
      }
    }
    var transport = fuse_custom_io()
    transport.read = { descriptor, buffer, size, context in
      let count = read(descriptor, buffer, size)
      if count > 0, let buffer, let connection = KernelConnection.of(context),
        !connection.isEstablished
      {
        connection.greeted(with: UnsafeRawBufferPointer(start: buffer, count: count))
      }
      return count
    }
    transport.writev = { descriptor, parts, count, context in
      if let parts, let connection = KernelConnection.of(context), !connection.isEstablished {
        connection.completeGreeting(UnsafeMutableBufferPointer(start: parts, count: Int(count)))
      }
      return writev(descriptor, parts, count)
    }
    guard session != nil, fuse_session_custom_io(session, &transport, descriptor) == 0 else {
      throw .system("libfuse cannot make a session")
    }
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> KernelConnection? {
    context.map { Unmanaged<DeviceFileServer>.fromOpaque($0).takeUnretainedValue().connection }
  }

  private func greeted(with request: UnsafeRawBufferPointer) {
    let words = request.bindMemory(to: UInt32.self)
    guard words.count > Int(CFUSE3_INIT_IN_FLAGS2_WORD), words[1] == FUSE_INIT.rawValue
    else { return }
    let hasSecondFlags =
      words[Int(CFUSE3_INIT_IN_FLAGS_WORD)] & UInt32(CFUSE3_INIT_EXT) != 0
    kernelOffersPassthrough =
      hasSecondFlags
      && words[Int(CFUSE3_INIT_IN_FLAGS2_WORD)]
        & UInt32(CFUSE3_INIT_FLAGS2_PASSTHROUGH) != 0
  }

  private func completeGreeting(_ parts: UnsafeMutableBufferPointer<iovec>) {
    isEstablished = true
    guard kernelOffersPassthrough, parts.count == 2, let body = parts[1].iov_base,
      parts[1].iov_len > Int(CFUSE3_INIT_STACK_DEPTH_WORD) * 4
    else { return }
    let words = body.assumingMemoryBound(to: UInt32.self)
    words[Int(CFUSE3_INIT_FLAGS_WORD)] |= UInt32(CFUSE3_INIT_EXT)
    words[Int(CFUSE3_INIT_FLAGS2_WORD)] |= UInt32(CFUSE3_INIT_FLAGS2_PASSTHROUGH)
    words[Int(CFUSE3_INIT_STACK_DEPTH_WORD)] = 1
  }
}
