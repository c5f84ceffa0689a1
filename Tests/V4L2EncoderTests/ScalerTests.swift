import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

/// Frames brought to another size, against the average of the pixels they stand for.
@Suite("The frame scaler")
struct ScalerTests {
  /// A plane of samples with eight bits.
  private struct Plane {
    var width: Int
    var height: Int
    var samples: [UInt8]

    /// The exact average over the area that each new pixel covers.
    func averaged(to width: Int, _ height: Int) -> [Double] {
      let rows = Self.weights(self.height, height)
      let columns = Self.weights(self.width, width)
      var result: [Double] = []
      for row in rows {
        for column in columns {
          var sum = 0.0
          for (y, vertical) in row {
            for (x, horizontal) in column {
              sum += Double(samples[y * self.width + x]) * vertical * horizontal
            }
          }
          result.append(sum)
        }
      }
      return result
    }

    /// Bilinear, with the centres of the corners' pixels on each other.
    func interpolated(to width: Int, _ height: Int) -> [Double] {
      func position(_ index: Int, _ from: Int, _ to: Int) -> (Int, Int, Double) {
        let exact = (Double(index) + 0.5) * Double(from) / Double(to) - 0.5
        let low = min(max(Int(exact.rounded(.down)), 0), from - 1)
        return (low, min(low + 1, from - 1), min(max(exact - Double(low), 0), 1))
      }
      var result: [Double] = []
      for row in 0..<height {
        let (top, bottom, vertical) = position(row, self.height, height)
        for column in 0..<width {
          let (left, right, horizontal) = position(column, self.width, width)
          func mix(_ y: Int) -> Double {
            Double(samples[y * self.width + left]) * (1 - horizontal)
              + Double(samples[y * self.width + right]) * horizontal
          }
          result.append(mix(top) * (1 - vertical) + mix(bottom) * vertical)
        }
      }
      return result
    }

    private static func weights(_ from: Int, _ to: Int) -> [[(Int, Double)]] {
      let step = Double(from) / Double(to)
      return (0..<to).map { index in
        let (start, end) = (Double(index) * step, Double(index + 1) * step)
        return (Int(start)..<min(Int(end.rounded(.up)), from)).map { pixel in
          (pixel, (min(Double(pixel + 1), end) - max(Double(pixel), start)) / step)
        }
      }
    }
  }

  private func psnr(_ samples: [UInt8], _ exact: [Double]) -> Double {
    let error = zip(samples, exact).map { (Double($0) - $1) * (Double($0) - $1) }.reduce(0, +)
    return psnr(error: error, count: exact.count)
  }

  private func psnr(error: Double, count: Int) -> Double {
    error == 0 ? 128 : 10 * log10(255 * 255 * Double(count) / error)
  }

  private func picture() async throws -> (frame: VideoFrame, planes: [Plane]) {
    let clip = try await MediaTools.pictures(.carphone, frames: 1)
    let bytes = clip.frame(0)
    let (width, height) = (clip.width, clip.height)
    let frame = try VideoFrame(
      format: .i420, size: VideoSize(width: width, height: height),
      memory: FrameMemory(copying: bytes), presentationTime: 7, duration: 3)
    return (frame, split(bytes, width, height))
  }

  private func split(_ bytes: [UInt8], _ width: Int, _ height: Int) -> [Plane] {
    let (chromaWidth, chromaHeight) = ((width + 1) / 2, (height + 1) / 2)
    let (luma, chroma) = (width * height, chromaWidth * chromaHeight)
    return [
      Plane(width: width, height: height, samples: Array(bytes[..<luma])),
      Plane(
        width: chromaWidth, height: chromaHeight, samples: Array(bytes[luma..<luma + chroma])),
      Plane(
        width: chromaWidth, height: chromaHeight,
        samples: Array(bytes[(luma + chroma)..<(luma + 2 * chroma)])),
    ]
  }

