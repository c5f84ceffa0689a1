import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

/// Pictures as cameras send them, decoded by libyuv and by FFmpeg.
@Suite("JPEG pictures")
struct JPEGTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func decode(
    _ jpeg: [UInt8], _ size: VideoSize, to format: PixelFormat = .nv12, limitsRange: Bool = false
  ) throws -> (bytes: [UInt8], refusal: String?) {
    let decoder = try JPEGDecoder(to: format, size: size, limitsRange: limitsRange)
    var bytes = [UInt8](repeating: 0, count: decoder.layout.byteCount)
    let refusal = try bytes.withUnsafeMutableBytes { target in
      let start = try #require(target.baseAddress)
      return jpeg.withUnsafeBytes { decoder.decode($0, to: start) }
    }
    return (bytes, refusal)
  }

  private func read(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// A picture of 4:2:0 chroma with the standard Huffman tables.
  private func picture() async throws -> (jpeg: [UInt8], size: VideoSize) {
    let path = directory.file("picture.jpg")
    try await MediaTools.ffmpeg(
      ["-i", Fixture.carphone.path, "-frames:v", "1", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg"]
        + ["-huffman", "default", "-q:v", "2", path])
    return (try read(path), VideoSize(width: 176, height: 144))
  }

  /// A picture of 4:2:2 chroma, the usual one of webcams.
  private func webcamPicture() throws -> (jpeg: [UInt8], size: VideoSize) {
    (try read(Fixtures.directory + "camera-422.jpg"), VideoSize(width: 64, height: 48))
  }

  private func decodedByFFmpeg(_ jpeg: [UInt8], _ format: String) async throws -> [UInt8] {
    let (source, target) = (directory.file("in.jpg"), directory.file("out.raw"))
    try Data(jpeg).write(to: URL(fileURLWithPath: source))
    try await MediaTools.ffmpeg(
      ["-i", source, "-pix_fmt", format, "-f", "rawvideo", target])
    return try read(target)
  }

  /// Leaves the Huffman tables out, as Motion JPEG of many cameras does.
  private func withoutTables(_ jpeg: [UInt8]) -> [UInt8] {
    var result = Array(jpeg[..<2])
    var index = 2
    while jpeg[index + 1] != 0xda {
      let length = 2 + Int(jpeg[index + 2]) << 8 + Int(jpeg[index + 3])
      if jpeg[index + 1] != 0xc4 { result += jpeg[index..<index + length] }
      index += length
    }
    return result + jpeg[index...]
  }

  /// Whether two decoders may have made these of the same picture: they round differently.
  private func areClose(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Bool {
    let differences = zip(one, other).map { abs(Int($0) - Int($1)) }
    return one.count == other.count && (differences.max() ?? 0) <= 4
      && Double(differences.reduce(0, +)) < 0.5 * Double(differences.count)
  }

  @Test("4:2:0 is decoded as FFmpeg decodes it, to NV12 and to I420")
  func chroma420() async throws {
    let (jpeg, size) = try await picture()
    let expected = try await decodedByFFmpeg(jpeg, "yuvj420p")
    let planar = try decode(jpeg, size, to: .i420)
    #expect(planar.refusal == nil)
    #expect(areClose(planar.bytes[...], expected[...]))
    let pairs = try decode(jpeg, size)
    let luma = size.width * size.height
    #expect(pairs.bytes[..<luma] == planar.bytes[..<luma])
    let cb = stride(from: luma, to: pairs.bytes.count, by: 2).map { pairs.bytes[$0] }
    let cr = stride(from: luma + 1, to: pairs.bytes.count, by: 2).map { pairs.bytes[$0] }
    #expect(cb + cr == Array(planar.bytes[luma...]))
  }

  @Test("4:2:2 is decoded too, with chroma of half the height")
  func chroma422() async throws {
    let (jpeg, size) = try webcamPicture()
    let expected = try await decodedByFFmpeg(jpeg, "yuvj422p")
    let decoded = try decode(jpeg, size, to: .i420)
    #expect(decoded.refusal == nil)
    let luma = size.width * size.height
    #expect(areClose(decoded.bytes[..<luma], expected[..<luma]))
    let width = size.width / 2
    for (plane, offset) in [(0, luma), (1, luma + luma / 4)] {
      for row in 0..<size.height / 2 {
        for column in 0..<width {
          let upper = luma + plane * luma / 2 + 2 * row * width + column
          let average = (Int(expected[upper]) + Int(expected[upper + width]) + 1) / 2
          #expect(abs(Int(decoded.bytes[offset + row * width + column]) - average) <= 4)
        }
      }
    }
  }

  @Test("pictures without Huffman tables mean the standard ones")
  func missingTables() async throws {
    let (jpeg, size) = try await picture()
    let bare = withoutTables(jpeg)
    #expect(bare.count < jpeg.count)
    #expect(try decode(bare, size) == decode(jpeg, size))
  }

  @Test("padding behind a picture is ignored")
  func padding() throws {
    let (jpeg, size) = try webcamPicture()
    #expect(try decode(jpeg + [UInt8](repeating: 0, count: 500), size) == decode(jpeg, size))
  }

  @Test("what is no picture of this size is refused with the reason")
  func broken() throws {
    let (jpeg, size) = try webcamPicture()
    #expect(try decode([], size).refusal == "it is empty")
    let half = try decode(Array(jpeg[..<(jpeg.count / 2)]), size).refusal
    #expect(half?.contains("its end is missing") == true)
    let noise = try decode([UInt8](repeating: 7, count: 2000), size).refusal
    #expect(noise?.contains("no JPEG picture") == true)
    let other = try decode(jpeg, VideoSize(width: 128, height: 96)).refusal
    #expect(other == "it is 64x48, the camera was set to 128x96")
    var headless = jpeg
    for index in 2..<400 { headless[index] = 0 }
    #expect(try decode(headless, size).refusal != nil)
  }

  @Test("damage at any place never writes beyond the picture, and never crashes")
  func fuzz() throws {
    let (jpeg, size) = try webcamPicture()
    let decoder = try JPEGDecoder(to: .nv12, size: size, limitsRange: false)
    let count = decoder.layout.byteCount
    var generator = SeededGenerator(seed: 20)
    for _ in 0..<2000 {
      var bad = jpeg
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        bad[Int.random(in: 2..<bad.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      if Bool.random(using: &generator) {
        bad.removeLast(Int.random(in: 1..<bad.count, using: &generator))
      }
      var target = [UInt8](repeating: 0xa5, count: count + 256)
      target.withUnsafeMutableBytes { target in
        bad.withUnsafeBytes { _ = decoder.decode($0, to: target.baseAddress! + 128) }
      }
      #expect(target[..<128].allSatisfy { $0 == 0xa5 })
      #expect(target[(128 + count)...].allSatisfy { $0 == 0xa5 })
    }
  }

  @Test("limited range is what BT.601 says of every sample")
  func limitedRange() async throws {
    let (jpeg, size) = try await picture()
    let full = try decode(jpeg, size).bytes
    let limited = try decode(jpeg, size, limitsRange: true).bytes
    let luma = size.width * size.height
    for index in full.indices {
      let value = Double(full[index])
      let exact =
        index < luma ? 16 + value * 219 / 255 : 128 + (value - 128) * 224 / 255
      #expect(abs(Double(limited[index]) - exact) <= 0.51)
    }
  }

  @Test("black, white and grey are exact in limited range, for all 256 values within half a step")
  func rangeEnds() throws {
    var samples = (0...255).map { UInt8($0) } + (0...255).map { UInt8($0) }
    let size = VideoSize(width: 256, height: 1)
    let info = try #require(PixelFormat.nv12.info)
    samples.withUnsafeMutableBytes { bytes in
      let planes = PlanePointers(bytes.baseAddress!, 256, bytes.baseAddress! + 256, 256)
      RangeConversion.limit(planes, of: info, size: size)
    }
    #expect(samples[0] == 16 && samples[255] == 235)
    #expect(samples[256] == 16 && samples[256 + 128] == 128 && samples[256 + 255] == 240)
    for value in 0...255 {
      #expect(abs(Double(samples[value]) - (16 + Double(value) * 219 / 255)) <= 0.51)
      #expect(
        abs(Double(samples[256 + value]) - (128 + (Double(value) - 128) * 224 / 255)) <= 0.51)
    }
  }

  @Test("nothing but NV12 and I420 is decoded to")
  func otherTargets() {
    let error = #expect(throws: EncoderError.self) {
      try JPEGDecoder(to: .yuyv, size: VideoSize(width: 64, height: 48), limitsRange: false)
    }
    #expect(error?.code == .invalidConfiguration)
  }
}
