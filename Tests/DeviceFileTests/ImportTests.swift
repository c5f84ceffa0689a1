import CV4L2
import Foundation
import TestSupport
import Testing

@Suite("Frames in memory of the client's own", .needsDeviceFile)
struct ImportTests {
  @Test("an imported buffer is encoded as it is, without a copy by the client")
  func imported() async throws {
    try await DeviceFile.serve(["--api", "splane"]) { device in
      let client = try RawClient(device.path)
      try client.start(outputMemory: V4L2_MEMORY_DMABUF)
      let memory = try SharedMemory(byteCount: client.frameBytes())
      memory.bytes.initializeMemory(as: UInt8.self, repeating: 128)
      // Bright rows above dark ones, as nothing that was not read would look.
      for index in 0..<memory.bytes.count / 3 { memory.bytes[index] = 210 }
      #expect(client.queue(RawClient.captureType, 0) == 0)
      #expect(client.queue(RawClient.outputType, 0, importing: memory.descriptor) == 0)
      let packet = try client.dequeuePacket()
      #expect(client.dequeue(RawClient.outputType, memory: V4L2_MEMORY_DMABUF) == 0)

      let directory = try TemporaryDirectory()
      let stream = try directory.write(packet, to: "frame.h264")
      let decoded = try await MediaTools.decode(stream: stream, in: directory)
      #expect(decoded.frameCount == 1)
      let rows = Int(RawClient.height)
      let picture = decoded.frame(0)
      func brightness(ofRow row: Int) -> Int {
        picture[row * decoded.width..<(row + 1) * decoded.width].reduce(0) { $0 + Int($1) }
          / decoded.width
      }
      #expect(abs(brightness(ofRow: 4) - 210) < 8)
      #expect(abs(brightness(ofRow: rows - 4) - 128) < 8)
    }
  }

  @Test("a buffer too small, no buffer at all and the device itself are refused")
  func refused() async throws {
    try await DeviceFile.serve(["--api", "splane", "--backend", "null"]) { device in
      let client = try RawClient(device.path)
      try client.start(outputMemory: V4L2_MEMORY_DMABUF)
      let small = try SharedMemory(byteCount: 4096)
      #expect(client.queue(RawClient.outputType, 0, importing: small.descriptor) == -EINVAL)
      #expect(client.queue(RawClient.outputType, 0, importing: 1 << 20) < 0)
      // A server that mapped its own file would wait for itself.
      let own = BlockingCall {
        client.queue(RawClient.outputType, 0, importing: client.descriptor)
      }
      #expect(try await own.result() == -EINVAL)
      let whole = try SharedMemory(byteCount: client.frameBytes())
      #expect(client.queue(RawClient.outputType, 0, importing: whole.descriptor) == 0)
    }
  }

  @Test("what an ioctl points to in vain is a bad address")
  func badAddress() async throws {
    try await DeviceFile.serve(["--api", "mplane", "--backend", "null"]) { device in
      let client = try RawClient(device.path)
      var request = v4l2_requestbuffers()
      request.count = 2
      request.type = V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
      request.memory = V4L2_MEMORY_MMAP.rawValue
      #expect(client.control(CV4L2_VIDIOC_REQBUFS, &request) == 0)
      var buffer = v4l2_buffer()
      buffer.type = request.type
      buffer.memory = request.memory
      buffer.length = 1
      buffer.m.planes = UnsafeMutablePointer(bitPattern: 4096)
      #expect(client.control(CV4L2_VIDIOC_QUERYBUF, &buffer) == -EFAULT)

      var controls = v4l2_ext_controls()
      controls.which = UInt32(V4L2_CTRL_WHICH_CUR_VAL)
      controls.count = 1
      controls.controls = UnsafeMutablePointer(bitPattern: 4096)
      #expect(client.control(CV4L2_VIDIOC_G_EXT_CTRLS, &controls) == -EFAULT)
    }
  }

  @Test("a failing request for several controls says which one was at fault")
  func errorIndex() async throws {
    try await DeviceFile.serve(["--backend", "null"]) { device in
      let client = try RawClient(device.path)
      var items = [v4l2_ext_control(), v4l2_ext_control()]
      items[0].id = UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)
      items[0].value = 1_000_000
      items[1].id = UInt32(V4L2_CID_MPEG_VIDEO_BITRATE) + 0xfff
      let index = items.withUnsafeMutableBufferPointer { items in
        var controls = v4l2_ext_controls()
        controls.which = UInt32(V4L2_CTRL_WHICH_CUR_VAL)
        controls.count = 2
        controls.controls = items.baseAddress
        #expect(client.control(CV4L2_VIDIOC_TRY_EXT_CTRLS, &controls) == -EINVAL)
        return controls.error_idx
      }
      #expect(index == 1)
    }
  }
}

/// Memory of this process that another one can be given.
private final class SharedMemory {
  let descriptor: Int32
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) throws {
    descriptor = cv4l2_memfd_create("frame")
    var address: UnsafeMutableRawPointer?
    guard descriptor >= 0, ftruncate(descriptor, byteCount) == 0,
      cv4l2_mmap(descriptor, byteCount, 0, &address) == 0
    else { throw TestSupportError("no shared memory") }
    bytes = UnsafeMutableRawBufferPointer(start: address, count: byteCount)
  }

  deinit {
    munmap(bytes.baseAddress, bytes.count)
    close(descriptor)
  }
}
