internal import CV4L2
internal import Glibc

/// REQBUFS, CREATE_BUFS and QUERYBUF.
extension HandleState {
  mutating func requestBuffers(
    _ argument: inout v4l2_requestbuffers, caller: any CallerMemory
  ) -> Int32 {
    argument.capabilities = capabilities(for: caller)
    argument.flags = 0
    argument.reserved = (0, 0, 0)
    guard let direction = direction(of: argument.type),
      isSupported(memory: argument.memory, for: caller)
    else { return -EINVAL }
    guard !self[direction].isStreaming, worker == .none else { return -EBUSY }
    self[direction].removeAll(in: device.memory)
    self[direction].cancel()
    if direction == .output { drain.lastSource = nil }
    guard argument.count > 0 else { return 0 }
    let added = self[direction].add(
      Int(min(argument.count, UInt32(BufferQueue.maximumBuffers))),
      planeLengths: planeLengths(direction), memory: argument.memory, in: device.memory)
    guard added > 0 else { return -ENOMEM }
    argument.count = UInt32(added)
    return 0
  }

  mutating func createBuffers(
    _ argument: inout v4l2_create_buffers, caller: any CallerMemory
  ) -> Int32 {
    argument.capabilities = capabilities(for: caller)
    argument.flags = 0
    argument.reserved = (0, 0, 0, 0, 0, 0)
    guard let direction = direction(of: argument.format.type),
      isSupported(memory: argument.memory, for: caller)
    else { return -EINVAL }
    let queue = self[direction]
    argument.index = UInt32(queue.buffers.count)
    guard argument.count > 0 else { return 0 }
    guard !queue.isBusy || queue.memory == argument.memory else { return -EINVAL }
    guard let lengths = askedLengths(argument.format, direction) else { return -EINVAL }
    guard queue.buffers.count < BufferQueue.maximumBuffers else { return -ENOBUFS }
    let added = self[direction].add(
      Int(min(argument.count, UInt32(BufferQueue.maximumBuffers))), planeLengths: lengths,
      memory: argument.memory, in: device.memory)
    guard added > 0 else { return -ENOMEM }
    argument.count = UInt32(added)
    return 0
  }

  /// The plane sizes of CREATE_BUFS; nil when they are too small for the current format.
  private func askedLengths(_ format: v4l2_format, _ direction: Direction) -> [Int]? {
    let needed = planeLengths(direction)
    var asked: [Int] = []
    if isMultiplanar {
      guard Int(format.fmt.pix_mp.num_planes) == needed.count else { return nil }
      withUnsafeBytes(of: format.fmt.pix_mp.plane_fmt) { bytes in
        for index in needed.indices {
          let plane = bytes.loadUnaligned(
            fromByteOffset: index * MemoryLayout<v4l2_plane_pix_format>.stride,
            as: v4l2_plane_pix_format.self)
          asked.append(Int(plane.sizeimage))
        }
      }
    } else {
      asked = [Int(format.fmt.pix.sizeimage)]
    }
    for (asked, needed) in zip(asked, needed) where asked < needed { return nil }
    return asked
  }

  func queryBuffer(_ argument: inout v4l2_buffer, caller: any CallerMemory) -> Int32 {
    guard let direction = direction(of: argument.type) else { return -EINVAL }
    let queue = self[direction]
    let index = Int(argument.index)
    guard index < queue.buffers.count else { return -EINVAL }
    let buffer = queue.buffers[index]
    var failure: Int32 = 0
    guard
      var exchange = BufferArgument(
        argument, isMultiplanar: isMultiplanar, planeCount: buffer.planes.count, caller: caller,
        failure: &failure)
    else { return failure }
    exchange.describe(buffer, index: index, in: queue)
    failure = exchange.writePlanes(buffer.planes.count, caller: caller)
    guard failure == 0 else { return failure }
    argument = exchange.header
    return 0
  }

  private func isSupported(memory: UInt32, for caller: any CallerMemory) -> Bool {
    switch memory {
    case V4L2_MEMORY_MMAP.rawValue, V4L2_MEMORY_DMABUF.rawValue: true
    case V4L2_MEMORY_USERPTR.rawValue: caller.sharesAddressSpace
    default: false
    }
  }

  private func capabilities(for caller: any CallerMemory) -> UInt32 {
    var bits =
      V4L2_BUF_CAP_SUPPORTS_MMAP | V4L2_BUF_CAP_SUPPORTS_DMABUF
      | V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS
    if caller.sharesAddressSpace { bits |= V4L2_BUF_CAP_SUPPORTS_USERPTR }
    return UInt32(bits)
  }
}
