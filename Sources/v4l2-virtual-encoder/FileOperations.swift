internal import CFuse3
internal import CV4L2
internal import Glibc
internal import V4L2Encoder
internal import VirtualV4L2Device

/// The operations of the file system whose only file is the device.
///
/// Without an operation the kernel is told ENOSYS, and programs get what a file system without it
/// gives them.
func deviceFileOperations() -> fuse_lowlevel_ops {
  var operations = fuse_lowlevel_ops()
  operations.getattr = { request, _, _ in replyAttributes(request) }
  // O_TRUNC and chmod: a device has nothing to change.
  operations.setattr = { request, _, _, _, _ in replyAttributes(request) }
  operations.open = { request, _, information in openFile(request, information) }
  operations.release = { request, _, information in
    guard let request else { return }
    information?.pointee.reference?.takeRetainedValue().close()
    fuse_reply_err(request, 0)
  }
  // The device streams; read(2) and write(2) are refused as a driver without them does.
  operations.read = { request, _, _, _, _ in fuse_reply_err(request, EINVAL) }
  operations.write = { request, _, _, _, _, _ in fuse_reply_err(request, EINVAL) }
  operations.poll = { request, _, information, wish in pollFile(request, information, wish) }
  operations.ioctl = {
    request, _, command, _, information, flags, input, inputSize, outputSize in
    guard let request, let file = information?.pointee.reference?.takeUnretainedValue() else {
      return
    }
    // A 32-bit program's structs have another layout.
    guard flags & UInt32(FUSE_IOCTL_COMPAT | FUSE_IOCTL_DIR) == 0 else {
      fuse_reply_err(request, ENOTTY)
      return
    }
    control(
      FuseRequest(request), command: command, file: file,
      input: UnsafeRawBufferPointer(start: input, count: inputSize), outputSize: outputSize)
  }
  return operations
}

extension fuse_file_info {
  /// What `openFile` told the kernel to name the file by; it hands the number back until RELEASE.
  fileprivate var reference: Unmanaged<OpenFile>? {
    UnsafeRawPointer(bitPattern: UInt(fh)).map { Unmanaged.fromOpaque($0) }
  }
}

private func replyAttributes(_ request: fuse_req_t?) {
  guard let request else { return }
  var attributes = stat()
  attributes.st_ino = 1
  attributes.st_mode = S_IFREG | 0o666
  attributes.st_nlink = 1
  // Every offset of a mapping lies below: `mem_offset` has 32 bits.
  attributes.st_size = 1 << 32
  fuse_reply_attr(request, &attributes, 1)
}

private func openFile(
  _ request: fuse_req_t?, _ information: UnsafeMutablePointer<fuse_file_info>?
) {
  guard let request, let information, let server = DeviceFileServer.serving(request) else {
    return
  }
  let file: OpenFile
  do throws(Errno) {
    file = try server.openFile(nonBlocking: information.pointee.flags & O_NONBLOCK != 0)
  } catch {
    fuse_reply_err(request, error.rawValue)
    return
  }
  let retained = Unmanaged.passRetained(file)
  var answer = fuse_open_out()
  answer.fh = UInt64(UInt(bitPattern: retained.toOpaque()))
  answer.open_flags =
    UInt32(FOPEN_DIRECT_IO) | UInt32(FOPEN_NOFLUSH) | UInt32(CFUSE3_FOPEN_PASSTHROUGH)
  answer.padding = UInt32(bitPattern: server.connection.backing)  // later named backing_id
  let result = withUnsafeBytes(of: &answer) { bytes in
    fuse_reply_buf(
      request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
  }
  // The opener was killed meanwhile: there will be no RELEASE.
  if result != 0 { retained.takeRetainedValue().close() }
}

private func pollFile(
  _ request: fuse_req_t?, _ information: UnsafeMutablePointer<fuse_file_info>?,
  _ wish: OpaquePointer?
) {
  guard let request, let information, let file = information.pointee.reference else { return }
  let bits = file.takeUnretainedValue().poll(
    interest: information.pointee.poll_events, wish: wish.map { PollWish($0) })
  fuse_reply_poll(request, bits)
}

/// Performs one ioctl, in a copy of the struct that the kernel fetched and will put back.
private func control(
  _ request: FuseRequest, command: UInt32, file: OpenFile, input: UnsafeRawBufferPointer,
  outputSize: Int
) {
  let size = max(input.count, outputSize, 8)
  withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { argument in
    guard let base = argument.baseAddress else { return }
    argument.copyMemory(from: input)
    if input.count < size { memset(base + input.count, 0, size - input.count) }
    let filled = UnsafeRawBufferPointer(start: base, count: outputSize)

    if command == Request.identify {
      argument.storeBytes(of: file.number, as: UInt64.self)
      return request.reply(0, to: command, argument: filled)
    }
    guard let server = DeviceFileServer.serving(request.pointer) else { return }
    let caller = CallingThread(
      identifier: request.callingThread, ownFileSystem: server.connection.fileSystem)
    let result = file.handle.ioctl(command, base, caller: caller)
    if result == -EAGAIN, let error = Request.errorInsteadOfWaiting(command) {
      server.wait(
        request, command: command, errorInsteadOfWaiting: error,
        argument: UnsafeRawBufferPointer(argument), replySize: outputSize, caller: caller,
        file: file)
    } else {
      request.reply(result, to: command, argument: filled)
    }
  }
}
