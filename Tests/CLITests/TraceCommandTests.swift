import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// The file of `--trace`.
@Suite struct TraceCommandTests {
  private let directory: TemporaryDirectory
  private var path: String { directory.file("trace") }

  init() throws { directory = try TemporaryDirectory() }

  private func lines() throws -> [Substring] {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.hasSuffix("\n"))
    return text.split(separator: "\n")
  }

  @Test("encode writes every request to a file")
  func encode() async throws {
    let result = try await encodeVirtually(
      "test:bars", "--size", "64x64", "--frames", "20", "-o", "/dev/null", "--trace", path)
    #expect(result.exitCode == 0, "\(result.errorText)")
    let lines = try lines()
    #expect(lines.first?.hasPrefix("# v4l2enc ") == true)
    #expect(lines.last?.contains(" close -> 0 (") == true)
    #expect(lines.count { $0.contains(" VIDIOC_QBUF output-mplane ") } == 20)
    #expect(lines.count { $0.contains(" poll IN") } > 0)
    #expect(lines.contains { $0.contains(" VIDIOC_ENCODER_CMD stop flags 0 -> 0") })
  }

  @Test("a command that fails leaves a trace up to the failure")
  func failure() async throws {
    let encode = try await v4l2enc([
      "encode", "test:bars", "--size", "64x64", "-o", "/dev/null", "--trace", path, "--device",
      "/dev/zero",
    ])
    #expect(encode.exitCode == 69)
    #expect(try lines().contains { $0.contains(" 1 open /dev/zero -> ") })
    let devices = try await v4l2enc(["devices", "/dev/nothing", "virtual", "--trace", path])
    #expect(devices.exitCode == 69)
    let lines = try lines()
    #expect(lines.contains { $0.contains(" 1 open /dev/nothing -> ENOENT (") })
    #expect(lines.contains { $0.contains(" 2 VIDIOC_ENUM_FRAMESIZES HEVC 0 -> 0 ") })
    #expect(!lines.contains { $0.contains("VIDIOC_S_FMT") })
  }

  @Test("a command that is killed leaves a trace up to then")
  func killed() async throws {
    let path = path
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", "test:motion", "--size", "64x64", "--frames", "1000000", "-o", "/dev/null",
        "--device", "virtual", "--trace", path,
      ])
    try await eventually(within: .seconds(60), "frames are encoded") {
      let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      return text.contains(" VIDIOC_DQBUF output-mplane ")
    }
    process.send(SIGKILL)
    _ = try await process.wait()
    let lines = try lines()
    #expect(lines.dropFirst().allSatisfy { $0.contains(" -> ") })
  }

  @Test("whatever ends a command, requests that have not returned are in the trace")
  func unfinished() throws {
    let console = Console(verbosity: .quiet, progress: false)
    var options = EncodeOptions()
    options.tracePath = path
    let job = try EncodeJob(
      options, codec: .h264, to: directory.file("o.h264"), timeBase: Rational(1, 25), input: nil,
      console, Signals(), StopRequest())
    _ = job.trace?.trace.begin("1 VIDIOC_STREAMOFF")
    job.end()
    #expect(try lines().last?.contains(" 1 VIDIOC_STREAMOFF -> not returned after ") == true)
    #expect(!FileManager.default.fileExists(atPath: directory.file("o.h264")))
  }

  @Test("it is no other file of the command")
  func clashes() async throws {
    for arguments in [["-o", path], ["-o", "/dev/null", "--stats", path]] {
      let result = try await v4l2enc(
        ["encode", "test:bars", "--size", "64x64", "--device", "virtual", "--trace", path]
          + arguments)
      #expect(result.exitCode == 64, "\(result.errorText)")
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }
}
