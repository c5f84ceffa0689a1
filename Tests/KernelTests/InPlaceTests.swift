import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// Frames that the kernel's encoder reads where they are: no copy, and no wrong picture.
  @Suite(.timeLimit(.minutes(3))) struct InPlace {
    private static let size = VideoSize(width: 640, height: 360)
    private static let pictureByteCount = 640 * 360 * 3 / 2
    /// vicodec's own: 8x8 blocks pad the rows to 368.
    private static let planes = [
      PlaneLayout(offset: 0, bytesPerLine: 640),
      PlaneLayout(offset: 640 * 368, bytesPerLine: 320),
      PlaneLayout(offset: 640 * 368 * 5 / 4, bytesPerLine: 320),
    ]
    private static let byteCount = 640 * 368 * 3 / 2

    private let directory: TemporaryDirectory
    private let clip: PlanarVideo

    init() throws {
      directory = try TemporaryDirectory()
      clip = try Recording.clip()
    }

    private func record(
      _ frames: Int, named name: String, in memory: InputMemory = .copied,
      _ frame: (Int) throws -> VideoFrame
    ) async throws -> Recording {
      let configuration = Recording.configuration {
        $0.size = Self.size
        $0.inputMemory = memory
      }
      return try await Recording.make(
        configuration, in: directory, named: name, frames: 0..<frames, frame)
    }

    /// What the same frames become when they are copied; every copy is counted.
    private func copied(_ frames: Int) async throws -> Recording {
      let recording = try await record(frames, named: "copied.fwht") { try frame($0) }
      #expect(recording.statistics.bytesCopied == frames * Self.pictureByteCount)
      return recording
    }

    private func expectSame(_ packets: [EncodedPacket], _ other: Recording) {
      #expect(packets.count == other.packets.count)
      let differing = zip(packets, other.packets).enumerated().filter {
        $1.0.data.array != $1.1.data.array
      }
      #expect(differing.map(\.offset) == [])
    }

    /// The upper left corner of a picture of the clip, in the driver's layout.
    private func bytes(_ index: Int) -> [UInt8] {
      let picture = clip.frame(index)
      var bytes = [UInt8](repeating: 0, count: Self.byteCount)
      let luma = 1280 * 720
      for (plane, source) in [(0, 1280), (luma, 640), (luma * 5 / 4, 640)].enumerated() {
        let (width, rows) = plane == 0 ? (640, 360) : (320, 180)
        for row in 0..<rows {
          let from = source.0 + row * source.1
          let to = Self.planes[plane].offset + row * width
          bytes.replaceSubrange(to..<to + width, with: picture[from..<from + width])
        }
      }
      return bytes
    }

    private func frame(_ index: Int, byteCount: Int = byteCount) throws -> VideoFrame {
      try frame(index, in: FrameMemory(copying: Array(bytes(index).prefix(byteCount))))
    }

    private func frame(_ index: Int, in memory: FrameMemory) throws -> VideoFrame {
      try VideoFrame(
        format: .i420, size: Self.size, memory: memory, planes: Self.planes,
        presentationTime: Int64(index))
    }

    @Test("memory is read where it is, and all of it is released")
    func userPointers() async throws {
      let frames = 40
      let released = Locked(0)
      let reference = try await copied(frames)
      let region = try (0..<6).map { _ in try Region(byteCount: Self.byteCount) }
      let free = Locked(Set(region.indices))
      let encoder = try await FWHTEncoder.open(
        Recording.configuration {
          $0.size = Self.size
          $0.inputMemory = .userPointer(planes: Self.planes)
        },
        on: .path(try KernelGuest.encoder()))
      let reader = Recording.collect(encoder.packets)
      for index in 0..<frames {
        try await eventually("a free piece of memory") { free.withLock { !$0.isEmpty } }
        let popped = free.withLock { $0.popFirst() }
        let number = try #require(popped)
        region[number].fill(bytes(index))
        let memory = region[number].lend {
          released.withLock { $0 += 1 }
          free.withLock { _ = $0.insert(number) }
        }
        try await encoder.encode(frame(index, in: memory))
      }
      // No input buffer of the driver is mapped, so none can have been written.
      let report = encoder.negotiated
      #expect(report.isZeroCopy && !report.differences.contains { $0.contains("copied") })
      #expect(try KernelGuest.holdings().mappings == report.outputBuffers)
      try await encoder.drain()
      #expect(released.withLock { $0 } == frames)
      #expect(encoder.statistics.bytesCopied == 0)
      await encoder.close()
      let packets = try await reader.value
      expectSame(packets, reference)
    }

    @Test("memory that is new for each frame, at addresses that come again, gives no old picture")
    func newMemory() async throws {
      let reference = try await copied(30)
      let recording = try await record(
        30, named: "new.fwht", in: .userPointer(planes: Self.planes)
      ) { try frame($0) }
      #expect(recording.report.isZeroCopy)
      expectSame(recording.packets, reference)
    }

    /// The trap itself: the driver keeps the pages that it pinned behind an address.
    @Test("other pages at the same address", arguments: [true, false])
    func otherPages(tellsIt: Bool) async throws {
      let region = try Region(byteCount: Self.byteCount)
      let encoder = try await FWHTEncoder.open(
        Recording.configuration {
          $0.size = Self.size
          $0.inputMemory = .userPointer(planes: Self.planes)
        },
        on: .path(try KernelGuest.encoder()))
      let reader = Recording.collect(encoder.packets)
      let kept = region.lend {}
      // Far enough from each other to be different pictures.
      let pictures = stride(from: 0, to: 120, by: 20).map { bytes($0) }
      for (index, picture) in pictures.enumerated() {
        try region.exchangePages()
        region.fill(picture)
        // Pages that change under the same memory break its promise; then the trap shuts.
        let memory = tellsIt ? region.lend {} : kept
        try await encoder.encode(frame(index, in: memory))
        try await encoder.drain()
      }
      await encoder.close()
      let stream = try directory.write(try await reader.value.flatMap(\.data.array), to: "out.fwht")
      let decoded = try await Recording.decode(stream, size: Self.size, in: directory)
      #expect(decoded.frameCount == pictures.count)
      let wrong = pictures.indices.filter { index in
        lumaDifference(decoded.frame(index), pictures[index]) > 8
      }
      #expect(tellsIt ? wrong.isEmpty : !wrong.isEmpty, "wrong pictures: \(wrong)")
    }

    /// The mean difference of the luma samples of two pictures.
    private func lumaDifference(_ one: [UInt8], _ other: [UInt8]) -> Int {
      let count = Self.size.width * Self.size.height
      var sum = 0
      for index in 0..<count { sum += abs(Int(one[index]) - Int(other[index])) }
      return sum / count
    }

    @Test("memory without room for the driver's padding is copied, and that is said once")
    func noRoomForPadding() async throws {
      // The last rows of padding are missing behind every other picture.
      let recording = try await record(
        8, named: "short.fwht", in: .userPointer(planes: Self.planes)
      ) { try frame($0, byteCount: Self.byteCount - ($0 % 2 == 0 ? 0 : 1280)) }
      #expect(recording.report.isZeroCopy)
      #expect(recording.statistics.bytesCopied == 4 * Self.pictureByteCount)
      #expect(recording.events.count == 1)
      guard case .frameCopied(let reason) = recording.events.first else {
        Issue.record("\(recording.events)")
        return
      }
      #expect(reason.contains("padding included"))
      expectSame(recording.packets, try await copied(8))
    }

    @Test("a DMABUF that the driver refuses is copied, with the same result, every byte counted")
    func refusedImport() async throws {
      let frames = 10
      let reference = try await copied(frames)
      // All of the picture and not all of the padding: videobuf2-vmalloc answers EFAULT
      // (vb2_vmalloc_attach_dmabuf).
      let exporter = try Exporter(byteCount: Self.byteCount - 1280, count: frames)
      let released = Locked(0)
      let recording = try await record(
        frames, named: "refused.fwht", in: .dmabuf(planes: Self.planes)
      ) { index in
        let descriptor = exporter.descriptors[index]
        try exporter.write(Array(bytes(index).prefix(Self.byteCount - 1280)), to: index)
        return try VideoFrame(
          dmabuf: Self.planes.map {
            DMABUFPlane(descriptor: descriptor, offset: $0.offset, bytesPerLine: $0.bytesPerLine)
          }, format: .i420, size: Self.size, presentationTime: Int64(index)
        ) { released.withLock { $0 += 1 } }
      }
      #expect(recording.events == [.importRefused(Errno(rawValue: EFAULT))])
      #expect(recording.statistics.bytesCopied == frames * Self.pictureByteCount)
      #expect(released.withLock { $0 } == frames)
      expectSame(recording.packets, reference)
      let decoded = try await Recording.decode(recording.stream, size: Self.size, in: directory)
      #expect(decoded.frameCount == frames)
    }
  }
}
