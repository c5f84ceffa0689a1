internal import CV4L2
internal import Glibc

/// REQBUFS, CREATE_BUFS and QUERYBUF.
extension HandleState {
  mutating func requestBuffers(
    _ argument: inout v4l2_requestbuffers, caller: any CallerMemory
  ) -> Int32 {
    argument.capabilities = 0
    argument.flags = 0
    argument.reserved = (0, 0, 0)
    guard let direction = direction(of: argument.type) else { return -EINVAL }
    argument.capabilities = capabilities(of: direction, for: caller)
    guard isSupported(memory: argument.memory, on: direction, for: caller) else {
      return -EINVAL
    }
    guard !self[direction].isStreaming, worker == .none else { return -EBUSY }
    self[direction].removeAll(in: device.memory)
    self[direction].cancel()
    if direction == .output { drain.lastSource = nil }
    guard argument.count > 0 else { return 0 }
    let least =
      direction == .output ? personality.buffers.leastOutput : personality.buffers.leastCapture
    let added = self[direction].add(
      Int(min(max(argument.count, UInt32(least)), UInt32(BufferQueue.maximumBuffers))),
      planeLengths: planeLengths(direction), memory: argument.memory, in: device.memory)
    guard added > 0 else { return -ENOMEM }
    argument.count = UInt32(added)
    return 0
  }

  mutating func createBuffers(
    _ argument: inout v4l2_create_buffers, caller: any CallerMemory
  ) -> Int32 {
    argument.capabilities = 0
    argument.flags = 0
    argument.reserved = (0, 0, 0, 0, 0, 0)
    guard let direction = direction(of: argument.format.type) else { return -EINVAL }
    argument.capabilities = capabilities(of: direction, for: caller)
    guard isSupported(memory: argument.memory, on: direction, for: caller) else {
      return -EINVAL
    }
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

  private func memories(
    of direction: Direction
  ) -> Set<VirtualDevice.Personality.BufferRule.Memory> {
    direction == .output ? personality.buffers.output : personality.buffers.capture
  }

  private func isSupported(
    memory: UInt32, on direction: Direction, for caller: any CallerMemory
  ) -> Bool {
    let memories = memories(of: direction)
    return switch memory {
    case V4L2_MEMORY_MMAP.rawValue: memories.contains(.mapped)
    case V4L2_MEMORY_DMABUF.rawValue: memories.contains(.dmabuf)
    case V4L2_MEMORY_USERPTR.rawValue:
      memories.contains(.userPointer) && caller.sharesAddressSpace
    default: false
    }
  }

  private func capabilities(of direction: Direction, for caller: any CallerMemory) -> UInt32 {
    let memories = memories(of: direction)
    var bits = V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS
    if memories.contains(.mapped) { bits |= V4L2_BUF_CAP_SUPPORTS_MMAP }
    if memories.contains(.dmabuf) { bits |= V4L2_BUF_CAP_SUPPORTS_DMABUF }
    if memories.contains(.userPointer), caller.sharesAddressSpace {
      bits |= V4L2_BUF_CAP_SUPPORTS_USERPTR
    }
    return UInt32(bits)
  }
}
