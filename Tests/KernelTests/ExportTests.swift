import CV4L2
import Foundation
import Glibc
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// The encoder's own buffers as DMABUFs, rendered into by others.
  @Suite(.timeLimit(.minutes(2))) struct Export {
    private static let size = VideoSize(width: 640, height: 480)
    private static let byteCount = 640 * 480 * 3 / 2
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open() async throws -> FWHTEncoder {
      let configuration = Recording.configuration {
        $0.size = Self.size
        $0.inputFormat = .nv12
      }
      return try await FWHTEncoder.open(configuration, on: .path(try KernelGuest.encoder()))
    }

    /// Two levels of grey, one beside the other.
    private func picture(_ number: Int) -> [UInt8] {
      var bytes = [UInt8](repeating: 128, count: Self.byteCount)
      for offset in 0..<640 * 480 {
        bytes[offset] = offset % 640 < 320 ? UInt8(40 + 20 * number) : 200
      }
      return bytes
    }

    /// Writes through a mapping of the DMABUF, and undoes the mapping.
    private func write(_ bytes: [UInt8], to descriptor: Int32) throws {
      var address: UnsafeMutableRawPointer?
      guard cv4l2_mmap(descriptor, bytes.count, 0, &address) == 0, let address else {
        throw TestSupportError("the DMABUF cannot be mapped")
      }
      UnsafeMutableRawBufferPointer(start: address, count: bytes.count).copyBytes(from: bytes)
      _ = cv4l2_munmap(address, bytes.count)
    }

    /// Whether a descriptor stands for a DMABUF.
    private func isDMABUF(_ descriptor: Int32) -> Bool {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)"))?
        .contains("dmabuf") ?? false
    }

    @Test("what is written through the DMABUF is encoded; it lives as long as the encoder")
    func written() async throws {
      let frames = 8
      let reference = try await Recording.make(
        Recording.configuration {
          $0.size = Self.size
          $0.inputFormat = .nv12
        }, in: directory, frames: 0..<frames
      ) { index in
        try VideoFrame(
          format: .nv12, size: Self.size, memory: FrameMemory(copying: picture(index)),
          presentationTime: Int64(index))
      }
      let encoder = try await open()
      let reader = Recording.collect(encoder.packets)
      var descriptors: [Int32] = []
      for index in 0..<frames {
        let buffer = try await encoder.nextInputBuffer()
        let planes = try buffer.dmabufPlanes()
        #expect(
          planes.map(\.offset) == [0, 640 * 480] && planes.map(\.bytesPerLine) == [640, 640])
        let descriptor = try #require(planes.first?.descriptor)
        #expect(planes.allSatisfy { $0.descriptor == descriptor } && isDMABUF(descriptor))
        let again = try buffer.dmabufPlanes()
        #expect(again == planes)
        descriptors.append(descriptor)
        try write(picture(index), to: descriptor)
        try await encoder.encode(
          buffer, presentationTime: Int64(index), duration: 1, options: FrameOptions())
      }
      // One for each buffer, however often it was lent.
      #expect(Set(descriptors).count <= encoder.negotiated.inputBuffers)
      let kept = dup(descriptors[0])
      defer { Glibc.close(kept) }
      try await encoder.drain()
      #expect(encoder.statistics.bytesCopied == 0)
      await encoder.close()
      let packets = try await reader.value
      #expect(packets.count == frames)
      let differing = zip(packets, reference.packets).enumerated().filter {
        $1.0.data.array != $1.1.data.array
      }
      #expect(differing.map(\.offset) == [])
      #expect(descriptors.allSatisfy { !isDMABUF($0) })
      // A duplicate keeps the memory, not the device.
      try write(picture(0), to: kept)
      #expect(try KernelGuest.holdings() == (0, 0))
    }

    @Test("a loan that outlives the encoder keeps its DMABUF until it is dropped")
    func outlivingLoan() async throws {
      let encoder = try await open()
      let buffer = try await encoder.nextInputBuffer()
      let exported = try buffer.dmabufPlanes().first?.descriptor
      let descriptor = try #require(exported)
      await encoder.close()
      #expect(isDMABUF(descriptor))
      try write(picture(1), to: descriptor)
      do throws(EncoderError) {
        _ = try buffer.dmabufPlanes()
        Issue.record("exported by a closed encoder")
      } catch {
        #expect(error.code == .closed)
      }
      _ = consume buffer
      #expect(!isDMABUF(descriptor))
      try await eventually("the device is given back") { try KernelGuest.holdings() == (0, 0) }
    }

    @Test("another device renders into the encoder's buffer: vivid's picture, without a copy")
    func renderedByCamera() async throws {
      let encoder = try await open()
      let reader = Recording.collect(encoder.packets)
      var buffer = try await encoder.nextInputBuffer()
      let exported = try buffer.dmabufPlanes().first?.descriptor
      let descriptor = try #require(exported)
      try render(into: descriptor)
      let rendered = buffer.withMutableBytes(ofPlane: 0) { bytes in
        (0..<640 * 480).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
      }
      let picture = try #require(rendered)
      // Colour bars of 75 %.
      #expect(picture.min() ?? 255 < 60 && picture.max() ?? 0 > 150)
      try await encoder.encode(
        buffer, presentationTime: 0, duration: 1, options: FrameOptions())
      try await encoder.drain()
      #expect(encoder.statistics.bytesCopied == 0)
      await encoder.close()
      let stream = try directory.write(try await reader.value.flatMap(\.data.array), to: "out.fwht")
      let decoded = try await Recording.decode(stream, size: Self.size, in: directory)
      #expect(decoded.frameCount == 1)
      let luma = decoded.frame(0)
      let difference = picture.indices.reduce(0) { $0 + abs(Int(picture[$1]) - Int(luma[$1])) }
      #expect(difference / picture.count < 4)
    }

    /// Lets vivid write one picture into a DMABUF.
    private func render(into descriptor: Int32) throws {
      let type = V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
      let camera = try KernelTransport().open(try KernelGuest.node(named: "vivid-000-vid-cap"))
      defer { camera.close() }
      var wanted = try camera.format(type)
      wanted.format = .nv12
      wanted.size = Self.size
      wanted.planes = [QueueFormat.Plane(bytesPerLine: 0, byteCount: 0)]
      let format = try camera.setFormat(type, wanted)
      #expect(format.size == Self.size && format.planes.map(\.byteCount) == [Self.byteCount])
      _ = try camera.requestBuffers(type, count: 2, memory: .imported)
      for index in 0..<2 {
        try camera.queueFrame(
          type, index: index, bytesUsed: PlaneByteCounts([Self.byteCount]), timestamp: 0,
          bytes: .descriptors(PlaneDescriptors([descriptor])))
      }
      try camera.streamOn(type)
      let ready = try camera.wait(for: .capture, until: .now + .seconds(10))
      guard ready.contains(.capture),
        case .buffer(let filled) = try camera.dequeue(type, memory: .imported)
      else { throw TestSupportError("vivid renders nothing") }
      #expect(!filled.flags.contains(.error))
      try camera.streamOff(type)
    }
  }
}