  private func bytes(_ frame: VideoFrame) throws -> [UInt8] {
    guard case .memory(let memory, let offset) = frame.storage, offset == 0 else {
      throw TestSupportError("the frame is not in memory of its own")
    }
    return memory.bytes.withUnsafeBytes { [UInt8]($0) }
  }

  @Test(
    "smaller pictures are averages, larger ones are interpolated",
    // Decibels against the exact result: libyuv's boxes are whole pixels.
    arguments: [
      (88, 72, 55.0), (44, 36, 55), (58, 48, 34), (96, 80, 38), (128, 100, 42), (101, 77, 38),
      (44, 144, 32), (176, 36, 33), (352, 288, 55), (352, 144, 55), (300, 200, 43), (2, 2, 34),
    ])
  func sizes(width: Int, height: Int, quality: Double) async throws {
    let (frame, planes) = try await picture()
    let size = VideoSize(width: width, height: height)
    let scaler = try FrameScaler(from: .i420, size: frame.size, to: .i420, size: size)
    let scaled = try scaler.scale(frame)
    #expect(scaled.size == size && scaled.format == .i420)
    #expect(scaled.presentationTime == 7 && scaled.duration == 3)
    let result = split(try bytes(scaled), width, height)
    for (old, new) in zip(planes, result) {
      let exact =
        width > 176 || height > 144
        ? old.interpolated(to: new.width, new.height) : old.averaged(to: new.width, new.height)
      let found = psnr(new.samples, exact)
      #expect(found >= quality, "\(found) dB")
    }
  }

  @Test(
    "NV12 and I420 are scaled to the same samples", arguments: [(88, 72), (101, 77), (300, 200)])
  func semiplanar(width: Int, height: Int) async throws {
    let (frame, _) = try await picture()
    let size = VideoSize(width: width, height: height)
    let planar = try bytes(
      FrameScaler(from: .i420, size: frame.size, to: .i420, size: size).scale(frame))
    let pairs = try bytes(
      FrameScaler(from: .i420, size: frame.size, to: .nv12, size: size).scale(frame))
    let luma = width * height
    #expect(pairs[..<luma] == planar[..<luma])
    let chroma = planar[luma...]
    let cb = stride(from: luma, to: pairs.count, by: 2).map { pairs[$0] }
    let cr = stride(from: luma + 1, to: pairs.count, by: 2).map { pairs[$0] }
    // Two ways of libyuv, which round differently.
    #expect(zip(cb + cr, chroma).allSatisfy { abs(Int($0) - Int($1)) <= 2 })
  }

  @Test("the same size is a copy, every other format is converted first")
  func formats() async throws {
    let (frame, planes) = try await picture()
    let copy = try FrameScaler(from: .i420, size: frame.size, to: .i420, size: frame.size)
      .scale(frame)
    #expect(try bytes(copy) == planes.flatMap(\.samples))
    var generator = SeededGenerator(seed: 3)
    for format in PixelFormat.allRaw
    where FrameConverter.canConvert(from: format, to: .nv12) {
      let picture = TestPicture.random(
        format, VideoSize(width: 64, height: 48), padding: 8, using: &generator)
      let source = try VideoFrame(
        format: format, size: picture.size, memory: FrameMemory(copying: picture.bytes),
        planes: picture.planes, presentationTime: 0)
      let scaler = try FrameScaler(
        from: format, size: picture.size, to: .nv12, size: VideoSize(width: 32, height: 24))
      let direct = try FrameScaler(
        from: format, size: picture.size, to: .nv12, size: picture.size)
      let again = try FrameScaler(
        from: .nv12, size: picture.size, to: .nv12, size: VideoSize(width: 32, height: 24))
      let expected = try bytes(again.scale(direct.scale(source)))
      #expect(try bytes(scaler.scale(source)) == expected, "\(format)")
    }
  }

