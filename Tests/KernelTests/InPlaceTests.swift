import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// Frames that the kernel's encoder reads where they are: no copy, and no wrong picture.
  @Suite(.timeLimit(.minutes(3))) struct InPlace {
    private static let small = VideoSize(width: 640, height: 360)
    private static let smallPicture = 640 * 360 * 3 / 2
    /// vicodec's rows for `small`: 8x8 blocks pad them to 368.
    private static let padded = [
      PlaneLayout(offset: 0, bytesPerLine: 640),
      PlaneLayout(offset: 640 * 368, bytesPerLine: 320),
      PlaneLayout(offset: 640 * 368 + 320 * 184, bytesPerLine: 320),
    ]
    private static let paddedByteCount = 640 * 368 * 3 / 2

    private let directory: TemporaryDirectory
    private let clip: PlanarVideo

    init() throws {
      directory = try TemporaryDirectory()
      clip = try Recording.clip()
    }

    private var packed: [PlaneLayout] {
      [
        PlaneLayout(offset: 0, bytesPerLine: 1280),
        PlaneLayout(offset: 1280 * 720, bytesPerLine: 640),
        PlaneLayout(offset: 1280 * 720 * 5 / 4, bytesPerLine: 640),
      ]
    }

    private func record(
      _ frames: Int, named name: String, _ change: (inout EncoderConfiguration) -> Void,
      _ frame: (Int) throws -> VideoFrame
    ) async throws -> Recording {
      try await Recording.make(
        Recording.configuration(change), in: directory, named: name, frames: 0..<frames, frame)
    }

    /// What the same frames become when they are copied; every copy is counted.
    private func copied(_ frames: Int) async throws -> Recording {
      let recording = try await record(frames, named: "copied.fwht", { _ in }) {
        try Recording.frame($0, of: clip)
      }
      #expect(recording.statistics.bytesCopied == frames * clip.frameBytes)
      return recording
    }

    private func expectSame(_ one: Recording, _ other: Recording) {
      expectSame(one.packets, other)
    }

    private func expectSame(_ packets: [EncodedPacket], _ other: Recording) {
      #expect(packets.count == other.packets.count)
      let differing = zip(packets, other.packets).enumerated().filter {
        $1.0.data.array != $1.1.data.array
      }
      #expect(differing.map(\.offset) == [])
    }

    @Test("memory is read where it is, and all of it is released")
    func userPointers() async throws {
      let frames = 40
      let released = Locked(0)
      let reference = try await copied(frames)
      let region = try (0..<6).map { _ in try Region(byteCount: clip.frameBytes) }
      let free = Locked(Set(region.indices))
      let encoder = try await FWHTEncoder.open(
        Recording.configuration { $0.inputMemory = .userPointer(planes: packed) },
        on: .path(try KernelGuest.encoder()))
      let reader = Recording.collect(encoder.packets)
      for index in 0..<frames {
        try await eventually("a free piece of memory") { free.withLock { !$0.isEmpty } }
        let popped = free.withLock { $0.popFirst() }
        let number = try #require(popped)
        region[number].fill(clip.frame(index))
        try await encoder.encode(
          VideoFrame(
            format: .i420, size: Recording.size,
            memory: region[number].lend {
              released.withLock { $0 += 1 }
              free.withLock { _ = $0.insert(number) }
            }, planes: packed, presentationTime: Int64(index)))
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
        30, named: "new.fwht", { $0.inputMemory = .userPointer(planes: packed) }
      ) { try Recording.frame($0, of: clip) }
      #expect(recording.report.isZeroCopy)
      expectSame(recording, reference)
    }

    /// The trap itself: the driver keeps the pages that it pinned behind an address.
    @Test("other pages at the same address", arguments: [true, false])
    func otherPages(tellsIt: Bool) async throws {
      let region = try Region(byteCount: clip.frameBytes)
      let encoder = try await FWHTEncoder.open(
        Recording.configuration { $0.inputMemory = .userPointer(planes: packed) },
        on: .path(try KernelGuest.encoder()))
      let reader = Recording.collect(encoder.packets)
      let kept = region.lend {}
      // Far enough from each other to be different pictures.
      let pictures = stride(from: 0, to: 120, by: 20).map { clip.frame($0) }
      for (index, picture) in pictures.enumerated() {
        try region.exchangePages()
        region.fill(picture)
        // Pages that change under the same memory break its promise; then the trap shuts.
        let memory = tellsIt ? region.lend {} : kept
        try await encoder.encode(
          VideoFrame(
            format: .i420, size: Recording.size, memory: memory, planes: packed,
            presentationTime: Int64(index)))
        try await encoder.drain()
      }
      await encoder.close()
      let stream = try directory.write(try await reader.value.flatMap(\.data.array), to: "out.fwht")
      let decoded = try await Recording.decode(stream, in: directory)
      #expect(decoded.frameCount == pictures.count)
      let wrong = pictures.indices.filter { index in
        lumaDifference(decoded.frame(index), pictures[index]) > 8
      }
      #expect(tellsIt ? wrong.isEmpty : !wrong.isEmpty, "wrong pictures: \(wrong)")
    }

    /// The mean difference of the luma samples of two pictures.
    private func lumaDifference(_ one: [UInt8], _ other: [UInt8]) -> Int {
      let count = Recording.size.width * Recording.size.height
      var sum = 0
      for index in 0..<count { sum += abs(Int(one[index]) - Int(other[index])) }
      return sum / count
    }

    @Test("memory without room for the driver's padding is copied, and that is said once")
    func noRoomForPadding() async throws {
      let recording = try await record(
        8, named: "short.fwht",
        {
          $0.size = Self.small
          $0.inputMemory = .userPointer(planes: Self.padded)
        }
      ) { index in
        // The last rows of padding are missing behind every other picture.
        try small(index, byteCount: Self.paddedByteCount - (index % 2 == 0 ? 0 : 1280))
      }
      #expect(recording.report.isZeroCopy)
      #expect(recording.statistics.bytesCopied == 4 * Self.smallPicture)
      #expect(recording.events.count == 1)
      guard case .frameCopied(let reason) = recording.events.first else {
        Issue.record("\(recording.events)")
        return
      }
      #expect(reason.contains("padding included"))
      let reference = try await smallReference(8)
      expectSame(recording, reference)
    }

    /// The clip's upper left corner, in the driver's layout.
    private func smallBytes(_ index: Int) -> [UInt8] {
      let picture = clip.frame(index)
      var bytes = [UInt8](repeating: 0, count: Self.paddedByteCount)
      let sources = [
        (0, 1280, 640, 360), (1280 * 720, 640, 320, 180), (1280 * 720 * 5 / 4, 640, 320, 180),
      ]
      for (plane, source) in sources.enumerated() {
        let (offset, stride, width, rows) = source
        let target = Self.padded[plane]
        for row in 0..<rows {
          let start = offset + row * stride
          bytes.replaceSubrange(
            target.offset + row * target.bytesPerLine..<target.offset + row * target.bytesPerLine
              + width, with: picture[start..<start + width])
        }
      }
      return bytes
    }

    private func small(_ index: Int, byteCount: Int = paddedByteCount) throws -> VideoFrame {
      try VideoFrame(
        format: .i420, size: Self.small,
        memory: FrameMemory(copying: Array(smallBytes(index).prefix(byteCount))),
        planes: Self.padded, presentationTime: Int64(index))
    }

    private func smallReference(_ frames: Int) async throws -> Recording {
      try await record(frames, named: "small.fwht", { $0.size = Self.small }) { try small($0) }
    }

    @Test("a DMABUF that the driver refuses is copied, with the same result, every byte counted")
    func refusedImport() async throws {
      let frames = 10
      let reference = try await smallReference(frames)
      // All of the picture and not all of the padding: videobuf2-vmalloc answers EFAULT
      // (vb2_vmalloc_attach_dmabuf).
      let exporter = try Exporter(byteCount: Self.paddedByteCount - 1280, count: frames)
      let released = Locked(0)
      let recording = try await record(
        frames, named: "refused.fwht",
        {
          $0.size = Self.small
          $0.inputMemory = .dmabuf(planes: Self.padded)
        }
      ) { index in
        let descriptor = exporter.descriptors[index]
        try exporter.write(
          Array(smallBytes(index).prefix(Self.paddedByteCount - 1280)), to: index)
        return try VideoFrame(
          dmabuf: Self.padded.map {
            DMABUFPlane(descriptor: descriptor, offset: $0.offset, bytesPerLine: $0.bytesPerLine)
          }, format: .i420, size: Self.small, presentationTime: Int64(index)
        ) { released.withLock { $0 += 1 } }
      }
      #expect(recording.events == [.importRefused(Errno(rawValue: EFAULT))])
      #expect(recording.statistics.bytesCopied == frames * Self.smallPicture)
      #expect(released.withLock { $0 } == frames)
      expectSame(recording, reference)
      let decoded = try await Recording.decode(recording.stream, size: Self.small, in: directory)
      #expect(decoded.frameCount == frames)
    }
  }
}
