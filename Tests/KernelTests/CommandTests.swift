import Foundation
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// The command on real device nodes.
  @Suite(.timeLimit(.minutes(2))) struct Command {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func run(_ arguments: String...) async throws -> SubprocessResult {
      try await Subprocess.run(try builtBinary(named: "v4l2enc"), arguments)
    }

    @Test("devices --all lists one usable encoder, and why the others are none")
    func devices() async throws {
      let result = try await run("devices", "--all")
      #expect(result.exitCode == 0)
      let text = String(decoding: result.output, as: UTF8.self)
      let encoder = try KernelGuest.encoder()
      #expect(
        text.contains("\(encoder): vicodec (vicodec)\n  encodes FWHT, 640x360 to 4096x2160\n"))
      #expect(
        text.contains("API: \(KernelGuest.isMultiplanar ? "multi-planar" : "single-planar")"))
      for (name, reason) in [
        ("stateful-decoder", "is a decoder"), ("stateless-decoder", "is a decoder"),
        ("vim2m", "it does not encode"), ("vivid-000-vid-cap", "not an encoder"),
        ("vivid-000-vid-out", "not an encoder"),
      ] {
        let node = try KernelGuest.node(named: name)
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(node): ") }
        #expect(line?.contains(reason) == true, "\(node): \(line ?? "is missing")")
      }
      let nodes = try FileManager.default.contentsOfDirectory(atPath: "/dev")
        .filter { $0.hasPrefix("video") }
      let heads = text.split(separator: "\n").filter { $0.hasPrefix("/dev/video") }
      #expect(heads.count == nodes.count && nodes.count >= 6)
      #expect(text.split(separator: "\n").count { $0.hasPrefix("  encodes ") } == 1)
    }

    @Test("without --device the one encoder of the machine is found")
    func automatic() async throws {
      let output = directory.file("out.fwht")
      let result = try await run(
        "encode", try Recording.clip().path, "--size", "1280x720", "--frames", "12", "--gop", "5",
        "-o", output)
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(result.errorText.contains("--device auto chose \(try KernelGuest.encoder())"))
      #expect(result.errorText.contains("12 frames in, 12 out, 0 skipped"))
      let frames = try Recording.headers(of: output)
      #expect(frames.count == 12)
      #expect(frames.allSatisfy { $0.size == Recording.size })
      #expect(frames.indices.filter { frames[$0].isIntra } == [0, 5, 10])
    }

    @Test("an H.264 encoder is not found here, and every node says why")
    func noEncoder() async throws {
      let result = try await run(
        "encode", "test:motion", "--frames", "2", "-o", directory.file("out.h264"))
      #expect(result.exitCode == 69)
      #expect(result.errorText.contains("encodes FWHT, not H.264"))
    }

    @Test("Ctrl-C ends the file behind a whole frame")
    func interrupted() async throws {
      let output = directory.file("out.fwht")
      // Black for hours, in a file that takes no room.
      let input = try directory.write([], to: "black.yuv")
      try #require(truncate(input, 1_000_000 * 640 * 360 * 3 / 2) == 0)
      let process = try Subprocess(
        try builtBinary(named: "v4l2enc"), ["encode", input, "--size", "640x360", "-o", output])
      try await eventually(within: .seconds(60), "there is output") {
        FileManager.default.contents(atPath: output)?.isEmpty == false
      }
      process.send(SIGINT)
      let result = try await process.wait(within: .seconds(60))
      #expect(result.exitCode == 130, "\(result.errorText)")
      let count = try Recording.headers(of: output).count
      #expect(count > 0)
      #expect(result.errorText.contains(" \(count) out, 0 skipped"), "\(result.errorText)")
    }
  }
}
