import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Frames in memory of this process that the device reads where they are.
@Suite(.timeLimit(.minutes(2))) struct UserPointerTests {
  private static let size = VideoSize(width: 320, height: 184)
  private static let bytesPerLine = 384
  private static let rows = 192
  private static let pictureByteCount = 320 * 184 * 3 / 2
  private static let planes = [
    PlaneLayout(offset: 0, bytesPerLine: bytesPerLine),
    PlaneLayout(offset: bytesPerLine * rows, bytesPerLine: bytesPerLine),
  ]

  private final class Releases: Sendable {
    private let total = Locked(0)
    var count: Int { total.withLock { $0 } }
    func add() { total.withLock { $0 += 1 } }
  }

  private let releases = Releases()

  private func configuration() -> EncoderConfiguration {
    var configuration = EncoderConfiguration(
      size: Self.size, inputFormat: .nv12, rateControl: .constantQuantizer(20))
    configuration.timeBase = Rational(1, 30)
    configuration.inputMemory = .userPointer(planes: Self.planes)
    return configuration
  }

  /// A grey whose level tells the frame's number.
  private func frame(_ index: Int, rows: Int = rows, shift: Int = 0) throws -> VideoFrame {
    let level = UInt8(40 + index * 8)
    // The same address comes again after it was freed, and the planes end with their page.
    let count = Self.bytesPerLine * rows * 3 / 2 + 128 + shift
    let start = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 4096)
    // What no row of the picture covers must not be seen.
    memset(start, 0xff, count)
    let luma = start + shift
    for row in 0..<Self.size.height { memset(luma + row * Self.bytesPerLine, Int32(level), 320) }
    let chroma = luma + Self.bytesPerLine * Self.rows
    for row in 0..<Self.size.height / 2 { memset(chroma + row * Self.bytesPerLine, 128, 320) }
    let address = UInt(bitPattern: start)
    return try VideoFrame(
      format: .nv12, size: Self.size,
      memory: FrameMemory(unsafeStart: start, byteCount: count) { [releases] in
        UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
        releases.add()
      }, offset: shift, planes: Self.planes, presentationTime: Int64(index))
  }

  private struct Outcome {
    var lumas: [Int]
    var report: NegotiationReport
    var statistics: EncoderStatistics
    var events: [EncoderEvent]
    /// The memory types of the requests that queued a frame.
    var memories: Set<UInt32>
  }

  /// Encodes 20 frames of rising brightness with a drain between them.
  private func run(
    on device: VirtualDevice, refusing: @escaping BentTransport.Refusal = { _, _ in nil },
    _ frame: (Int) throws -> VideoFrame
  ) async throws -> Outcome {
    let memories = Locked<Set<UInt32>>([])
    let outputs = [
      V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue,
    ]
    let transport = BentTransport(device) { request, argument, device in
      if let errno = refusing(request, argument) { return -errno }
      if request == CV4L2_VIDIOC_QBUF, outputs.contains(buffer(argument).pointee.type) {
        let memory = buffer(argument).pointee.memory
        memories.withLock { _ = $0.insert(memory) }
      }
      return device.perform(request, argument)
    }
    let events = Locked<[EncoderEvent]>([])
    let encoder = try await H264Encoder.open(
      configuration(), on: transport.selector,
      observer: EncoderObserver(event: { event in events.withLock { $0.append(event) } }))
    let reader = Harness.collect(encoder.packets)
    for index in 0..<20 {
      if index == 10 { try await encoder.drain() }
      try await encoder.encode(try frame(index))
    }
    try await encoder.drain()
    // The driver has returned everything, so that nothing is held although the encoder is open.
    #expect(releases.count == 20)
    let report = encoder.negotiated
    let statistics = encoder.statistics
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<Int64(20)).map { $0 })
    let directory = try TemporaryDirectory()
    let stream = try directory.write(packets.flatMap(\.data.array), to: "out.h264")
    let decoded = try await MediaTools.decode(stream: stream, in: directory)
    let middle = Self.size.width * Self.size.height / 2 + Self.size.width / 2
    return Outcome(
      lumas: (0..<decoded.frameCount).map { Int(decoded.frame($0)[middle]) }, report: report,
      statistics: statistics, events: events.withLock { $0 }, memories: memories.withLock { $0 })
  }

  private func expectRising(_ lumas: [Int]) {
    #expect(lumas.count == 20)
    for (index, luma) in lumas.enumerated() { #expect(abs(luma - (40 + index * 8)) <= 4) }
  }

  @Test(
    "memory is read in place, and released when the driver returns it",
    arguments: VirtualDevice.Configuration.Interface.allCases)
  func inPlace(api: VirtualDevice.Configuration.Interface) async throws {
    let device = try VirtualDevice(VirtualDevice.Configuration(api: api))
    let outcome = try await run(on: device) { try frame($0) }
    expectRising(outcome.lumas)
    #expect(outcome.report.isZeroCopy && outcome.report.differences == [])
    #expect(outcome.memories == [V4L2_MEMORY_USERPTR.rawValue])
    #expect(outcome.statistics.bytesCopied == 0)
    #expect(outcome.events == [])
  }

  @Test("what cannot be read in place is copied, and said once")
  func unsuitable() async throws {
    let outcome = try await run(on: VirtualDevice()) { index in
      switch index {
      // The driver would read beyond the end.
      case 3: try frame(index, rows: 191)
      // No device is promised odd addresses.
      case 5: try frame(index, shift: 1)
      default: try frame(index)
      }
    }
    expectRising(outcome.lumas)
    #expect(outcome.report.isZeroCopy)
    #expect(outcome.memories == [V4L2_MEMORY_USERPTR.rawValue])
    #expect(outcome.statistics.bytesCopied == 2 * Self.pictureByteCount)
    #expect(outcome.events.count == 1)
    guard case .frameCopied(let reason) = outcome.events.first else {
      Issue.record("\(outcome.events)")
      return
    }
    #expect(reason.contains("padding included"))
  }

  @Test("a driver without USERPTR: copied, decided before the first frame")
  func noUserPointers() async throws {
    let outcome = try await run(
      on: VirtualDevice(),
      refusing: { request, argument in
        guard request == CV4L2_VIDIOC_REQBUFS,
          argument.assumingMemoryBound(to: v4l2_requestbuffers.self).pointee.memory
            == V4L2_MEMORY_USERPTR.rawValue
        else { return nil }
        return EINVAL
      }
    ) { try frame($0) }
    expectRising(outcome.lumas)
    #expect(!outcome.report.isZeroCopy)
    #expect(outcome.report.differences.count { $0.contains("USERPTR") } == 1)
    #expect(outcome.memories == [V4L2_MEMORY_MMAP.rawValue])
    #expect(outcome.statistics.bytesCopied == 20 * Self.pictureByteCount)
    #expect(outcome.events == [])
  }

  @Test("a refused address is reported once, and everything is copied from then on")
  func refusedAddress() async throws {
    let count = Locked(0)
    let outcome = try await run(
      on: VirtualDevice(),
      refusing: { request, argument in
        guard request == CV4L2_VIDIOC_QBUF,
          buffer(argument).pointee.memory == V4L2_MEMORY_USERPTR.rawValue
        else { return nil }
        return count.withLock { count in
          count += 1
          return count > 5 ? EFAULT : nil
        }
      }
    ) { try frame($0) }
    expectRising(outcome.lumas)
    #expect(outcome.memories == [V4L2_MEMORY_USERPTR.rawValue, V4L2_MEMORY_MMAP.rawValue])
    #expect(outcome.statistics.bytesCopied == 15 * Self.pictureByteCount)
    #expect(outcome.events == [.importRefused(Errno(rawValue: EFAULT))])
  }

  @Test("lines the driver does not want: copied, decided before the first frame")
  func otherLines() async throws {
    var configuration = configuration()
    // 328 is no multiple of the device's 64 bytes.
    configuration.inputMemory = .userPointer(planes: [
      PlaneLayout(offset: 0, bytesPerLine: 328), PlaneLayout(offset: 328 * 184, bytesPerLine: 328),
    ])
    let encoder = try await H264Encoder.open(configuration, on: .virtual(VirtualDevice()))
    #expect(!encoder.negotiated.isZeroCopy)
    #expect(encoder.negotiated.differences.contains { $0.contains("frames are copied") })
    await encoder.close()
  }

  @Test("memory with the same address as other memory before never goes to the same place")
  func staleAddresses() throws {
    var table = PointerTable(count: 2)
    var pool = InputPool(count: 2)
    let first = FrameMemory(byteCount: 64) { _ in }
    let second = FrameMemory(byteCount: 64) { _ in }
    #expect(first.identity != second.identity)
    var addresses = PlaneAddresses()
    addresses[0] = 0x1000
    let reserved = pool.reserve()
    let index = try #require(reserved)
    #expect(!table.isStale(index, addresses, owner: first.identity))
    table.attach(first, at: addresses, to: index)
    #expect(table.detach(index) === first)
    // Released memory is forgotten, its address is not.
    #expect(!table.isStale(index, addresses, owner: first.identity))
    #expect(table.isStale(index, addresses, owner: second.identity))
    let exchanged = pool.exchange(index) { !table.isStale($0, addresses, owner: second.identity) }
    let other = try #require(exchanged)
    #expect(other != index)
    table.attach(second, at: addresses, to: other)
    // Now both places know that address.
    let third = FrameMemory(byteCount: 64) { _ in }
    let none = pool.exchange(other) { !table.isStale($0, addresses, owner: third.identity) }
    #expect(none == nil)
    table.attach(BounceBuffer(planes: PlaneByteCounts([64, 32])), to: index)
    #expect(!table.isStale(index, addresses, owner: third.identity))
  }
}
