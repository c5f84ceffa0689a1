internal import CV4L2
internal import Glibc

/// A `v4l2_buffer` together with the planes it points to in the caller's memory.
struct BufferArgument {
  var header: v4l2_buffer
  var planes = InlineArray<8, v4l2_plane>(repeating: v4l2_plane())
  private let planesAddress: UInt64
  private let isMultiplanar: Bool

  /// Reads the planes; a negated errno when the caller has none, or too few.
  init?(
    _ header: v4l2_buffer, isMultiplanar: Bool, planeCount: Int, caller: any CallerMemory,
    failure: inout Int32
  ) {
    self.header = header
    self.isMultiplanar = isMultiplanar
    guard isMultiplanar else {
      planesAddress = 0
      return
    }
    planesAddress = UInt64(UInt(bitPattern: header.m.planes))
    guard planesAddress != 0, Int(header.length) >= planeCount, header.length <= 8 else {
      failure = -EINVAL
      return nil
    }
    let byteCount = planeCount * MemoryLayout<v4l2_plane>.stride
    let address = planesAddress
    let result = withUnsafeMutableBytes(of: &planes) { bytes in
      caller.read(address, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<byteCount]))
    }
    guard result == 0 else {
      failure = result
      return nil
    }
  }

  /// Writes `count` planes back and sets how many there are.
  mutating func writePlanes(_ count: Int, caller: any CallerMemory) -> Int32 {
    guard isMultiplanar else { return 0 }
    header.length = UInt32(count)
    let byteCount = count * MemoryLayout<v4l2_plane>.stride
    let address = planesAddress
    return withUnsafeBytes(of: &planes) { bytes in
      caller.write(address, from: UnsafeRawBufferPointer(rebasing: bytes[..<byteCount]))
    }
  }

  /// Copies a buffer's state in, as vb2's `fill_user_buffer` would.
  mutating func describe(_ buffer: Buffer, index: Int, in queue: BufferQueue) {
    header.index = UInt32(index)
    header.type = queue.type
    header.memory = queue.memory
    header.field = buffer.field
    header.timestamp = buffer.timestamp
    header.timecode = buffer.timecode
    header.sequence = buffer.sequence
    header.reserved2 = 0
    header.request_fd = 0
    header.flags = buffer.flags | queue.constantFlags
    switch buffer.state {
    case .queued, .active: header.flags |= UInt32(V4L2_BUF_FLAG_QUEUED)
    case .done: header.flags |= UInt32(V4L2_BUF_FLAG_DONE)
    case .dequeued: break
    }
    if buffer.isFaulty { header.flags |= UInt32(V4L2_BUF_FLAG_ERROR) }
    if buffer.isPrepared, buffer.state == .dequeued {
      header.flags |= UInt32(V4L2_BUF_FLAG_PREPARED)
    }
    guard isMultiplanar else {
      let plane = buffer.planes[0]
      header.bytesused = plane.bytesUsed
      header.length = plane.length
      switch queue.memory {
      case V4L2_MEMORY_MMAP.rawValue: header.m.offset = plane.offset
      case V4L2_MEMORY_USERPTR.rawValue: header.m.userptr = UInt(plane.userValue)
      default: header.m.fd = Int32(truncatingIfNeeded: plane.userValue)
      }
      return
    }
    header.bytesused = 0
    for (index, plane) in buffer.planes.enumerated() {
      var answer = v4l2_plane()
      answer.bytesused = plane.bytesUsed
      answer.length = plane.length
      answer.data_offset = plane.dataOffset
      switch queue.memory {
      case V4L2_MEMORY_MMAP.rawValue: answer.m.mem_offset = plane.offset
      case V4L2_MEMORY_USERPTR.rawValue: answer.m.userptr = UInt(plane.userValue)
      default: answer.m.fd = Int32(truncatingIfNeeded: plane.userValue)
      }
      planes[index] = answer
    }
  }

  /// One plane as the caller gave it, whichever API it speaks.
  func plane(_ index: Int) -> UserPlane {
    if isMultiplanar {
      let plane = planes[index]
      return UserPlane(
        bytesUsed: plane.bytesused, length: plane.length, dataOffset: plane.data_offset,
        pointer: UInt64(plane.m.userptr), descriptor: plane.m.fd)
    }
    return UserPlane(
      bytesUsed: header.bytesused, length: header.length, dataOffset: 0,
      pointer: UInt64(header.m.userptr), descriptor: header.m.fd)
  }

  struct UserPlane {
    let bytesUsed: UInt32
    let length: UInt32
    let dataOffset: UInt32
    let pointer: UInt64
    let descriptor: Int32
  }
}
