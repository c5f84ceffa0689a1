import CV4L2
import Glibc
import TestSupport
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

/// A caller whose memory is one page; everything else faults, as in another process.
private final class PageOfMemory: CallerMemory {
  let page = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
  deinit { page.deallocate() }

  var sharesAddressSpace: Bool { false }
  var address: UInt64 { UInt64(UInt(bitPattern: page.baseAddress)) }

  private func isInside(_ address: UInt64, _ count: Int) -> Bool {
    address >= self.address && address - self.address <= UInt64(page.count)
      && UInt64(count) <= UInt64(page.count) - (address - self.address)
  }

  func read(_ address: UInt64, into target: UnsafeMutableRawBufferPointer) -> Int32 {
    guard isInside(address, target.count) else { return -EFAULT }
    let start = Int(address - self.address)
    target.copyMemory(from: UnsafeRawBufferPointer(rebasing: page[start..<start + target.count]))
    return 0
  }

  func write(_ address: UInt64, from source: UnsafeRawBufferPointer) -> Int32 {
    guard isInside(address, source.count) else { return -EFAULT }
    let start = Int(address - self.address)
    UnsafeMutableRawBufferPointer(rebasing: page[start..<start + source.count])
      .copyMemory(from: source)
    return 0
  }

  func duplicateDescriptor(_ descriptor: Int32) -> Int32 { -EBADF }
}

@Suite("Garbage from clients", .timeLimit(.minutes(2)))
struct RobustnessTests {
  private static let controls = VirtualDevice.Personality.spec.controls
  /// Words that are likely to matter somewhere.
  private func word(_ generator: inout SeededGenerator, _ memory: PageOfMemory) -> UInt32 {
    switch generator.next() % 10 {
    case 0, 1: 0
    case 2: 1
    case 3: UInt32.max
    case 4: 0x8000_0000
    case 5: 0x7fff_ffff
    case 6: UInt32(generator.next() % 40)
    case 7:
      Self.controls[Int(generator.next() % UInt64(Self.controls.count))].identifier
    case 8: generator.next() % 2 == 0 ? CV4L2_PIX_FMT_NV12M : CV4L2_PIX_FMT_HEVC
    default: UInt32(truncatingIfNeeded: generator.next())
    }
  }

  /// Fills a struct with words, and makes what is a buffer type or a pointer often a good one.
  private func fill(
    _ argument: UnsafeMutableRawBufferPointer, _ request: UInt, _ generator: inout SeededGenerator,
    _ memory: PageOfMemory
  ) {
    for offset in stride(from: 0, to: argument.count, by: 4) {
      argument.storeBytes(of: word(&generator, memory), toByteOffset: offset, as: UInt32.self)
    }
    for offset in stride(from: 0, to: 320, by: 4) {
      memory.page.storeBytes(
        of: word(&generator, memory), toByteOffset: offset, as: UInt32.self)
    }
    guard generator.next() % 4 != 0 else { return }
    let types: [v4l2_buf_type] = [
      V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
      V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_CAPTURE,
    ]
    let type = types[Int(generator.next() % 4)].rawValue
    switch request {
    case CV4L2_VIDIOC_QUERYBUF, CV4L2_VIDIOC_QBUF, CV4L2_VIDIOC_DQBUF, CV4L2_VIDIOC_PREPARE_BUF:
      let buffer = argument.baseAddress?.assumingMemoryBound(to: v4l2_buffer.self)
      buffer?.pointee.type = type
      buffer?.pointee.index = UInt32(generator.next() % 5)
      buffer?.pointee.memory = UInt32(generator.next() % 5)
      if type >= V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue {
        buffer?.pointee.length = UInt32(generator.next() % 10)
        let offset = generator.next() % 4 == 0 ? 4000 : UInt64(0)
        buffer?.pointee.m.planes = UnsafeMutablePointer(
          bitPattern: UInt(memory.address + offset))
      }
      if generator.next() % 2 == 0 {
        // Empty planes are good ones.
        memory.page.initializeMemory(as: UInt8.self, repeating: 0)
        buffer?.pointee.flags = 0
        buffer?.pointee.field = 0
        buffer?.pointee.memory = 1
        buffer?.pointee.bytesused = 0
      }
    case CV4L2_VIDIOC_G_EXT_CTRLS, CV4L2_VIDIOC_S_EXT_CTRLS, CV4L2_VIDIOC_TRY_EXT_CTRLS:
      let controls = argument.baseAddress?.assumingMemoryBound(to: v4l2_ext_controls.self)
      controls?.pointee.which = generator.next() % 2 == 0 ? 0 : 0x0099_0000
      controls?.pointee.count = UInt32(generator.next() % 4)
      controls?.pointee.controls = UnsafeMutablePointer(bitPattern: UInt(memory.address))
    case CV4L2_VIDIOC_REQBUFS:
      argument.storeBytes(of: type, toByteOffset: 4, as: UInt32.self)
      argument.storeBytes(of: 1, toByteOffset: 8, as: UInt32.self)
    case CV4L2_VIDIOC_CREATE_BUFS:
      argument.storeBytes(of: 1, toByteOffset: 8, as: UInt32.self)
      argument.storeBytes(of: type, toByteOffset: 16, as: UInt32.self)
    default: argument.storeBytes(of: type, toByteOffset: 0, as: UInt32.self)
    }
  }