  @Test("frames in DMABUFs are read where they are")
  func importedFrames() async throws {
    let (frame, planes) = try await picture()
    let path = try TemporaryDirectory()
    let file = path.file("frame")
    try Data(planes.flatMap(\.samples)).write(to: URL(fileURLWithPath: file))
    let descriptor = Glibc.open(file, O_RDONLY)
    defer { Glibc.close(descriptor) }
    let shared = try VideoFrame(
      dmabuf: frame.planes.map {
        DMABUFPlane(descriptor: descriptor, offset: $0.offset, bytesPerLine: $0.bytesPerLine)
      }, format: .i420, size: frame.size, presentationTime: 0, release: {})
    let scaler = try FrameScaler(
      from: .i420, size: frame.size, to: .i420, size: VideoSize(width: 88, height: 72))
    #expect(try bytes(scaler.scale(shared)) == bytes(scaler.scale(frame)))
  }

  @Test("full range becomes limited range, but not of RGB, which has none yet")
  func range() async throws {
    let (frame, _) = try await picture()
    let size = VideoSize(width: 88, height: 72)
    let full = try bytes(FrameScaler(from: .i420, size: frame.size, size: size).scale(frame))
    let limited = try bytes(
      FrameScaler(from: .i420, size: frame.size, size: size, limitsRange: true).scale(frame))
    let luma = 88 * 72
    #expect(
      full.indices.allSatisfy { index in
        let value = Double(full[index])
        let exact = index < luma ? 16 + value * 219 / 255 : 128 + (value - 128) * 224 / 255
        return abs(Double(limited[index]) - exact) <= 0.51
      })
    let white = try VideoFrame(
      format: .bgra, size: VideoSize(width: 16, height: 16),
      memory: FrameMemory(copying: [UInt8](repeating: 255, count: 1024)), presentationTime: 0)
    let scaled = try FrameScaler(
      from: .bgra, size: white.size, size: VideoSize(width: 8, height: 8), limitsRange: true
    ).scale(white)
    #expect(try bytes(scaled)[0] == 235)
  }

  @Test("memory is used again when nobody holds the frame, and is never shared by two")
  func memory() async throws {
    let (frame, _) = try await picture()
    let scaler = try FrameScaler(
      from: .i420, size: frame.size, size: VideoSize(width: 88, height: 72), frames: 2)
    func identity(_ frame: VideoFrame) -> ObjectIdentifier? {
      guard case .memory(let memory, _) = frame.storage else { return nil }
      return ObjectIdentifier(memory)
    }
    var held: [VideoFrame] = [try scaler.scale(frame), try scaler.scale(frame)]
    #expect(identity(held[0]) != identity(held[1]))
    let error = #expect(throws: EncoderError.self) { try scaler.scale(frame) }
    #expect(error?.code == .buffersLent)
    let first = identity(held[0])
    held.removeFirst()
    for _ in 0..<10 {
      let again = identity(try scaler.scale(frame))
      // Under the thread sanitizer other memory takes its place (see `isSoleHolder`).
      #if !V4L2ENC_TSAN
      #expect(again == first)
      #endif
      #expect(again != identity(held[0]))
    }
  }

  @Test("frames and formats that do not fit are refused")
  func refusals() async throws {
    let (frame, _) = try await picture()
    let small = VideoSize(width: 88, height: 72)
    let scaler = try FrameScaler(from: .i420, size: small, size: small)
    #expect(throws: EncoderError.self) { try scaler.scale(frame) }
    let other = #expect(throws: EncoderError.self) {
      try FrameScaler(from: .i420, size: small, to: .yuyv, size: small)
    }
    #expect(other?.code == .invalidConfiguration)
    #expect(throws: EncoderError.self) {
      try FrameScaler(from: .i420, size: small, size: VideoSize(width: 0, height: 8))
    }
    #expect(throws: EncoderError.self) { try FrameScaler(from: .mjpeg, size: small, size: small) }
  }
}
