import Foundation
import TestSupport
import Testing

@testable import v4l2enc_cli

/// Cameras whose pictures come through a pipe, as those of a Raspberry Pi do from rpicam-vid.
@Suite struct PipedCameraTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private static let (width, height, stride, frames) = (60, 48, 64, 10)

  /// I420 pictures whose rows are as long as asked; what is behind a row must not be seen.
  private func pictures(stride: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for frame in 0..<Self.frames {
      for divisor in [1, 2, 2] {
        for row in 0..<Self.height / divisor {
          for column in 0..<stride / divisor {
            let value = UInt8(truncatingIfNeeded: (column + row) * 3 + frame * 9)
            bytes.append(column < Self.width / divisor ? value : 0xff)
          }
        }
      }
    }
    return bytes
  }

  @Test("padded rows at a camera's pace give the stream that the same pictures give from a file")
  func paddedPipe() async throws {
    let plain = try directory.write(pictures(stride: Self.width), to: "plain.yuv")
    let expected = directory.file("plain.h264")
    let size = "\(Self.width)x\(Self.height)"
    let reference = try await encodeVirtually(
      plain, "--size", size, "--fps", "25", "-o", expected)
    #expect(reference.exitCode == 0, "\(reference.errorText)")

    let padded = try directory.write(pictures(stride: Self.stride), to: "padded.yuv")
    let bytes = Self.stride * Self.height * 3 / 2
    let producer = """
      for frame in $(seq 0 \(Self.frames - 1)); do
        tail -c +$((frame * \(bytes) + 1)) "$1" | head -c \(bytes)
        sleep 0.04
      done | "$2" encode - --format i420 --size \(size) --stride \(Self.stride) --fps 25 \
        -o "$3" --device virtual
      """
    let output = directory.file("padded.h264")
    let result = try await Subprocess.run(
      "bash",
      ["-c", producer, "producer", padded, try builtBinary(named: "v4l2enc"), output])
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(result.errorText.contains("\(Self.frames) frames in, \(Self.frames) out"))
    let stream = try Data(contentsOf: URL(fileURLWithPath: output))
    #expect(try stream == Data(contentsOf: URL(fileURLWithPath: expected)))
    #expect(!stream.isEmpty)
  }

  @Test(
    "a stride that cannot be is refused",
    arguments: [
      (["--stride", "58"], "--stride 58: a row of 60x48 i420 has 60 bytes"),
      (["--stride", "63"], "a multiple of 2"),
      (["--format", "yuyv", "--stride", "122"], "a multiple of 4"),
      (["--format", "rgb24", "--stride", "181"], "a multiple of 6"),
      (["--stride", "0"], "--stride 0: write a whole number"),
    ])
  func impossibleStride(arguments: [String], message: String) async throws {
    let plain = try directory.write(pictures(stride: Self.width), to: "plain.yuv")
    let result = try await v4l2enc(
      ["encode", plain, "--size", "60x48", "-o", directory.file("o.h264"), "--device", "virtual"]
        + arguments)
    #expect(result.exitCode == 64)
    #expect(result.errorText.contains(message), "\(result.errorText)")
  }

  @Test("where rows cannot be padded, a stride is refused")
  func needlessStride() async throws {
    let clip = try directory.write(y4m(2), to: "clip.y4m")
    for input in [clip, "test:bars"] {
      let result = try await encodeVirtually(
        input, "--stride", "128", "-o", directory.file("o.h264"))
      #expect(result.exitCode == 64)
      #expect(result.errorText.contains("--stride 128"), "\(result.errorText)")
    }
  }
}
