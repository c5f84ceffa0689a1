import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

/// Frames of mapped files on their way into a driver's buffer.
///
/// The memory never holds what the file does, so that it shows which of both was read.
@Suite struct FileFrameTests {
  private static let sizes = [VideoSize(width: 38, height: 10), VideoSize(width: 34, height: 9)]
  /// Where the frame begins, as after the headers of a y4m file.
  private static let offset = 7
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  @Test(
    "Planes that only move are read from the file",
    arguments: [
      (PixelFormat.i420, PixelFormat.nv12), (.yv12, .nv12), (.i420, .nv21), (.i420, .nv12m),
      (.i420, .i420), (.nv12, .nv12), (.nv12, .nv12m), (.i420, .i420m), (.yuyv, .yuyv),
      (.bgra, .bgra), (.i422, .i422), (.i422, .nv12),
    ], sizes)
  func planesThatMove(formats: (PixelFormat, PixelFormat), size: VideoSize) throws {
    let (source, target) = formats
    let writer = try Self.writer(source, target, size)
    let layout = try RasterLayout.packed(source, size: size)
    let (bytes, others) = Self.contents(layout.byteCount)
    let frame = try frame(source, size, file: bytes, memory: others, layout.planes)
    // Two rows of 4:2:2 become one of 4:2:0 on the way.
    let isRead = source != .i422 || target == .i422
    let plain = try Self.plainFrame(source, size, isRead ? bytes : others, layout.planes)
    #expect(try Self.write(frame, writer) == Self.write(plain, writer))
    // A second frame finds the memory for its chroma used.
    #expect(try Self.write(frame, writer) == Self.write(plain, writer))
  }

  /// What lies beside the picture is not to be written.
  @Test func paddedRowsAreReadFromMemory() throws {
    let size = Self.sizes[0]
    let packed = try RasterLayout.packed(.i420, size: size)
    let padded = try RasterLayout.packed(.i420, size: VideoSize(width: 48, height: 10))
    for (layout, stride) in [(packed, 64), (padded, 38)] {
      let writer = try Self.writer(.i420, .nv12, size, stride: stride)
      let (bytes, others) = Self.contents(layout.byteCount)
      let frame = try frame(.i420, size, file: bytes, memory: others, layout.planes)
      let plain = try Self.plainFrame(.i420, size, others, layout.planes)
      #expect(try Self.write(frame, writer) == Self.write(plain, writer))
    }
  }

  /// Only a part of larger frames is encoded.
  @Test func croppedFramesAreReadFromMemory() throws {
    let size = Self.sizes[0]
    let visible = VideoSize(width: 38, height: 8)
    let writer = try Self.writer(.i420, .nv12, size, visible: visible)
    let layout = try RasterLayout.packed(.i420, size: size)
    let (bytes, others) = Self.contents(layout.byteCount)
    let frame = try frame(.i420, size, file: bytes, memory: others, layout.planes)
    let plain = try Self.plainFrame(.i420, size, others, layout.planes)
    #expect(try Self.write(frame, writer) == Self.write(plain, writer))
  }

  /// What a file lacks is the business of whoever mapped it.
  @Test(arguments: [PixelFormat.i420, .nv12])
  func filesThatBecameShorterAreReadFromMemory(format: PixelFormat) throws {
    let size = Self.sizes[0]
    let writer = try Self.writer(format, .nv12, size)
    let layout = try RasterLayout.packed(format, size: size)
    let (bytes, others) = Self.contents(layout.byteCount)
    let plain = try Self.plainFrame(format, size, others, layout.planes)
    let expected = try Self.write(plain, writer)
    for count in [0, 100, bytes.count - 1] {
      let frame = try frame(
        format, size, file: Array(bytes.prefix(count)), memory: others, layout.planes)
      #expect(try Self.write(frame, writer) == expected, "\(count) bytes")
    }
  }
}

extension FileFrameTests {
  /// The bytes of a file with a frame, and of memory that holds something else.
  private static func contents(_ byteCount: Int) -> ([UInt8], [UInt8]) {
    var generator = SeededGenerator(seed: 5)
    let bytes = (0..<offset + byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
    return (bytes, bytes.map { ~$0 })
  }

  /// A writer into buffers with more rows than the picture has.
  private static func writer(
    _ source: PixelFormat, _ target: PixelFormat, _ size: VideoSize, visible: VideoSize? = nil,
    stride: Int? = nil
  ) throws -> FrameWriter {
    let info = try #require(target.info)
    let buffer = VideoSize(width: size.width, height: size.height + 6)
    let lines = info.planes.map { $0.rowBytes(width: stride ?? size.width) }
    let counts = zip(info.planes, lines).map { $0.rows(height: buffer.height) * $1 }
    let planes =
      info.memoryPlanes == 1
      ? [QueueFormat.Plane(bytesPerLine: lines[0], byteCount: counts.reduce(0, +))]
      : zip(lines, counts).map { QueueFormat.Plane(bytesPerLine: $0, byteCount: $1) }
    return try FrameWriter(
      inputFormat: source, frameSize: size, visibleSize: visible ?? size,
      rawFormat: QueueFormat(format: target, size: buffer, planes: planes), color: .bt709)
  }

  private func frame(
    _ format: PixelFormat, _ size: VideoSize, file: [UInt8], memory: [UInt8],
    _ planes: [PlaneLayout]
  ) throws -> VideoFrame {
    let path = try directory.write(file, to: "frames")
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    try #require(descriptor >= 0)
    let start = UnsafeMutableRawBufferPointer.allocate(byteCount: memory.count, alignment: 64)
    start.copyBytes(from: memory)
    let address = UInt(bitPattern: start.baseAddress)
    let memory = FrameMemory(
      unsafeStart: try #require(UnsafeRawPointer(start.baseAddress)), byteCount: memory.count,
      mapping: descriptor
    ) {
      UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
      close(descriptor)
    }
    return try VideoFrame(
      format: format, size: size, memory: memory, offset: Self.offset, planes: planes,
      presentationTime: 0)
  }

  private static func plainFrame(
    _ format: PixelFormat, _ size: VideoSize, _ bytes: [UInt8], _ planes: [PlaneLayout]
  ) throws -> VideoFrame {
    try VideoFrame(
      format: format, size: size, memory: FrameMemory(copying: bytes), offset: offset,
      planes: planes, presentationTime: 0)
  }

  /// Everything that a buffer holds afterwards.
  private static func write(_ frame: VideoFrame, _ writer: FrameWriter) throws -> [UInt8] {
    let buffer = Buffer(writer.bytesUsed)
    _ = try writer.write(frame, into: buffer)
    return buffer.bytes
  }

  /// The memory planes of a buffer, one after the other.
  private final class Buffer: PlaneMemory {
    private let memory: UnsafeMutableRawBufferPointer
    private let starts: [Int]

    init(_ byteCounts: PlaneByteCounts) {
      var starts = [0]
      for plane in 0..<byteCounts.planeCount { starts.append(starts[plane] + byteCounts[plane]) }
      self.starts = starts
      memory = .allocate(byteCount: starts[byteCounts.planeCount], alignment: 64)
      memory.initializeMemory(as: UInt8.self, repeating: 0xa5)
    }

    deinit { memory.deallocate() }

    var bytes: [UInt8] { Array(memory) }

    func address(ofPlane plane: Int) -> UnsafeMutableRawPointer {
      // The memory is not empty.
      memory.baseAddress.unsafelyUnwrapped + starts[plane]
    }
  }
}
