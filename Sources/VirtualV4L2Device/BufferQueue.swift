internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// Which of the two queues.
enum Direction: Sendable {
  /// The OUTPUT queue: raw frames go to the device.
  case output
  /// The CAPTURE queue: encoded bytes come from the device.
  case capture
}

/// Where the bytes of one plane are.
struct PlaneBuffer {
  var length: UInt32
  /// The `mem_offset` of an MMAP plane.
  var offset: UInt32 = 0
  /// Where this process reads or writes the plane; nil until a buffer was imported.
  var address: UnsafeMutableRawPointer?
  var bytesUsed: UInt32 = 0
  var dataOffset: UInt32 = 0
  /// The pointer (USERPTR) or the descriptor (DMABUF) as the client gave it.
  var userValue: UInt64 = 0
  var imported: ImportedMemory?

  init(length: UInt32) { self.length = length }

  /// The first byte of the payload.
  var start: UnsafeMutableRawPointer? { address.map { $0 + Int(dataOffset) } }
}

/// One buffer of a queue, in vb2's terms.
struct Buffer {
  enum State { case dequeued, queued, active, done }

  var state = State.dequeued
  var isPrepared = false
  var isFaulty = false
  var planes: [PlaneBuffer]
  /// The bits that travel with the data: frame type, timestamp source, time code, LAST.
  var flags: UInt32 = 0
  var field: UInt32 = 0
  var timestamp = timeval()
  var timecode = v4l2_timecode()
  var sequence: UInt32 = 0
  /// A key frame was asked for before this frame was queued.
  var forcesKeyFrame = false
  /// It was queued without bytes, where that ends the stream.
  var endsStream = false
}

/// One queue of a handle.
struct BufferQueue {
  static let maximumBuffers = 32

  let direction: Direction
  /// `V4L2_BUF_TYPE_*`.
  let type: UInt32
  var memory: UInt32 = 0
  var buffers: [Buffer] = []
  /// Buffers that wait for the worker, in order.
  var queued: [Int] = []
  /// Buffers that wait for DQBUF, in order.
  var done: [Int] = []
  var isStreaming = false
  var sequence: UInt32 = 0
  /// Everything of a drain was dequeued: further DQBUFs answer EPIPE.
  var hasEnded = false
  /// Buffers between QBUF and DQBUF, the worker's included.
  var outstanding = 0

  /// What stands in the flags of every buffer.
  let constantFlags: UInt32

  init(direction: Direction, type: UInt32, constantFlags: UInt32) {
    self.direction = direction
    self.type = type
    self.constantFlags = constantFlags
  }

  /// Whether buffers are allocated, so that the format may not change.
  var isBusy: Bool { !buffers.isEmpty }

  /// Hands a buffer to DQBUF.
  mutating func complete(_ index: Int) {
    buffers[index].state = .done
    done.append(index)
  }

  /// What STREAMOFF does: every buffer returns to the client.
  mutating func cancel() {
    isStreaming = false
    hasEnded = false
    sequence = 0
    outstanding = 0
    queued.removeAll(keepingCapacity: true)
    done.removeAll(keepingCapacity: true)
    for index in buffers.indices {
      buffers[index].state = .dequeued
      buffers[index].isPrepared = false
      buffers[index].forcesKeyFrame = false
      buffers[index].flags &= ~UInt32(V4L2_BUF_FLAG_LAST)
    }
  }

  /// Adds up to `count` buffers; returns how many memory was found for.
  mutating func add(_ count: Int, planeLengths: [Int], memory kind: UInt32, in space: DeviceMemory)
    -> Int
  {
    var added = 0
    while added < count, buffers.count < Self.maximumBuffers {
      var planes: [PlaneBuffer] = []
      for length in planeLengths {
        var plane = PlaneBuffer(length: UInt32(clamping: length))
        if kind == V4L2_MEMORY_MMAP.rawValue, length > 0 {
          guard let offset = space.allocate(length) else { break }
          plane.offset = offset
          plane.address = space.address(of: offset)
        }
        planes.append(plane)
      }
      guard planes.count == planeLengths.count else {
        for plane in planes where plane.length > 0 { space.release(plane.offset) }
        break
      }
      buffers.append(Buffer(planes: planes))
      added += 1
    }
    if added > 0 { memory = kind }
    return added
  }

  /// Frees every buffer.
  mutating func removeAll(in space: DeviceMemory) {
    if memory == V4L2_MEMORY_MMAP.rawValue {
      for plane in buffers.flatMap(\.planes) where plane.length > 0 {
        space.release(plane.offset)
      }
    }
    buffers = []
    queued = []
    done = []
    outstanding = 0
    memory = 0
  }
}

/// A client's DMABUF (or memfd), mapped here until the buffer gets another one.
final class ImportedMemory {
  let address: UnsafeMutableRawPointer
  let length: Int
  private let descriptor: Int32
  private let identity: FileIdentity

  private struct FileIdentity: Equatable {
    let device: UInt
    let node: UInt

    init?(_ descriptor: Int32) {
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { return nil }
      device = UInt(status.st_dev)
      node = UInt(status.st_ino)
    }
  }

  private init(
    address: UnsafeMutableRawPointer, length: Int, descriptor: Int32, identity: FileIdentity
  ) {
    self.address = address
    self.length = length
    self.descriptor = descriptor
    self.identity = identity
  }

  deinit {
    _ = cv4l2_munmap(address, length)
    _ = cv4l2_close(descriptor)
  }

  /// Maps what `descriptor` names, or keeps `previous` if it is that; owns the descriptor.
  static func adopt(
    _ descriptor: Int32, isWritable: Bool, previous: ImportedMemory?
  ) -> Result<ImportedMemory, Errno> {
    guard let identity = FileIdentity(descriptor) else {
      _ = cv4l2_close(descriptor)
      return .failure(.invalid)
    }
    if let previous, previous.identity == identity {
      _ = cv4l2_close(descriptor)
      return .success(previous)
    }
    // A DMABUF tells its size to lseek only; its inode says 0 on older kernels.
    let length = lseek(descriptor, 0, SEEK_END)
    let protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
    guard length > 0,
      let address = mmap(nil, length, protection, MAP_SHARED, descriptor, 0),
      address != MAP_FAILED
    else {
      _ = cv4l2_close(descriptor)
      return .failure(.invalid)
    }
    return .success(
      ImportedMemory(
        address: address, length: length, descriptor: descriptor, identity: identity))
  }

  /// Brackets an access by the processor; a memfd has no such request, which is fine.
  func synchronize(isStart: Bool, isWrite: Bool) {
    var argument = dma_buf_sync()
    argument.flags =
      UInt64(isWrite ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ)
      | UInt64(isStart ? DMA_BUF_SYNC_START : DMA_BUF_SYNC_END)
    _ = cv4l2_ioctl(descriptor, Self.synchronizeRequest, &argument)
  }

  /// `DMA_BUF_IOCTL_SYNC`, `_IOW('b', 0, struct dma_buf_sync)`.
  private static let synchronizeRequest: UInt = 0x4008_6200
}

extension Errno {
  static var invalid: Errno { Errno(rawValue: EINVAL) }
  static var outOfRange: Errno { Errno(rawValue: ERANGE) }
}
