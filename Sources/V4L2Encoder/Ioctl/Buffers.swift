internal import CV4L2
internal import Glibc

/// One plane of a buffer as the driver describes it.
package struct BufferPlane: Hashable, Sendable {
  package var length: Int
  package var memoryOffset: UInt32
}

/// The bytes used in each memory plane of a frame; a tuple's worth, so that none is allocated.
package struct PlaneByteCounts: Hashable, Sendable {
  package var counts: (first: Int, second: Int, third: Int)
  package var planeCount: Int

  package init(_ planes: [Int]) {
    counts = (
      planes.count > 0 ? planes[0] : 0, planes.count > 1 ? planes[1] : 0,
      planes.count > 2 ? planes[2] : 0
    )
    planeCount = planes.count
  }

  package subscript(plane: Int) -> Int {
    switch plane {
    case 0: counts.first
    case 1: counts.second
    default: counts.third
    }
  }

  package static func == (left: PlaneByteCounts, right: PlaneByteCounts) -> Bool {
    left.counts == right.counts && left.planeCount == right.planeCount
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(counts.first)
    hasher.combine(counts.second)
    hasher.combine(counts.third)
  }
}

/// Where the memory of a queue's buffers comes from.
package enum BufferMemory: Hashable, Sendable {
  /// The driver allocates, the library maps.
  case mapped
  /// The application lends DMABUFs.
  case imported
  /// The application lends memory of its own, by address.
  case userPointer

  var rawValue: UInt32 {
    switch self {
    case .mapped: V4L2_MEMORY_MMAP.rawValue
    case .imported: V4L2_MEMORY_DMABUF.rawValue
    case .userPointer: V4L2_MEMORY_USERPTR.rawValue
    }
  }
}

/// The descriptors of a frame's memory planes; inline, so that none is allocated.
package struct PlaneDescriptors: Hashable, Sendable {
  package var first: Int32 = -1
  package var second: Int32 = -1
  package var third: Int32 = -1

  package init(_ descriptors: [Int32]) {
    first = descriptors.count > 0 ? descriptors[0] : -1
    second = descriptors.count > 1 ? descriptors[1] : -1
    third = descriptors.count > 2 ? descriptors[2] : -1
  }
}

/// The addresses of a frame's memory planes in this process, zero for planes it has not; inline,
/// so that none is allocated.
package struct PlaneAddresses: Hashable, Sendable {
  package var first: UInt = 0
  package var second: UInt = 0
  package var third: UInt = 0
  /// Bytes by which the driver is told that each plane is longer.
  package var excess = 0

  package init() {}

  package subscript(plane: Int) -> UInt {
    get {
      switch plane {
      case 0: first
      case 1: second
      default: third
      }
    }
    set {
      switch plane {
      case 0: first = newValue
      case 1: second = newValue
      default: third = newValue
      }
    }
  }

  /// Whether any plane has the same address and length as in the other frame.
  package func meets(_ other: PlaneAddresses) -> Bool {
    excess == other.excess
      && ((first == other.first && first != 0) || (second == other.second && second != 0)
        || (third == other.third && third != 0))
  }
}

/// Where the driver finds a frame's bytes.
package enum FrameBytes: Hashable, Sendable {
  /// In the driver's own buffer.
  case mapped
  /// In DMABUFs.
  case descriptors(PlaneDescriptors)
  /// In memory of this process.
  case addresses(PlaneAddresses)

  var memory: BufferMemory {
    switch self {
    case .mapped: .mapped
    case .descriptors: .imported
    case .addresses: .userPointer
    }
  }
}

/// A buffer that came back from the driver.
///
/// Plain numbers and no array, since one is made for every frame.
package struct DequeuedBuffer: Sendable {
  package var index: Int
  package var flags: BufferFlags
  package var sequence: UInt32
  /// The time in microseconds that the driver copied, or zero.
  package var timestamp: Int64
  /// Where the first plane's payload ends, counted from the start of the plane.
  package var bytesUsed: Int
  /// Where the first plane's payload starts.
  package var dataOffset: Int
  /// Where those of the second and the third plane start; further ones have no picture.
  package var laterDataOffsets = (0, 0)

  /// Where the payload of a memory plane starts.
  package func dataOffset(ofPlane plane: Int) -> Int {
    switch plane {
    case 0: dataOffset
    case 1: laterDataOffsets.0
    case 2: laterDataOffsets.1
    default: 0
    }
  }
}

