import Foundation
import TestSupport
import Testing

/// A device file whose server is killed and started again under a client.
@Suite("Recovery through the device file", .needsDeviceFile, .timeLimit(.minutes(5)))
struct RecoveryTests {
  @Test("v4l2enc goes on with the server that follows a killed one")
  func anotherServer() async throws {
    let directory = try TemporaryDirectory()
    let output = directory.file("out.h264")
    let times = directory.file("times.txt")
    try await DeviceFile.serve { device in
      let client = try start(device, ["--save-pts", times, "-o", output])
      try await eventually("frames are encoded") {
        if !client.isRunning { throw TestSupportError("no client: \(client.errorSoFar)") }
        return byteCount(of: output) > 20_000
      }
      try await device.killServer()
      try await eventually("the client has noticed") {
        client.errorSoFar.contains("trying to go on")
      }
      let next = try Subprocess(
        try builtBinary(named: "v4l2-virtual-encoder"), [device.path, "--foreground"])
      defer { next.send(SIGKILL) }
      let result = try await client.wait(within: .patience)
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(result.errorText.contains("frames are encoded again"))
      next.send(SIGTERM)
      #expect(try await next.wait(within: .patience).exitCode == 0)
    }
    let facts = try await MediaTools.probe(output)
    #expect(facts.frameCount == 600)
    let lines = try String(contentsOfFile: times, encoding: .utf8).split(separator: "\n")
    #expect(lines.dropFirst() == (0..<600).map { "\($0 * 40).000000" }[...])
  }

  @Test("and ends by name when none follows")
  func noServer() async throws {
    let directory = try TemporaryDirectory()
    let output = directory.file("out.h264")
    try await DeviceFile.serve { device in
      let client = try start(device, ["-o", output])
      try await eventually("frames are encoded") {
        if !client.isRunning { throw TestSupportError("no client: \(client.errorSoFar)") }
        return byteCount(of: output) > 20_000
      }
      try await device.killServer()
      let result = try await client.wait(within: .patience)
      #expect(result.exitCode == 74)
      #expect(result.errorText.contains("given up after 6 attempts"))
      #expect(result.errorText.contains("encoded frames were written"))
    }
  }

  /// How long a file is that may not exist yet.
  private func byteCount(of path: String) -> Int {
    (try? Data(contentsOf: URL(fileURLWithPath: path)).count) ?? 0
  }

  private func start(_ device: DeviceFile, _ options: [String]) throws -> Subprocess {
    try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", "test:motion", "--size", "320x240", "--fps", "25", "--frames", "600",
        "--recover", "6", "--device", device.path,
      ] + options)
  }
}
