import CV4L2
import Glibc
import TestSupport
import V4L2Encoder

/// Anonymous pages at an address of their own.
final class Region: Sendable {
  private nonisolated(unsafe) let start: UnsafeMutableRawPointer
  private let byteCount: Int

  /// - Throws: `TestSupportError` when there is no memory.
  init(byteCount: Int) throws {
    self.byteCount = byteCount
    guard let start = Self.map(nil, byteCount) else { throw TestSupportError("no memory") }
    self.start = start
  }

  deinit { munmap(start, byteCount) }

  private static func map(_ address: UnsafeMutableRawPointer?, _ byteCount: Int)
    -> UnsafeMutableRawPointer?
  {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | (address == nil ? 0 : MAP_FIXED)
    let result = mmap(address, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
    return result == MAP_FAILED ? nil : result
  }

  func fill(_ bytes: [UInt8]) {
    UnsafeMutableRawBufferPointer(start: start, count: byteCount).copyBytes(from: bytes)
  }

  /// Replaces the pages; the address stays.
  ///
  /// - Throws: `TestSupportError` when the kernel refuses.
  func exchangePages() throws {
    guard Self.map(start, byteCount) == start else { throw TestSupportError("no other pages") }
  }

  func lend(_ release: @escaping @Sendable () -> Void) -> FrameMemory {
    FrameMemory(unsafeStart: start, byteCount: byteCount) {
      withExtendedLifetime(self) { release() }
    }
  }
}

/// DMABUFs of any size, made by vivid: buffers of its CAPTURE queue, exported.
final class Exporter: Sendable {
  let descriptors: [Int32]
  private let handle: any DeviceHandle
  private let byteCount: Int

  /// - Throws: what the driver says.
  init(byteCount: Int, count: Int) throws {
    self.byteCount = byteCount
    let type = V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
    handle = try KernelTransport().open(try KernelGuest.node(named: "vivid-000-vid-cap"))
    // A size of vivid's own whose picture is smaller than what is wanted of each buffer.
    var wanted = try handle.format(type)
    wanted.format = .grey
    wanted.size = VideoSize(width: 640, height: 360)
    wanted.planes = [QueueFormat.Plane(bytesPerLine: 0, byteCount: 0)]
    _ = try handle.setFormat(type, wanted)
    var request = v4l2_create_buffers()
    request.count = UInt32(count)
    request.memory = V4L2_MEMORY_MMAP.rawValue
    request.format.type = type
    try handle.call(CV4L2_VIDIOC_G_FMT, &request.format)
    request.format.fmt.pix.sizeimage = UInt32(byteCount)
    try handle.call(CV4L2_VIDIOC_CREATE_BUFS, &request)
    guard request.count == count else {
      throw TestSupportError("vivid gave \(request.count) buffers, not \(count)")
    }
    let exporting = handle
    descriptors = try (0..<count).map { try exporting.exportBuffer(type, index: $0, plane: 0) }
  }

  deinit {
    for descriptor in descriptors { Glibc.close(descriptor) }
    handle.close()
  }

  /// - Throws: `TestSupportError` when the DMABUF cannot be mapped.
  func write(_ bytes: [UInt8], to index: Int) throws {
    var address: UnsafeMutableRawPointer?
    guard bytes.count <= byteCount,
      cv4l2_mmap(descriptors[index], bytes.count, 0, &address) == 0, let address
    else { throw TestSupportError("a DMABUF of vivid cannot be mapped") }
    UnsafeMutableRawBufferPointer(start: address, count: bytes.count).copyBytes(from: bytes)
    _ = cv4l2_munmap(address, bytes.count)
  }
}