/// What a dequeue came back with; an errno that is no failure has a name here.
package enum DequeueResult: Sendable {
  case buffer(DequeuedBuffer)
  /// Nothing is ready; `EAGAIN`.
  case notReady
  /// The last buffer of a drain is already out; `EPIPE`.
  case endOfStream
}

extension DeviceHandle {
  /// Makes room for buffers, or frees them when `count` is zero; returns the number granted.
  ///
  /// The C request is `VIDIOC_REQBUFS`.
  package func requestBuffers(
    _ bufferType: UInt32, count: Int, memory: BufferMemory = .mapped
  ) throws(Errno) -> Int {
    var raw = v4l2_requestbuffers()
    raw.count = UInt32(clamping: count)
    raw.type = bufferType
    raw.memory = memory.rawValue
    try call(CV4L2_VIDIOC_REQBUFS, &raw)
    return Int(raw.count)
  }

  /// Asks where a buffer's planes lie.
  ///
  /// The number of planes offered has to be that of the format for rkmpp (`utils.c`), drivers of
  /// the kernel take more. The C request is `VIDIOC_QUERYBUF`.
  package func queryBuffer(
    _ bufferType: UInt32, index: Int, planeCount: Int = 8
  ) throws(Errno) -> [BufferPlane] {
    var flat = cv4l2_buffer()
    flat.type = bufferType
    flat.memory = V4L2_MEMORY_MMAP.rawValue
    flat.index = UInt32(clamping: index)
    flat.plane_count = UInt32(clamping: planeCount)
    try exchange(CV4L2_VIDIOC_QUERYBUF, &flat)
    let planes = [flat.planes.0, flat.planes.1, flat.planes.2, flat.planes.3]
    return planes.prefix(Int(flat.plane_count)).map {
      BufferPlane(length: Int($0.length), memoryOffset: $0.mem_offset)
    }
  }

  /// Gives an OUTPUT buffer (raw frame) to the driver.
  ///
  /// No plane's count may be zero: that would mean the end of the stream to some drivers and a
  /// full buffer to others. The C request is `VIDIOC_QBUF`.
  package func queueFrame(
    _ bufferType: UInt32, index: Int, bytesUsed: PlaneByteCounts, timestamp: Int64,
    bytes: FrameBytes = .mapped
  ) throws(Errno) {
    var flat = cv4l2_buffer()
    flat.type = bufferType
    flat.memory = bytes.memory.rawValue
    flat.index = UInt32(clamping: index)
    flat.plane_count = UInt32(clamping: bytesUsed.planeCount)
    flat.timestamp_microseconds = timestamp
    // NVIDIA's plugin copies the time only when asked for it; elsewhere the flag is ignored.
    flat.flags = UInt32(V4L2_BUF_FLAG_TIMESTAMP_COPY)
    flat.planes.0.bytesused = UInt32(clamping: bytesUsed.counts.first)
    flat.planes.1.bytesused = UInt32(clamping: bytesUsed.counts.second)
    flat.planes.2.bytesused = UInt32(clamping: bytesUsed.counts.third)
    // A length of zero would mean the whole DMABUF, but the multi-planar path of videobuf2
    // compares the bytes used with it before.
    var excess: UInt32 = 0
    switch bytes {
    case .mapped: break
    case .descriptors(let imported):
      flat.planes.0.fd = imported.first
      flat.planes.1.fd = imported.second
      flat.planes.2.fd = imported.third
    case .addresses(let addresses):
      flat.planes.0.userptr = UInt64(addresses.first)
      flat.planes.1.userptr = UInt64(addresses.second)
      flat.planes.2.userptr = UInt64(addresses.third)
      excess = UInt32(clamping: addresses.excess)
    }
    if bytes.memory != .mapped {
      flat.planes.0.length = flat.planes.0.bytesused + excess
      flat.planes.1.length = flat.planes.1.bytesused + excess
      flat.planes.2.length = flat.planes.2.bytesused + excess
    }
    try exchange(CV4L2_VIDIOC_QBUF, &flat)
  }

