import Foundation
import TestSupport
import Testing

@Suite("The command on a frozen server", .needsDeviceFile)
struct FrozenServerTests {
  /// Frames that come one by one: the server freezes while the command is not inside a request, so
  /// that the next frame is what meets it.
  private static let slowInput = """
    import sys, time
    out = sys.stdout.buffer
    out.write(b"YUV4MPEG2 W320 H240 F30:1 C420\\n")
    while True:
        out.write(b"FRAME\\n" + bytes(320 * 240 * 3 // 2))
        out.flush()
        time.sleep(0.03)
    """

  @Test("encoding ends with one line", arguments: [false, true])
  func encodingEnds(isSlow: Bool) async throws {
    try await DeviceFile.serve { device in
      let directory = try TemporaryDirectory(named: "v4l2enc-frozen")
      let output = directory.file("o.h264")
      let command = try builtBinary(named: "v4l2enc")
      let rest = "-o \(output) --device \(device.path)"
      let script = directory.file("slow.py")
      try Self.slowInput.write(toFile: script, atomically: true, encoding: .utf8)
      let line =
        isSlow
        ? "python3 \(script) | \(command) encode - \(rest); echo ${PIPESTATUS[1]}"
        : "\(command) encode test:motion --frames 1000000 \(rest); echo $?"
      let client = try Subprocess("bash", ["-c", line])
      try await eventually("a frame is encoded") {
        FileManager.default.contents(atPath: output)?.isEmpty == false
      }
      device.server.send(SIGSTOP)
      defer { device.server.send(SIGCONT) }
      try await eventually(within: .patience, "the command has said why it ends") {
        client.errorSoFar.contains("v4l2enc: error: ")
      }
      // A request that the server had read before it froze holds its process until the server
      // goes on or is killed: the kernel waits for the answer, whatever the program does.
      device.server.send(SIGCONT)
      let result = try await client.wait(within: .patience)
      #expect(result.outputText == "75\n", "\(result.errorText)")
      let complaints = result.errorText.split(separator: "\n").filter {
        $0.hasPrefix("v4l2enc: error: ")
      }
      #expect(complaints.count == 1, "\(result.errorText)")
      #expect(complaints.first?.contains(device.path) == true)
    }
  }

  @Test("discovery goes on without a device that does not answer", arguments: [true, false])
  func discoveryGoesOn(isNamed: Bool) async throws {
    try await DeviceFile.serve { device in
      device.server.send(SIGSTOP)
      defer { device.server.send(SIGCONT) }
      let result = try await Subprocess.run(
        try builtBinary(named: "v4l2enc"), isNamed ? ["devices", device.path] : ["devices"],
        environment: ["V4L2ENC_SYSROOT": "/nonexistent", "V4L2ENC_DEVICES": device.path],
        within: .patience)
      #expect(result.exitCode == (isNamed ? 75 : 0), "\(result.errorText)")
      #expect(result.outputText.hasPrefix("\(device.path) has not answered within 2.0 seconds"))
    }
  }

  @Test("a device file is no input")
  func deviceAsInput() async throws {
    try await DeviceFile.serve { device in
      let result = try await Subprocess.run(
        try builtBinary(named: "v4l2enc"),
        ["encode", device.path, "--size", "64x64", "-o", "-", "--device", "virtual"])
      #expect(result.exitCode == 66, "\(result.errorText)")
      #expect(
        result.errorText.contains("\(device.path) is a video device, not a file of raw video"))
    }
  }
}
