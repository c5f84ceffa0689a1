import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

extension KernelTests {
  /// `v4l2enc capture` with vivid as the camera.
  @Suite(.timeLimit(.minutes(5))) struct CaptureCommand {
    private let vivid: VividCapture
    private var directory: TemporaryDirectory { vivid.directory }
    private var camera: String { vivid.camera }

    init() throws { vivid = try VividCapture() }

    /// One line of --stats.
    private struct Line: Decodable {
      var pts: Int64
      var pts_ms: Double
      var sequence: UInt32
      var lost_before: Int
      var spoiled: Bool
    }

    private func run(_ arguments: String...) async throws -> SubprocessResult {
      try await vivid.start(arguments).wait(within: .seconds(90))
    }

    private func statistics(_ path: String) throws -> [Line] {
      try packetLines(try vivid.text(path)).map {
        try JSONDecoder().decode(Line.self, from: Data($0.utf8))
      }
    }

    /// Has vivid send pictures of one colour, and afterwards what it usually sends.
    private func withRedPictures(_ body: () async throws -> Void) async throws {
      // "100% Red", and no text over it.
      try await vivid.control("test_pattern=7", "osd_text_mode=2")
      let result: Result<Void, any Error>
      do {
        try await body()
        result = .success(())
      } catch {
        result = .failure(error)
      }
      try await vivid.control("test_pattern=0", "osd_text_mode=0")
      try result.get()
    }

    /// The mean of the planes of all pictures: Y, Cb, Cr.
    private func means(_ video: PlanarVideo) -> [Double] {
      let luma = video.width * video.height
      var sums = [0.0, 0.0, 0.0]
      for index in 0..<video.frameCount {
        let picture = video.frame(index)
        for (plane, range) in [0..<luma, luma..<luma * 5 / 4, luma * 5 / 4..<luma * 3 / 2]
          .enumerated()
        {
          sums[plane] += Double(picture[range].reduce(0) { $0 + Int($1) }) / Double(range.count)
        }
      }
      return sums.map { $0 / Double(video.frameCount) }
    }

    @Test("frames go to vicodec without a copy, with the camera's times and numbers")
    func zeroCopy() async throws {
      let output = directory.file("out.fwht")
      let (times, lines) = (directory.file("times.txt"), directory.file("stats.jsonl"))
      let result = try await run(
        "-o", output, "--size", "640x360", "--fps", "15", "--format", "yuyv", "--frames", "40",
        "--save-pts", times, "--stats", lines, "--verbose", "--gop", "8")
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(result.errorText.contains("read where the producer has them, without a copy"))
      #expect(result.errorText.contains("640x360 at 15 fps, yuyv"), "\(result.errorText)")
      #expect(result.errorText.contains("40 frames in, 40 out, 0 skipped, "))
      let statistics = try statistics(lines)
      #expect(statistics.count == 40)
      #expect(statistics.first?.pts == 0)
      #expect(zip(statistics, statistics.dropFirst()).allSatisfy { $0.pts < $1.pts })
      // Numbers that are missing were lost, and are counted.
      for (line, next) in zip(statistics, statistics.dropFirst()) {
        #expect(next.sequence - line.sequence == UInt32(next.lost_before) + 1)
      }
      // The times are the camera's: 15 frames per second, by which emulation is late at times.
      let first = try #require(statistics.first)
      let last = try #require(statistics.last)
      let frames = Double(last.pts - first.pts) / 1e6 * 15
      #expect(abs(frames - Double(last.sequence - first.sequence)) < 5)
      let lost = statistics.reduce(0) { $0 + $1.lost_before }
      #expect(number(before: " lost by the camera", in: result.errorText) == lost)
      #expect(statistics.allSatisfy { !$0.spoiled })
      let saved = try vivid.text(times).split(separator: "\n").map(String.init)
      #expect(saved.first == "# timestamp format v2")
      #expect(saved.dropFirst().compactMap(Double.init) == statistics.map(\.pts_ms))
      let pictures = try Recording.headers(of: output)
      #expect(pictures.count == 40)
      #expect(pictures.allSatisfy { $0.size == VideoSize(width: 640, height: 360) })
    }

    @Test("where the encoder wants other rows than the camera has, that is said")
    func copied() async throws {
      // vicodec pads the height to multiples of 16 for this format, vivid does not.
      let result = try await run(
        "-o", directory.file("out.fwht"), "--size", "640x360", "--format", "nv12", "--frames", "5")
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(result.errorText.contains("frames are copied: plane 1 lies at 230400"))
    }

    @Test("the virtual encoder makes H.264 of what the camera sends, which decodes to the picture")
    func h264() async throws {
      let output = directory.file("out.h264")
      try await withRedPictures {
        let result = try await run(
          "-o", output, "--size", "640x360", "--fps", "15", "--frames", "10", "--device", "virtual",
          "-b", "1M")
        #expect(result.exitCode == 0, "\(result.errorText)")
      }
      let video = try await MediaTools.decode(stream: output, in: directory)
      #expect((video.width, video.height, video.frameCount) == (640, 360, 10))
      // Red in the matrix of BT.601, limited range.
      let means = means(video)
      #expect(zip(means, [81, 90, 240]).allSatisfy { abs($0 - $1) < 4 }, "\(means)")
    }

    @Test("pictures are scaled, and RGB ones converted to the range that is asked for")
    func scaledAndConverted() async throws {
      let output = directory.file("out.h264")
      try await withRedPictures {
        let result = try await run(
          "-o", output, "--size", "640x480", "--fps", "15", "--format", "rgb24", "--range", "full",
          "--scale", "320x180", "--frames", "10", "--device", "virtual", "-b", "1M")
        #expect(result.exitCode == 0, "\(result.errorText)")
        #expect(result.errorText.contains("640x480 at 15 fps, rgb24"), "\(result.errorText)")
      }
      let video = try await MediaTools.decode(stream: output, in: directory)
      #expect((video.width, video.height, video.frameCount) == (320, 180, 10))
      let means = means(video)
      #expect(zip(means, [76, 85, 255]).allSatisfy { abs($0 - $1) < 4 }, "\(means)")
    }

    @Test("--duration ends by the camera's clock")
    func duration() async throws {
      let lines = directory.file("stats.jsonl")
      let result = try await run(
        "-o", directory.file("out.fwht"), "--size", "640x360", "--fps", "15", "--duration", "1.5",
        "--stats", lines)
      #expect(result.exitCode == 0, "\(result.errorText)")
      let last = try #require(try statistics(lines).last)
      #expect((1_200_000..<1_500_000).contains(last.pts), "\(last.pts)")
    }

    @Test(
      "signals end the file behind a whole frame",
      arguments: zip([SIGTERM, SIGINT], [143, 130] as [Int32]))
    func stopped(signal: Int32, code: Int32) async throws {
      let output = directory.file("out.fwht")
      let process = try vivid.start(
        ["-o", output, "--size", "640x360", "--fps", "15", "--format", "nv12"])
      try await eventually(within: .seconds(30), "there is output") {
        FileManager.default.contents(atPath: output)?.isEmpty == false
      }
      process.send(signal)
      let result = try await process.wait(within: .seconds(30))
      #expect(result.exitCode == code, "\(result.errorText)")
      let count = try #require(number(before: " frames are in ", in: result.errorText))
      #expect(result.errorText.contains("\(count) frames in, \(count) out, 0 skipped"))
      let video = try await Recording.decode(
        output, size: VideoSize(width: 640, height: 360), in: directory)
      #expect(video.frameCount == count)
    }

    // MARK: - Mistakes

    @Test("a camera that is named where something else belongs is recognised, and the reverse")
    func mistakenDevices() async throws {
      let encoder = try KernelGuest.encoder()
      let program = try builtBinary(named: "v4l2enc")
      let output = directory.file("out.h264")
      let cases: [([String], Int32, String)] = [
        (["capture", "-o", output], 64, "cameras here: \(camera) (vivid)"),
        (
          ["capture", encoder, "-o", output], 66,
          "\(encoder) (vicodec) is an encoder, not a camera; name it as --device \(encoder); "
            + "cameras here: \(camera) (vivid)"
        ),
        (
          ["capture", try KernelGuest.decoder(), "-o", output], 66, "is a decoder, not a camera"
        ),
        (
          ["encode", camera, "-o", output], 66, "is a camera, not a file of raw video; use v4l2enc"
        ),
        (
          ["capture", camera, "-o", output, "--device", "virtual", "--format", "mjpeg"], 64,
          "--format mjpeg: \(camera) does not send it; it sends "
        ),
        (
          ["capture", camera, "-o", output, "--device", "virtual", "--input", "9"], 64,
          "--input 9: \(camera) has the inputs 0 (Webcam 0), "
        ),
        (["capture", camera, "-o", output, "--device", "/dev/no-encoder"], 69, "/dev/no-encoder"),
      ]
      for (arguments, code, message) in cases {
        let result = try await Subprocess.run(program, arguments)
        #expect(result.exitCode == code, "\(arguments): \(result.errorText)")
        #expect(result.errorText.contains(message), "\(arguments): \(result.errorText)")
        #expect(!FileManager.default.fileExists(atPath: output), "\(arguments)")
      }
    }
  }
}
