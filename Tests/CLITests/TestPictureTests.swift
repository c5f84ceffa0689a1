import TestSupport
import Testing
import V4L2Encoder

@testable import v4l2enc_cli

@Suite struct TestPictureTests {
  /// Painting takes a while without optimization, so every test shares the same sources.
  private static let sources = Locked([String: TestSource]())

  /// The bytes of one row of a plane of a frame.
  private func row(_ frame: VideoFrame, plane: Int, _ y: Int, count: Int) -> [UInt8] {
    guard case .memory(let memory, let offset) = frame.storage else { return [] }
    let layout = frame.planes[plane]
    let start = offset + layout.offset + y * layout.bytesPerLine
    let bytes = memory.bytes
    return (start..<start + count).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
  }

  private func frame(_ name: String, _ number: Int64, format: PixelFormat) throws -> VideoFrame {
    let source = try Self.sources.withLock { sources in
      if let source = sources["\(name) \(format)"] { return source }
      var options = EncodeOptions()
      options.size = VideoSize(width: 64, height: 48)
      options.format = format
      options.frames = 1 << 30
      let source = try TestSource(named: name, options: options, defaultRate: Rational(30))
      sources["\(name) \(format)"] = source
      return source
    }
    return try #require(try source.next(number))
  }

  @Test func barsGoFromWhiteToBlackOverARamp() throws {
    let frame = try frame("bars", 0, format: .i420)
    let luma = row(frame, plane: 0, 0, count: 64)
    #expect(
      stride(from: 0, to: 64, by: 8).map { luma[$0] } == [180, 162, 131, 112, 84, 65, 35, 16])
    let ramp = row(frame, plane: 0, 47, count: 64)
    #expect(ramp.first == 16)
    #expect(ramp.last == 235)
    #expect(ramp == ramp.sorted())
    #expect(row(frame, plane: 1, 0, count: 32)[5] == 44)
    #expect(row(frame, plane: 2, 0, count: 32)[5] == 142)
  }

  @Test func motionMovesTwoPixelsPerFrame() throws {
    let (first, second) = (
      try frame("motion", 0, format: .i420), try frame("motion", 1, format: .i420)
    )
    #expect(
      row(first, plane: 0, 10, count: 40)
        == Array(row(second, plane: 0, 12, count: 42).dropFirst(2)))
    #expect(row(first, plane: 0, 10, count: 64) != row(second, plane: 0, 10, count: 64))
    // After one common period, the same picture again.
    let later = try frame("motion", 65_280, format: .i420)
    #expect(row(first, plane: 0, 10, count: 64) == row(later, plane: 0, 10, count: 64))
  }

  @Test func packedFormatsHoldTheSamePixels() throws {
    let planar = try frame("bars", 0, format: .i422)
    let luma = row(planar, plane: 0, 3, count: 64)
    let (blue, red) = (row(planar, plane: 1, 3, count: 32), row(planar, plane: 2, 3, count: 32))
    let pairs = { (pack: (Int) -> [UInt8]) -> [UInt8] in (0..<32).flatMap(pack) }
    let pixels = { (pack: (Int) -> [UInt8]) -> [UInt8] in (0..<64).flatMap(pack) }
    let yuyv = row(try frame("bars", 0, format: .yuyv), plane: 0, 3, count: 128)
    #expect(yuyv == pairs { [luma[2 * $0], blue[$0], luma[2 * $0 + 1], red[$0]] })
    let uyvy = row(try frame("bars", 0, format: .uyvy), plane: 0, 3, count: 128)
    #expect(uyvy == pairs { [blue[$0], luma[2 * $0], red[$0], luma[2 * $0 + 1]] })
    let nv12 = row(try frame("bars", 0, format: .nv12), plane: 1, 1, count: 64)
    #expect(nv12 == pairs { [blue[$0], red[$0]] })
    let nv21 = row(try frame("bars", 0, format: .nv21), plane: 1, 1, count: 64)
    #expect(nv21 == pairs { [red[$0], blue[$0]] })
    #expect(row(try frame("bars", 0, format: .yv12), plane: 1, 1, count: 32) == red)
    let rgb = row(try frame("bars", 0, format: .rgb24), plane: 0, 3, count: 192)
    let bgra = row(try frame("bars", 0, format: .bgra), plane: 0, 3, count: 256)
    let argb = row(try frame("bars", 0, format: .argb), plane: 0, 3, count: 256)
    #expect(bgra == pixels { [rgb[3 * $0 + 2], rgb[3 * $0 + 1], rgb[3 * $0], 255] })
    #expect(argb == pixels { [255, rgb[3 * $0], rgb[3 * $0 + 1], rgb[3 * $0 + 2]] })
    // The second bar is yellow at 75 %.
    #expect(rgb[24] > 185 && rgb[25] > 185 && rgb[26] < 6)
  }

  @Test func theSourceEndsAfterItsFrames() throws {
    var options = EncodeOptions()
    options.frames = 2
    let source = try TestSource(named: "bars", options: options, defaultRate: Rational(30))
    #expect(source.description.frameCount == 2)
    #expect(source.description.size == VideoSize(width: 1280, height: 720))
    #expect(try source.next(1) != nil)
    #expect(try source.next(2) == nil)
  }

  /// What every format says is what a decoder shows, colours included.
  @Test(arguments: RawFormats.all.map(\.name))
  func decodedPicturesAreTheOnesGiven(format: String) async throws {
    let directory = try TemporaryDirectory()
    let stream = directory.file("o.h264")
    let result = try await encodeVirtually(
      "test:motion", "--size", "64x48", "--frames", "4", "--format", format, "--rate-control",
      "cq", "--qp", "16", "-o", stream)
    #expect(result.exitCode == 0, "\(result.errorText)")
    let decoded = try await MediaTools.decode(stream: stream, in: directory)
    #expect(decoded.frameCount == 4)
    for number in 0..<decoded.frameCount {
      let frame = try frame("motion", Int64(number), format: .i420)
      var expected = (0..<48).flatMap { row(frame, plane: 0, $0, count: 64) }
      for plane in [1, 2] {
        expected += (0..<24).flatMap {
          format == "gray"
            ? [UInt8](repeating: 128, count: 32) : row(frame, plane: plane, $0, count: 32)
        }
      }
      let errors = zip(decoded.frame(number), expected).map { abs(Int($0) - Int($1)) }
      let mean = Double(errors.reduce(0, +)) / Double(errors.count)
      #expect(mean < 2, "frame \(number) of \(format) is off by \(mean)")
    }
  }
}
