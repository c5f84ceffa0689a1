import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// DMABUF frames, played by memfds: the virtual device imports them as a driver imports DMABUFs.
@Suite(.timeLimit(.minutes(2))) struct ZeroCopyTests {
  /// A producer with a few buffers that go round.
  final class Producer: Sendable {
    let size: VideoSize
    let bytesPerLine: Int
    let rows: Int
    let descriptors: [Int32]
    private let lent = Locked<Set<Int32>>([])
    private let releases = Locked(0)

    init(size: VideoSize, bytesPerLine: Int, rows: Int, count: Int) throws {
      self.size = size
      self.bytesPerLine = bytesPerLine
      self.rows = rows
      descriptors = (0..<count).map { _ in cv4l2_memfd_create("producer") }
      for descriptor in descriptors {
        guard descriptor >= 0, ftruncate(descriptor, off_t(bytesPerLine * rows * 3 / 2)) == 0
        else { throw TestSupportError("no memfd") }
      }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    var releaseCount: Int { releases.withLock { $0 } }
    var lentCount: Int { lent.withLock { $0.count } }

    /// The layout of NV12 in these buffers.
    var planes: [PlaneLayout] {
      [
        PlaneLayout(offset: 0, bytesPerLine: bytesPerLine),
        PlaneLayout(offset: bytesPerLine * rows, bytesPerLine: bytesPerLine),
      ]
    }

    /// Fills the next free buffer with a grey of this level and lends it.
    func frame(_ time: Int64, level: UInt8) async throws -> VideoFrame {
      var free: Int32?
      try await eventually("a free buffer of the producer") {
        self.lent.withLock { $0.count } < self.descriptors.count
      }
      lent.withLock { lent in
        free = descriptors.first { !lent.contains($0) }
        if let free { lent.insert(free) }
      }
      guard let descriptor = free else { throw TestSupportError("no free buffer") }
      var bytes = [UInt8](repeating: 0xff, count: bytesPerLine * rows * 3 / 2)
      for row in 0..<size.height {
        for column in 0..<size.width { bytes[row * bytesPerLine + column] = level }
      }
      for row in 0..<size.height / 2 {
        for column in 0..<size.width {
          bytes[bytesPerLine * rows + row * bytesPerLine + column] = 128
        }
      }
      guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
        throw TestSupportError("short write")
      }
      return try VideoFrame(
        dmabuf: planes.map {
          DMABUFPlane(
            descriptor: descriptor, offset: $0.offset, bytesPerLine: $0.bytesPerLine)
        }, format: .nv12, size: size, presentationTime: time
      ) {
        self.lent.withLock { _ = $0.remove(descriptor) }
        self.releases.withLock { $0 += 1 }
      }
    }
  }

  private static let size = VideoSize(width: 320, height: 184)

  private func configuration(_ producer: Producer) -> EncoderConfiguration {
    var configuration = EncoderConfiguration(
      size: producer.size, inputFormat: .nv12, rateControl: .constantQuantizer(20))
    configuration.timeBase = Rational(1, 30)
    configuration.inputMemory = .dmabuf(planes: producer.planes)
    return configuration
  }

  /// Encodes frames of rising brightness, drains, encodes again; returns the luma of each.
  private func run(
    _ producer: Producer, on selector: DeviceSelector, frames: Int = 20,
    observer: EncoderObserver = EncoderObserver()
  ) async throws -> (lumas: [Int], report: NegotiationReport) {
    let encoder = try await H264Encoder.open(
      configuration(producer), on: selector, observer: observer)
    let reader = Harness.collect(encoder.packets)
    for index in 0..<frames {
      if index == frames / 2 { try await encoder.drain() }
      try await encoder.encode(
        producer.frame(Int64(index), level: UInt8(40 + index * 8)))
    }
    try await encoder.drain()
    let report = encoder.negotiated
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<Int64(frames)).map { $0 })
    let directory = try TemporaryDirectory()
    let stream = try directory.write(packets.flatMap(\.data.array), to: "out.h264")
    let decoded = try await MediaTools.decode(stream: stream, in: directory)
    let middle = producer.size.width * producer.size.height / 2 + producer.size.width / 2
    return ((0..<decoded.frameCount).map { Int(decoded.frame($0)[middle]) }, report)
  }

  private func expectRising(_ lumas: [Int], frames: Int = 20) {
    #expect(lumas.count == frames)
    for (index, luma) in lumas.enumerated() { #expect(abs(luma - (40 + index * 8)) <= 4) }
  }

  @Test(
    "frames are read in place, and given back",
    arguments: VirtualDevice.Configuration.Interface.allCases)
  func zeroCopy(api: VirtualDevice.Configuration.Interface) async throws {
    let device = try VirtualDevice(VirtualDevice.Configuration(api: api))
    let producer = try Producer(size: Self.size, bytesPerLine: 384, rows: 192, count: 6)
    let memories = Locked<Set<UInt32>>([])
    let outputs = [
      V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue,
    ]
    let transport = BentTransport(device) { request, argument, device in
      if request == CV4L2_VIDIOC_QBUF, outputs.contains(buffer(argument).pointee.type) {
        let memory = buffer(argument).pointee.memory
        memories.withLock { _ = $0.insert(memory) }
      }
      return device.perform(request, argument)
    }
    let (lumas, report) = try await run(producer, on: transport.selector)
    expectRising(lumas)
    #expect(report.isZeroCopy)
    #expect(memories.withLock { $0 } == [V4L2_MEMORY_DMABUF.rawValue])
    #expect(report.bytesPerLine == [384])
    #expect(report.bufferSize.height == 192)
    #expect(report.differences == [])
    #expect(producer.releaseCount == 20)
    #expect(producer.lentCount == 0)
  }

  @Test("lines the driver does not want: copied, decided before the first frame")
  func otherLines() async throws {
    // 328 is no multiple of the device's 64 bytes.
    let producer = try Producer(size: Self.size, bytesPerLine: 328, rows: 184, count: 4)
    let (lumas, report) = try await run(producer, on: .virtual(VirtualDevice()))
    expectRising(lumas)
    #expect(!report.isZeroCopy)
    #expect(report.differences.contains { $0.contains("copied") })
    #expect(producer.releaseCount == 20)
  }

  @Test("a driver without DMABUF on this queue: copied", arguments: [EINVAL])
  func noImport(code: Int32) async throws {
    let transport = BentTransport(try VirtualDevice()) { request, argument, device in
      if request == CV4L2_VIDIOC_REQBUFS,
        argument.assumingMemoryBound(to: v4l2_requestbuffers.self).pointee.memory
          == V4L2_MEMORY_DMABUF.rawValue
      {
        return -code
      }
      return device.perform(request, argument)
    }
    let producer = try Producer(size: Self.size, bytesPerLine: 384, rows: 184, count: 4)
    let (lumas, report) = try await run(producer, on: transport.selector)
    expectRising(lumas)
    #expect(!report.isZeroCopy)
    #expect(producer.releaseCount == 20)
  }

  @Test(
    "a refused import is reported once, and everything is copied from then on",
    arguments: [(EFAULT, 0), (EINVAL, 0), (EFAULT, 5)])
  func refusedImport(code: Int32, accepted: Int) async throws {
    let count = Locked(0)
    let transport = BentTransport(try VirtualDevice()) { request, argument, device in
      if request == CV4L2_VIDIOC_QBUF,
        buffer(argument).pointee.memory == V4L2_MEMORY_DMABUF.rawValue
      {
        let isRefused = count.withLock { count -> Bool in
          count += 1
          return count > accepted
        }
        if isRefused { return -code }
      }
      return device.perform(request, argument)
    }
    let events = Locked<[EncoderEvent]>([])
    let producer = try Producer(size: Self.size, bytesPerLine: 384, rows: 184, count: 4)
    let (lumas, _) = try await run(
      producer, on: transport.selector,
      observer: EncoderObserver(event: { event in events.withLock { $0.append(event) } }))
    expectRising(lumas)
    #expect(events.withLock { $0 } == [.importRefused(Errno(rawValue: code))])
    #expect(producer.releaseCount == 20)
    #expect(producer.lentCount == 0)
  }

  @Test func tiledPicturesAreRefusedByName() async throws {
    let released = Locked(false)
    do throws(EncoderError) {
      _ = try VideoFrame(
        dmabuf: [
          DMABUFPlane(descriptor: 3, offset: 0, bytesPerLine: 320),
          DMABUFPlane(descriptor: 3, offset: 320 * 184, bytesPerLine: 320),
        ], format: .nv12, size: Self.size, modifier: 0x0700_0000_0000_0004, presentationTime: 0
      ) { released.withLock { $0 = true } }
      Issue.record("accepted")
    } catch {
      #expect(error.code == .invalidFrame)
      #expect(error.message.contains("Broadcom"))
    }
    #expect(released.withLock { $0 })
  }

  @Test func memoryFramesDoNotGoIntoAnImportingEncoder() async throws {
    let producer = try Producer(size: Self.size, bytesPerLine: 384, rows: 184, count: 2)
    let encoder = try await H264Encoder.open(
      configuration(producer), on: .virtual(VirtualDevice()))
    #expect(encoder.negotiated.isZeroCopy)
    do throws(EncoderError) {
      let memory = FrameMemory(copying: [UInt8](repeating: 0, count: 320 * 184 * 3 / 2))
      try await encoder.encode(
        VideoFrame(format: .nv12, size: Self.size, memory: memory, presentationTime: 0))
      Issue.record("accepted")
    } catch {
      #expect(error.code == .invalidFrame)
    }
    await #expect(throws: EncoderError.self) { _ = try await encoder.nextInputBuffer() }
    // Neither refusal keeps a place.
    let reader = Harness.collect(encoder.packets)
    for index in 0..<8 {
      try await encoder.encode(producer.frame(Int64(index), level: 100))
    }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.count == 8)
  }

  @Test("a device that exports nothing says so, and the buffer stays usable")
  func noExport() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    let buffer = try await encoder.nextInputBuffer()
    do throws(EncoderError) {
      _ = try buffer.dmabufPlanes()
      Issue.record("exported")
    } catch {
      #expect(error.code == .unsupported && error.operation == "VIDIOC_EXPBUF")
      #expect(error.message.contains("exports no input buffers"))
    }
    try await encoder.encode(
      buffer, presentationTime: 0, duration: 1, options: FrameOptions())
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.count == 1)
  }
}