  /// Gives an empty CAPTURE buffer (encoded bytes, or a camera's picture) to the driver.
  ///
  /// The C request is `VIDIOC_QBUF`.
  package func queueEmpty(
    _ bufferType: UInt32, index: Int, planeCount: Int = 1
  ) throws(Errno) {
    var flat = cv4l2_buffer()
    flat.type = bufferType
    flat.memory = V4L2_MEMORY_MMAP.rawValue
    flat.index = UInt32(clamping: index)
    flat.plane_count = UInt32(clamping: planeCount)
    try exchange(CV4L2_VIDIOC_QBUF, &flat)
  }

  /// Tells a plugin without a stop command that no frame follows: an OUTPUT buffer without bytes
  /// (`v4l2_nv_extensions.h`, "EOS Handling").
  ///
  /// Never for a kernel driver: videobuf2 takes the count zero for a full buffer. The C request is
  /// `VIDIOC_QBUF`.
  package func queueEndOfStream(
    _ bufferType: UInt32, index: Int, planeCount: Int
  ) throws(Errno) {
    try queueEmpty(bufferType, index: index, planeCount: planeCount)
  }

  /// Takes a finished buffer back.
  ///
  /// The number of planes offered has to be that of the format for rkmpp. The C request is
  /// `VIDIOC_DQBUF`.
  package func dequeue(
    _ bufferType: UInt32, planeCount: Int = 8, memory: BufferMemory = .mapped
  ) throws(Errno) -> DequeueResult {
    var flat = cv4l2_buffer()
    flat.type = bufferType
    flat.memory = memory.rawValue
    flat.plane_count = UInt32(clamping: planeCount)
    do throws(Errno) {
      try exchange(CV4L2_VIDIOC_DQBUF, &flat)
    } catch {
      if error == .wouldBlock {
        // NVIDIA's way to say the end (`NvV4l2ElementPlane.cpp`).
        return BufferFlags(rawValue: flat.flags).contains(.last) ? .endOfStream : .notReady
      }
      if error == .brokenPipe { return .endOfStream }
      throw error
    }
    return .buffer(
      DequeuedBuffer(
        index: Int(flat.index), flags: BufferFlags(rawValue: flat.flags), sequence: flat.sequence,
        timestamp: flat.timestamp_microseconds, bytesUsed: Int(flat.planes.0.bytesused),
        dataOffset: Int(flat.planes.0.data_offset),
        laterDataOffsets: (Int(flat.planes.1.data_offset), Int(flat.planes.2.data_offset))))
  }

  /// Makes a plane of a driver's buffer a DMABUF; the caller owns the descriptor.
  ///
  /// The C request is `VIDIOC_EXPBUF`.
  package func exportBuffer(
    _ bufferType: UInt32, index: Int, plane: Int
  ) throws(Errno) -> Int32 {
    var raw = v4l2_exportbuffer()
    raw.type = bufferType
    raw.index = UInt32(clamping: index)
    raw.plane = UInt32(clamping: plane)
    raw.flags = UInt32(O_RDWR | O_CLOEXEC)
    try call(CV4L2_VIDIOC_EXPBUF, &raw)
    return raw.fd
  }

  private func exchange(_ request: UInt, _ flat: inout cv4l2_buffer) throws(Errno) {
    var raw = unsafe cv4l2_raw_buffer()
    try unsafe withUnsafeMutablePointer(to: &raw) { raw throws(Errno) in
      // The planes pointer points into `raw` itself, so the struct must not move between packing
      // and unpacking.
      unsafe cv4l2_buffer_pack(&flat, raw)
      do throws(Errno) {
        try unsafe call(request, &raw.pointee.buffer)
      } catch {
        flat.flags = unsafe raw.pointee.buffer.flags
        throw error
      }
      unsafe cv4l2_buffer_unpack(raw, &flat)
    }
  }
}
