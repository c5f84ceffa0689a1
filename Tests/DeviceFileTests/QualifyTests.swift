import Foundation
import TestSupport
import Testing

@Suite("v4l2enc qualify on a device file", .needsDeviceFile)
struct QualifyTests {
  private func start(_ arguments: [String], _ device: DeviceFile) throws -> Subprocess {
    try Subprocess(
      try builtBinary(named: "v4l2enc"),
      ["qualify", "--device", device.path, "--size", "320x192", "--no-software"] + arguments,
      // Whatever else this machine's kernel logs meanwhile is no finding.
      environment: ["V4L2ENC_SYSROOT": "/nonexistent"])
  }

  @Test("streams share one device")
  func streams() async throws {
    try await DeviceFile.serve { device in
      let directory = try TemporaryDirectory()
      let result = try await start(
        ["--duration", "1s", "--streams", "1,3", "--journal", directory.file("j")], device
      ).wait(within: .patience)
      #expect(result.exitCode == 0, "\(result.outputText)")
      #expect(result.outputText.hasSuffix("verdict: stable\n"))
      let journal = try String(contentsOfFile: directory.file("j"), encoding: .utf8)
      #expect(journal.ranges(of: #""outcome":{"verdict":"stable","#).count == 2)
    }
  }

  @Test("a device that hangs or goes is a verdict", arguments: [SIGSTOP, SIGKILL])
  func endings(signal: Int32) async throws {
    try await DeviceFile.serve { device in
      let directory = try TemporaryDirectory()
      let client = try start(
        ["--duration", "100s,200s", "--streams", "2,3", "--journal", directory.file("j")], device)
      try await eventually("both streams run") { client.errorSoFar.contains("H.264") }
      try await Task.sleep(for: .milliseconds(500))
      if signal == SIGKILL { try await device.killServer() } else { device.server.send(signal) }
      defer { device.server.send(SIGCONT) }
      try await eventually(within: .patience, "the step has its verdict") {
        client.errorSoFar.contains("warning: 2 streams for 100 s: unstable: ")
      }
      // Until then the kernel keeps a process that waits for the server.
      device.server.send(SIGCONT)
      let result = try await client.wait(within: .patience)
      #expect(result.exitCode == 1, "\(result.errorText)")
      #expect(result.errorText.contains(device.path), "\(result.errorText)")
      #expect(result.outputText.ranges(of: "untested").count == 3, "\(result.outputText)")
      #expect(result.outputText.hasSuffix("verdict: unstable\n"))
    }
  }
}
