import CV4L2
import Foundation
import TestSupport

@testable import VirtualV4L2Device

/// Writes I420 frames into a device's buffers, in whatever format it was set to.
enum RawPainter {
  static func paint(
    _ frame: Data, _ run: CodecTests.Run, _ format: DeviceClient.Format,
    _ planes: [DeviceClient.Mapping]
  ) {
    let bytes = [UInt8](frame)
    let width = run.width
    let height = run.height
    let stride = Int(format.planes[0].stride)
    let rows = Int(format.height)
    let base = planes.map { $0.address.assumingMemoryBound(to: UInt8.self) }
    // Grey-green padding: whoever encodes it spoils the picture visibly.
    for plane in planes { memset(plane.address, 0x40, plane.length) }
    let chroma = (width / 2, height / 2)
    let u = width * height
    let v = u + chroma.0 * chroma.1
    func luma() {
      for row in 0..<height {
        for column in 0..<width { base[0][row * stride + column] = bytes[row * width + column] }
      }
    }
    switch run.raw {
    case CV4L2_PIX_FMT_NV12, CV4L2_PIX_FMT_NV12M, CV4L2_PIX_FMT_NV21:
      luma()
      let target = base.count > 1 ? base[1] : base[0] + stride * rows
      let first = run.raw == CV4L2_PIX_FMT_NV21 ? v : u
      let second = run.raw == CV4L2_PIX_FMT_NV21 ? u : v
      for row in 0..<chroma.1 {
        for column in 0..<chroma.0 {
          target[row * stride + 2 * column] = bytes[first + row * chroma.0 + column]
          target[row * stride + 2 * column + 1] = bytes[second + row * chroma.0 + column]
        }
      }
    case CV4L2_PIX_FMT_YUV420, CV4L2_PIX_FMT_YUV420M:
      luma()
      let second = base.count > 1 ? base[1] : base[0] + stride * rows
      let third = base.count > 1 ? base[2] : base[0] + stride * rows * 5 / 4
      for row in 0..<chroma.1 {
        for column in 0..<chroma.0 {
          second[row * stride / 2 + column] = bytes[u + row * chroma.0 + column]
          third[row * stride / 2 + column] = bytes[v + row * chroma.0 + column]
        }
      }
    default:
      for row in 0..<height {
        for column in 0..<width / 2 {
          let target = base[0] + (row * stride + 4 * column)
          target[0] = bytes[row * width + 2 * column]
          target[1] = bytes[u + row / 2 * chroma.0 + column]
          target[2] = bytes[row * width + 2 * column + 1]
          target[3] = bytes[v + row / 2 * chroma.0 + column]
        }
      }
    }
  }
}

/// A picture that moves, with detail and colour.
enum TestPicture {
  static func i420(width: Int, height: Int, frames: Int) -> Data {
    var data = Data(capacity: width * height * 3 / 2 * frames)
    for frame in 0..<frames {
      for row in 0..<height {
        for column in 0..<width {
          data.append(UInt8(64 + (row * 3 + column * 2 + frame * 4) % 128))
        }
      }
      for plane in 0..<2 {
        for row in 0..<height / 2 {
          for column in 0..<width / 2 {
            data.append(UInt8(96 + (plane == 0 ? row + frame : column) % 64))
          }
        }
      }
    }
    return data
  }
}

/// The codecs of this build whose streams decode to pictures.
enum RealCodecs {
  #if VirtualCodecs
  static let all = [CV4L2_PIX_FMT_H264, CV4L2_PIX_FMT_HEVC]
  #else
  static let all = [CV4L2_PIX_FMT_H264]
  #endif
}

/// The bytes of so many I420 frames.
func i420Size(_ frames: Int, _ width: Int, _ height: Int) -> Int {
  frames * (width * height * 3 / 2)
}

/// Peak signal-to-noise ratio of the luma planes over all frames, in dB.
func lumaQuality(_ left: Data, _ right: Data, width: Int, height: Int, frames: Int) -> Double {
  quality(left, right, width: width, height: height, frames: frames, 0..<width * height)
}

/// The same of both chroma planes.
func chromaQuality(_ left: Data, _ right: Data, width: Int, height: Int, frames: Int) -> Double {
  quality(
    left, right, width: width, height: height, frames: frames,
    width * height..<width * height * 3 / 2)
}

private func quality(
  _ left: Data, _ right: Data, width: Int, height: Int, frames: Int, _ range: Range<Int>
) -> Double {
  let size = width * height * 3 / 2
  guard left.count >= size * frames, right.count >= size * frames else { return 0 }
  return left.withUnsafeBytes { left in
    right.withUnsafeBytes { right in
      var sum = 0
      for frame in 0..<frames {
        for position in range {
          let difference = Int(left[frame * size + position]) - Int(right[frame * size + position])
          sum += difference * difference
        }
      }
      let mean = Double(sum) / Double(range.count * frames)
      return mean == 0 ? 99 : 10 * log10(255 * 255 / mean)
    }
  }
}

/// FFmpeg as an independent decoder.
enum FFmpeg {
  /// Decodes a fixture to I420 frames.
  ///
  /// For whoever keeps them to the end: `Data` marks the upper bits of the address of its bytes,
  /// so that LeakSanitizer takes what a static variable holds for lost.
  static func i420(_ name: String, frames: Int) async throws -> [UInt8] {
    [UInt8](
      try await run(
        "ffmpeg", ["-i", Fixtures.directory + name, "-frames:v", "\(frames)"] + rawOutput))
  }

  /// Decodes an elementary stream to I420 frames.
  static func decode(_ stream: Data, _ codec: UInt32) async throws -> Data {
    try await run("ffmpeg", ["-f", name(codec), "-i", "pipe:0"] + rawOutput, input: stream)
  }

  /// What ffprobe says of a stream.
  static func probe(_ stream: Data, _ codec: UInt32, _ entries: String) async throws
    -> [String: String]
  {
    let text = try await run(
      "ffprobe",
      [
        "-f", name(codec), "-show_entries", "stream=" + entries, "-of", "default=nw=1", "pipe:0",
      ], input: stream)
    var result: [String: String] = [:]
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
    }
    return result
  }

  private static func name(_ codec: UInt32) -> String {
    codec == CV4L2_PIX_FMT_HEVC ? "hevc" : "h264"
  }

  private static let rawOutput = [
    "-pix_fmt", "yuv420p", "-vsync", "0", "-f", "rawvideo", "pipe:1",
  ]

  private static func run(_ tool: String, _ arguments: [String], input: Data? = nil) async throws
    -> Data
  {
    let result = try await Subprocess.run(
      tool, ["-v", "error"] + arguments, input: input.map { .bytes([UInt8]($0)) } ?? .nothing)
    guard result.exitCode == 0 else { throw TestSupportError(result.errorText) }
    return Data(result.output)
  }
}
