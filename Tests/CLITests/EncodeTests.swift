import Foundation
import TestSupport
import Testing
import V4L2Encoder

@testable import v4l2enc_cli

/// The built command from end to end, on the device in its own process.
@Suite struct EncodeTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private func contents(_ path: String) -> [UInt8] {
    FileManager.default.contents(atPath: path).map { [UInt8]($0) } ?? []
  }

  @Test func rawY4MAndPipeGiveTheSameStream() async throws {
    let raw = try directory.write(rawFrames(12), to: "in.yuv")
    let clip = try directory.write(y4m(12), to: "in.y4m")
    let outputs = ["raw", "y4m", "pipe", "redirected"].map { directory.file("\($0).h264") }
    let size = ["--size", "64x64", "--fps", "25"]
    let runs: [([String], SubprocessInput)] = [
      ([raw] + size, .nothing), ([clip], .nothing), (["-"], .bytes(y4m(12))), (["-"], .file(clip)),
    ]
    for ((arguments, input), output) in zip(runs, outputs) {
      let result = try await v4l2enc(
        ["encode"] + arguments + ["-o", output, "--device", "virtual"], input: input)
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(result.output.isEmpty)
      #expect(result.errorText.contains("12 frames in, 12 out, 0 skipped"))
    }
    let expected = contents(outputs[0])
    #expect(expected.starts(with: [0, 0, 0, 1]))
    for output in outputs { #expect(contents(output) == expected, "\(output)") }
  }

  @Test func standardOutputCarriesOnlyTheStream() async throws {
    let file = directory.file("out.h264")
    let toFile = try await encodeVirtually("-", "-o", file, input: .bytes(y4m(5)))
    let toPipe = try await encodeVirtually("-", "-o", "-", "-v", input: .bytes(y4m(5)))
    #expect(toFile.exitCode == 0)
    #expect(toPipe.exitCode == 0)
    #expect(toPipe.output == contents(file))
    #expect(!toPipe.output.isEmpty)
  }

  @Test func reportsHaveALinePerPacket() async throws {
    let (output, statistics, times) = (
      directory.file("o.h264"), directory.file("s.jsonl"), directory.file("p.txt")
    )
    let result = try await encodeVirtually(
      "test:motion", "--size", "64x64", "--frames", "30", "--fps", "30000/1001", "--gop", "10",
      "-o", output, "--stats", statistics, "--save-pts", times)
    #expect(result.exitCode == 0, "\(result.errorText)")
    struct Line: Decodable {
      var index, pts, dts, duration, bytes, latency_us: Int
      var pts_ms: Double
      var key, parameter_sets, corrupt, time_inferred: Bool
      var qp: Double
    }
    let text = String(decoding: contents(statistics), as: UTF8.self)
    let lines = try packetLines(text).map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
    #expect(lines.map(\.index) == Array(0..<30))
    #expect(lines.map(\.pts) == Array(0..<30))
    #expect(lines.map(\.bytes).reduce(0, +) == contents(output).count)
    #expect(lines.filter(\.key).map(\.index) == [0, 10, 20])
    #expect(lines.filter(\.key).map(\.parameter_sets) == [true, true, true])
    #expect(lines.allSatisfy { $0.duration == 1 && !$0.corrupt && !$0.time_inferred })
    #expect(lines.allSatisfy { (10...51).contains($0.qp) })
    let expected =
      ["# timestamp format v2"]
      + (0..<30).map { PacketText.milliseconds(Int64($0), .init(1001, 30000)) }
    let written = String(decoding: contents(times), as: UTF8.self)
    #expect(written == expected.joined(separator: "\n") + "\n")
    #expect(written.contains("\n33.366667\n"))
  }

  @Test func aRealClipComesOutAsItWentIn() async throws {
    let clip = try await MediaTools.decode(.carphone, to: .yuv4mpeg)
    for (suffix, codec) in [("h264", "h264"), ("hevc", "hevc")] {
      let stream = directory.file("o.\(suffix)")
      let result = try await encodeVirtually(clip, "-o", stream, "--bitrate", "600k")
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(result.errorText.contains("120 frames in, 120 out, 0 skipped"))
      #expect(try await MediaTools.probe(stream).codec == codec)
      let decoded = try await MediaTools.decode(stream: stream, in: directory)
      let quality = try decoded.lumaPSNR(against: try await MediaTools.pictures(.carphone))
      #expect(quality.overall >= 36, "\(codec): \(quality.overall) dB")
      #expect(quality.lowest >= 30, "\(codec): \(quality.lowest) dB")
    }
  }

  @Test(arguments: [("420", 6144), ("422", 8192), ("mono", 4096)])
  func everyChromaOfY4MIsEncoded(chroma: String, bytes: Int) async throws {
    let frame = Array("FRAME Ip XNOTE\n".utf8) + [UInt8](repeating: 90, count: bytes)
    let clip = Array("YUV4MPEG2 C\(chroma) H64 W64 F30:1\n".utf8) + frame + frame
    let result = try await encodeVirtually(
      "-", "-o", directory.file("o.hevc"), input: .bytes(clip))
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(result.errorText.contains("HEVC"))
    #expect(result.errorText.contains("2 frames in, 2 out, 0 skipped"))
  }

  @Test func framesLimitsAndDefaultsArePrinted() async throws {
    let result = try await encodeVirtually(
      "-", "--frames", "4", "-o", directory.file("o.264"), input: .bytes(y4m(9)))
    #expect(result.errorText.contains("4 frames in, 4 out"))
    #expect(result.errorText.contains("(default: 0.1 bit per pixel)"))
    #expect(result.errorText.contains("GOP 50 (default: 2 seconds)"))
    let quiet = try await encodeVirtually(
      "-", "-q", "-o", directory.file("o.264"), input: .bytes(y4m(2)))
    #expect(quiet.exitCode == 0)
    #expect(quiet.errorText == "")
  }

  @Test func verboseNamesEveryControl() async throws {
    let result = try await encodeVirtually(
      "-", "-v", "--bitrate", "300k", "--gop", "7", "--set", "0x9909ca=1", "-o",
      directory.file("o.264"),
      input: .bytes(y4m(2)))
    #expect(result.errorText.contains("control BITRATE = 300000: applied"))
    #expect(result.errorText.contains("control GOP_SIZE = 7: applied"))
    #expect(result.errorText.contains("control B_FRAMES = 1: "))
    #expect(!result.errorText.contains("0x9909ca"))
  }

  @Test func interlacedInputIsReported() async throws {
    let clip = y4m(2, header: "YUV4MPEG2 W64 H64 F25:1 It C420mpeg2")
    let result = try await encodeVirtually("-", "-o", "-", input: .bytes(clip))
    #expect(result.exitCode == 0)
    #expect(result.errorText.contains("interlaced"))
  }

  @Test func oddSizesAreCroppedOnDemand() async throws {
    let result = try await encodeVirtually(
      "test:bars", "--size", "35x33", "--frames", "2", "--crop-odd", "-o", "-")
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(result.errorText.contains("34x32"))
  }

  @Test func anExistingOutputSurvivesAFailureBeforeTheFirstPacket() async throws {
    let output = try directory.write([1, 2, 3], to: "o.h264")
    let refused = try await v4l2enc(
      ["encode", "test:bars", "-o", output, "--device", "/dev/null"])
    #expect(refused.exitCode == 69)
    #expect(contents(output) == [1, 2, 3])
    let other = directory.file("new.h264")
    _ = try await v4l2enc(["encode", "test:bars", "-o", other, "--device", "/dev/null"])
    #expect(!FileManager.default.fileExists(atPath: other))
    let longer = try directory.write([UInt8](repeating: 7, count: 1 << 20), to: "long.h264")
    #expect(try await encodeVirtually("-", "-o", longer, input: .bytes(y4m(1))).exitCode == 0)
    #expect(contents(longer).count < 1 << 20)
  }
}