  @Test(
    "No request and no struct brings the device down",
    arguments: VirtualDevice.Configuration.Interface.allCases, [UInt64(1), 2, 3, 4])
  func garbage(api: VirtualDevice.Configuration.Interface, seed: UInt64) throws {
    // Garbage that is always refused at the door would test nothing.
    #expect(try assault(VirtualDevice(.init(api: api, nullDelay: 1)), seed: seed) > 800)
  }

  @Test(
    "Nor does it bring one of the imitated drivers down",
    arguments: VirtualDevice.Personality.all)
  func garbage(personality: VirtualDevice.Personality) throws {
    let device = try VirtualDevice(.init(personality: personality, h264: .null, hevc: .null))
    #expect(try assault(device, seed: 5) > 100)
  }

  /// Makes 8000 requests at random; how many of them succeeded.
  private func assault(_ device: VirtualDevice, seed: UInt64) throws -> Int {
    var generator = SeededGenerator(seed: seed)
    let memory = PageOfMemory()
    let argument = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 16)
    defer { argument.deallocate() }
    var successes = 0
    for _ in 0..<8 {
      let handle = try device.open()
      for _ in 0..<1000 {
        let request = DeviceRequests.all[Int(generator.next() % UInt64(DeviceRequests.all.count))]
        fill(argument, request, &generator, memory)
        let start = try #require(argument.baseAddress)
        let result = handle.ioctl(UInt32(truncatingIfNeeded: request), start, caller: memory)
        #expect(result <= 0 && result > -200)
        if result == 0 { successes += 1 }
        _ = handle.readiness()
      }
      handle.close()
    }
    #expect(device.bufferExtentCount == 0)
    #expect(device.openHandleCount == 0)
    return successes
  }

  @Test("Several threads may use one handle")
  func threads() async throws {
    let device = try VirtualDevice(.init(h264: .null, hevc: .null))
    let client = try DeviceClient(device)
    try StreamTests.start(client)
    let handle = client.handle
    let output = client.type(.output)
    let capture = client.type(.capture)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<4 {
        group.addTask {
          for round in 0..<300 {
            var type = (number + round) % 2 == 0 ? output : capture
            let request =
              (round / 2) % 2 == 0 ? CV4L2_VIDIOC_STREAMOFF : CV4L2_VIDIOC_STREAMON
            withUnsafeMutablePointer(to: &type) {
              _ = handle.ioctl(request, UnsafeMutableRawPointer($0))
            }
            var planes = v4l2_plane()
            withUnsafeMutablePointer(to: &planes) { planes in
              var buffer = v4l2_buffer()
              buffer.type = type
              buffer.index = UInt32(round % 4)
              buffer.memory = V4L2_MEMORY_MMAP.rawValue
              buffer.length = 1
              buffer.m.planes = planes
              withUnsafeMutablePointer(to: &buffer) {
                _ = handle.ioctl(CV4L2_VIDIOC_QBUF, UnsafeMutableRawPointer($0))
              }
              withUnsafeMutablePointer(to: &buffer) {
                _ = handle.ioctl(CV4L2_VIDIOC_DQBUF, UnsafeMutableRawPointer($0))
              }
            }
          }
        }
      }
    }
    try client.stream(.output, on: false)
    try client.stream(.capture, on: false)
    try client.request(.output, 0)
    try client.request(.capture, 0)
    #expect(device.bufferExtentCount == 0)
  }
}
