import CV4L2
import Foundation
import Glibc
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

@Suite("Buffers", .timeLimit(.minutes(1)))
struct BufferTests {
  typealias Interface = VirtualDevice.Configuration.Interface

  @Test("Wrong indexes, types, memories and states are EINVAL", arguments: Interface.allCases)
  func refusals(api: Interface) throws {
    let client = try DeviceClient(api)
    func errno(
      _ request: UInt, _ direction: Direction, _ index: UInt32,
      _ memory: v4l2_memory = V4L2_MEMORY_MMAP, _ change: (inout v4l2_buffer) -> Void = { _ in }
    ) -> Int32 {
      client.withBuffer(direction, index, memory: memory) { buffer, _ in
        change(&buffer)
        return client.result(request, &buffer)
      }
    }
    #expect(errno(CV4L2_VIDIOC_QUERYBUF, .output, 0) == -EINVAL)
    var type = client.type(.output)
    #expect(client.result(CV4L2_VIDIOC_STREAMON, &type) == -EINVAL, "no buffers")
    #expect(try client.request(.output, 1000) == 32)
    #expect(try client.request(.output, 2) == 2)
    for request in [CV4L2_VIDIOC_QUERYBUF, CV4L2_VIDIOC_QBUF, CV4L2_VIDIOC_PREPARE_BUF] {
      for index in [2, UInt32.max] { #expect(errno(request, .output, index) == -EINVAL) }
      #expect(errno(request, .output, 0) { $0.type = 77 } == -EINVAL)
      if api == .multiplanar {
        #expect(errno(request, .output, 0) { $0.m.planes = nil } == -EINVAL)
        #expect(errno(request, .output, 0) { $0.length = 0 } == -EINVAL)
        #expect(errno(request, .output, 0) { $0.length = .max } == -EINVAL)
      }
    }
    #expect(errno(CV4L2_VIDIOC_QBUF, .output, 0, V4L2_MEMORY_DMABUF) == -EINVAL)
    #expect(
      errno(CV4L2_VIDIOC_QBUF, .output, 0) { $0.flags = UInt32(V4L2_BUF_FLAG_REQUEST_FD) } == -EBADR
    )
    #expect(
      errno(CV4L2_VIDIOC_QBUF, .output, 0) { $0.field = V4L2_FIELD_ALTERNATE.rawValue } == -EINVAL)
    #expect(errno(CV4L2_VIDIOC_DQBUF, .output, 0) == -EINVAL, "not streaming")
    #expect(errno(CV4L2_VIDIOC_PREPARE_BUF, .output, 0) == 0)
    #expect(errno(CV4L2_VIDIOC_PREPARE_BUF, .output, 0) == -EINVAL, "prepared already")
    #expect(errno(CV4L2_VIDIOC_QBUF, .output, 0) == 0)
    #expect(errno(CV4L2_VIDIOC_QBUF, .output, 0) == -EINVAL, "queued already")
    try client.stream(.output, on: true)
    #expect(errno(CV4L2_VIDIOC_DQBUF, .output, 0) == -EAGAIN)
    var request = v4l2_requestbuffers()
    request.type = client.type(.output)
    request.memory = V4L2_MEMORY_MMAP.rawValue
    #expect(client.result(CV4L2_VIDIOC_REQBUFS, &request) == -EBUSY)
    try client.stream(.output, on: false)
    request.memory = V4L2_MEMORY_OVERLAY.rawValue
    #expect(client.result(CV4L2_VIDIOC_REQBUFS, &request) == -EINVAL)
  }

  @Test("Payloads larger than the plane and odd offsets are refused", arguments: Interface.allCases)
  func payloads(api: Interface) throws {
    let client = try DeviceClient(api)
    let size = try client.setFormat(.output, CV4L2_PIX_FMT_NV12, 64, 64).planes[0].size
    try client.request(.output, 1)
    func errno(used: UInt32, offset: UInt32 = 0) -> Int32 {
      client.withBuffer(.output, 0) { buffer, planes in
        buffer.bytesused = used
        planes[0].bytesused = used
        planes[0].data_offset = offset
        return client.result(CV4L2_VIDIOC_QBUF, &buffer)
      }
    }
    #expect(errno(used: size + 1) == -EINVAL)
    #expect(errno(used: .max) == -EINVAL)
    if api == .multiplanar {
      #expect(errno(used: size, offset: size) == -EINVAL)
      #expect(errno(used: size, offset: .max) == -EINVAL)
      #expect(errno(used: size, offset: 1) == -EINVAL, "the picture would end outside")
    }
    #expect(errno(used: 0) == 0, "an empty OUTPUT buffer is a full one")
    let used = try client.withBuffer(.output, 0) { buffer, planes in
      try client.call(CV4L2_VIDIOC_QUERYBUF, &buffer)
      #expect(buffer.flags & UInt32(V4L2_BUF_FLAG_QUEUED) != 0)
      #expect(buffer.flags & UInt32(V4L2_BUF_FLAG_TIMESTAMP_COPY) != 0)
      return api == .multiplanar ? planes[0].bytesused : buffer.bytesused
    }
    #expect(used == size)
  }

  @Test("CREATE_BUFS adds to what is there, and checks the size", arguments: Interface.allCases)
  func creation(api: Interface) throws {
    let client = try DeviceClient(api)
    try client.request(.output, 2)
    var creation = v4l2_create_buffers()
    creation.format.type = client.type(.output)
    try client.call(CV4L2_VIDIOC_G_FMT, &creation.format)
    creation.memory = V4L2_MEMORY_MMAP.rawValue
    try client.call(CV4L2_VIDIOC_CREATE_BUFS, &creation)
    #expect((creation.index, creation.count) == (2, 0))
    #expect(creation.capabilities & UInt32(V4L2_BUF_CAP_SUPPORTS_MMAP) != 0)
    creation.count = 3
    try client.call(CV4L2_VIDIOC_CREATE_BUFS, &creation)
    #expect((creation.index, creation.count) == (2, 3))
    creation.count = 1
    creation.memory = V4L2_MEMORY_DMABUF.rawValue
    #expect(client.result(CV4L2_VIDIOC_CREATE_BUFS, &creation) == -EINVAL)
    creation.memory = V4L2_MEMORY_MMAP.rawValue
    creation.format.fmt.pix.sizeimage = 5
    if api == .multiplanar { creation.format.fmt.pix_mp.num_planes = 255 }
    #expect(client.result(CV4L2_VIDIOC_CREATE_BUFS, &creation) == -EINVAL)
  }

  @Test("Buffers share no memory, and all of it comes back", arguments: Interface.allCases)
  func memory(api: Interface) throws {
    let device = try VirtualDevice(.init(api: api, h264: .null, hevc: .null))
    let clients = try (0..<2).map { _ in
      try DeviceClient(device, isMultiplanar: api == .multiplanar)
    }
    for client in clients {
      _ = try client.setFormat(.output, CV4L2_PIX_FMT_YUV420, 64, 48)
      for direction in [Direction.output, .capture] {
        try client.mapAll(direction, try client.request(direction, 4))
      }
    }
    let mappings = clients.flatMap(\.mappings)
    for (number, mapping) in mappings.enumerated() {
      memset(mapping.address, Int32(number + 1), mapping.length)
    }
    for (number, mapping) in mappings.enumerated() {
      let bytes = UnsafeRawBufferPointer(start: mapping.address, count: mapping.length)
      #expect(bytes.allSatisfy { $0 == UInt8(number + 1) })
    }
    #expect(device.bufferExtentCount == 16)
    clients[0].close()
    #expect(device.bufferExtentCount == 8)
    try clients[1].request(.output, 0)
    try clients[1].request(.capture, 0)
    #expect(device.bufferExtentCount == 0)
    #expect(device.openHandleCount == 1)
    // What the system holds for the memory file is gone as well.
    var status = stat()
    #expect(fstat(device.memoryDescriptor, &status) == 0)
    #expect(status.st_blocks == 0)
  }

  @Test("New buffers are zeroed, even where others were")
  func zeroed() throws {
    let client = try DeviceClient()
    for _ in 0..<3 {
      try client.mapAll(.capture, try client.request(.capture, 2))
      for mapping in client.mappings {
        let bytes = UnsafeRawBufferPointer(start: mapping.address, count: mapping.length)
        #expect(bytes.allSatisfy { $0 == 0 })
        memset(mapping.address, 0xff, mapping.length)
      }
      client.unmapAll()
      try client.request(.capture, 0)
    }
  }

  @Test(
    "Frames come in from memory files and from pointers",
    arguments: [V4L2_MEMORY_DMABUF.rawValue, V4L2_MEMORY_USERPTR.rawValue], Interface.allCases)
  func imports(memory: UInt32, api: Interface) async throws {
    let kind = v4l2_memory(rawValue: memory)
    let video = TestPicture.i420(width: 64, height: 64, frames: 6)
    let device = try VirtualDevice(.init(api: api, hevc: .none))
    let client = try DeviceClient(device, isMultiplanar: api == .multiplanar)
    _ = try client.setFormat(.capture, CV4L2_PIX_FMT_H264)
    let size = Int(try client.setFormat(.output, CV4L2_PIX_FMT_YUV420, 64, 64).planes[0].size)
    try client.request(.output, 2, memory: kind)
    try client.mapAll(.capture, try client.request(.capture, 2))
    try client.stream(.output, on: true)
    try client.stream(.capture, on: true)
    for index in 0..<2 { try client.queue(.capture, index) }

    let descriptor = cv4l2_memfd_create("frames")
    #expect(descriptor >= 0 && ftruncate(descriptor, size) == 0)
    defer { _ = Glibc.close(descriptor) }
    let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    let pointer = try #require(mapped)
    defer { munmap(pointer, size) }
    func queue(_ index: UInt32, descriptor: Int32, length: Int, address: UInt) -> Int32 {
      client.withBuffer(.output, index, memory: kind) { buffer, planes in
        if api == .multiplanar {
          planes[0].length = UInt32(length)
          planes[0].bytesused = UInt32(size)
          if kind == V4L2_MEMORY_DMABUF {
            planes[0].m.fd = descriptor
          } else {
            planes[0].m.userptr = address
          }
        } else {
          buffer.length = UInt32(length)
          buffer.bytesused = UInt32(size)
          if kind == V4L2_MEMORY_DMABUF {
            buffer.m.fd = descriptor
          } else {
            buffer.m.userptr = address
          }
        }
        return client.result(CV4L2_VIDIOC_QBUF, &buffer)
      }
    }
    #expect(queue(0, descriptor: -1, length: size, address: 0) == -EINVAL)
    #expect(queue(0, descriptor: 9999, length: size, address: 0) == -EINVAL)
    #expect(
      queue(0, descriptor: descriptor, length: size - 1, address: UInt(bitPattern: pointer))
        == -EINVAL)
    if kind == V4L2_MEMORY_DMABUF {
      #expect(queue(0, descriptor: descriptor, length: size + 1, address: 0) == -EINVAL)
      if client.isMultiplanar {
        #expect(queue(0, descriptor: descriptor, length: 0, address: 0) == -EINVAL)
      }
    }

    var stream = Data()
    for number in 0..<6 {
      video.withUnsafeBytes { bytes in
        for row in 0..<96 {
          // Chroma rows are half as wide, two in one stride of this width.
          let source = number * 64 * 96 + row * 64
          memcpy(pointer + row * 64, bytes.baseAddress.unsafelyUnwrapped + source, 64)
        }
      }
      // A length of zero means the whole file; the multi-planar path wants the bytes used within
      // the length, as videobuf2's does.
      let mayBeZero = kind == V4L2_MEMORY_DMABUF && !client.isMultiplanar
      let length = mayBeZero && number % 2 == 1 ? 0 : size
      #expect(
        queue(
          UInt32(number % 2), descriptor: descriptor, length: length,
          address: UInt(bitPattern: pointer)) == 0)
      let packet = try client.dequeue(.capture)
      #expect(!packet.isFaulty)
      stream.append(client.bytes(packet))
      try client.queue(.capture, packet.index)
      _ = try client.dequeue(.output, memory: kind)
    }
    let decoded = try await FFmpeg.decode(stream, CV4L2_PIX_FMT_H264)
    #expect(decoded.count == i420Size(6, 64, 64))
    #expect(lumaQuality(decoded, video, width: 64, height: 64, frames: 6) > 30)
    let before = try descriptorCount()
    client.close()
    if kind == V4L2_MEMORY_DMABUF { #expect(try descriptorCount() <= before) }
  }

  private func descriptorCount() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
  }
}
