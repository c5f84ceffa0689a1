import Foundation
import TestSupport
import Testing

/// What the command says of nodes that are no encoder, or of none at all.
@Suite struct DiscoveryCommandTests {
  /// Runs the command where `/dev` and `/proc` are below a directory of the test.
  private func run(
    _ arguments: [String], in directory: TemporaryDirectory, environment: [String: String] = [:]
  ) async throws -> SubprocessResult {
    try await Subprocess.run(
      try builtBinary(named: "v4l2enc"), arguments,
      environment: environment.merging(["V4L2ENC_SYSROOT": directory.path]) { value, _ in value })
  }

  private func board(_ model: String) throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    let tree = directory.file("proc/device-tree")
    try FileManager.default.createDirectory(atPath: tree, withIntermediateDirectories: true)
    try FileManager.default.createDirectory(
      atPath: directory.file("dev"), withIntermediateDirectories: true)
    _ = try directory.write(Array(model.utf8) + [0], to: "proc/device-tree/model")
    return directory
  }

  private static let encode = [
    "encode", "test:motion", "--size", "64x64", "--frames", "1", "-o", "/dev/null",
  ]

  @Test("a Raspberry Pi 5 is told that it has no encoder")
  func boardWithoutEncoder() async throws {
    let directory = try board("Raspberry Pi 5 Model B Rev 1.0")
    let list = try await run(["devices"], in: directory)
    #expect(list.exitCode == 0)
    #expect(
      list.outputText
        == "The Raspberry Pi 5 has no video encoder in hardware; "
        + "v4l2enc encode --device virtual works without one.\n")
    let encode = try await run(Self.encode, in: directory)
    #expect(encode.exitCode == 69)
    #expect(encode.errorText.contains("the Raspberry Pi 5 has no video encoder in hardware"))
    #expect(encode.errorText.split(separator: "\n").count { $0.contains("error: ") } == 1)
  }

  @Test("on an Orin Nano NVIDIA's node is left alone, even when it is named")
  func orinNano() async throws {
    let directory = try board("NVIDIA Jetson Orin Nano Developer Kit")
    let node = try directory.write([], to: "dev/v4l2-nvenc")
    let list = try await run(["devices", "--json"], in: directory)
    #expect(list.exitCode == 0)
    #expect(list.outputText.contains("\(node) is left alone: the Jetson Orin Nano has no video"))
    #expect(list.outputText.contains(#""error":"deviceUnavailable""#))
    let named = try await run(Self.encode + ["--device", node], in: directory)
    #expect(named.exitCode == 69)
    #expect(named.errorText.contains("is left alone"), "\(named.errorText)")
  }

  @Test("who may not open a node is told its group", .enabled(if: geteuid() == 0, "needs root"))
  func permissions() async throws {
    let directory = try board("Some board")
    chmod(directory.path, 0o755)
    let node = try directory.write([], to: "dev/video0")
    let group = try #require(getgrnam("video")).pointee.gr_gid
    chown(node, 0, group)
    func refusal(mode: mode_t, _ command: [String]) async throws -> SubprocessResult {
      chmod(node, mode)
      return try await Subprocess.run(
        "setpriv",
        ["--reuid=65534", "--regid=65534", "--clear-groups", try builtBinary(named: "v4l2enc")]
          + command, environment: ["V4L2ENC_SYSROOT": directory.path])
    }
    let grouped = try await refusal(mode: 0o660, ["devices", node])
    #expect(grouped.exitCode == 77)
    #expect(
      grouped.outputText.contains(
        "it belongs to the group video; add the user to it (sudo usermod -aG video USER)"),
      "\(grouped.outputText)\(grouped.errorText)")
    let owned = try await refusal(mode: 0o600, ["devices", node])
    #expect(owned.exitCode == 77)
    #expect(owned.outputText.contains("only its owner may open it"))
    let automatic = try await refusal(mode: 0o660, Self.encode)
    #expect(automatic.exitCode == 77, "\(automatic.errorText)")
    #expect(automatic.errorText.contains("usermod -aG video"))
  }

  @Test("the environment names nodes to look at, and the one to take")
  func environment() async throws {
    let directory = try board("Some board")
    let list = try await run(
      ["devices", "--also", "/dev/null"], in: directory,
      environment: ["V4L2ENC_DEVICES": "/dev/nothing:/dev/zero"])
    #expect(list.exitCode == 0)
    let lines = list.outputText.split(separator: "\n")
    #expect(lines.count == 4)
    for (line, text) in zip(
      lines,
      [
        "/dev/nothing does not exist", "/dev/zero is no V4L2 device", "/dev/null is no V4L2 device",
        "None of these nodes is an encoder",
      ])
    { #expect(line.hasPrefix(text), "\(line)") }
    let chosen = try await run(
      Self.encode, in: directory, environment: ["V4L2ENC_DEVICE": "virtual"])
    #expect(chosen.exitCode == 0, "\(chosen.errorText)")
    #expect(chosen.errorText.contains("--device auto: V4L2ENC_DEVICE says virtual"))
    // The option wins.
    let named = try await run(
      Self.encode + ["--device", "/dev/zero"], in: directory,
      environment: ["V4L2ENC_DEVICE": "virtual"])
    #expect(named.exitCode == 69)
    #expect(named.errorText.contains("/dev/zero is no V4L2 device"))
    #expect(named.errorText.contains("this machine has no other H.264 encoder"))
  }

  @Test("what others print to standard output does not end up in the stream")
  func privateOutput() async throws {
    let arguments = [
      "encode", "test:bars", "--size", "128x96", "--device", "virtual", "-o", "-", "-q",
    ]
    let expected = try await v4l2enc(arguments + ["--frames", "3000"])
    #expect(expected.exitCode == 0)
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"), arguments + ["--frames", "3000"])
    try await eventually(within: .seconds(60), "there is output") {
      !process.isRunning || !process.outputSoFar.isEmpty
    }
    // The process's own descriptor 1, which is what printf in a plugin writes to.
    let descriptor = open(
      "/proc/\(process.processIdentifier)/fd/1", O_WRONLY | O_APPEND | O_CLOEXEC)
    #expect(descriptor >= 0, "the process had ended: errno \(errno)")
    #expect(write(descriptor, "noise\n", 6) == 6)
    close(descriptor)
    let result = try await process.wait()
    #expect(result.exitCode == 0)
    #expect(result.errorText.contains("noise\n"))
    #expect(result.output == expected.output)
  }
}

/// `v4l2enc devices --dump`, and devices made from dumps.
@Suite struct DumpCommandTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("a dump goes to a file or to standard output, and back into a device")
  func roundTrip() async throws {
    let file = directory.file("encoder.json")
    let written = try await v4l2enc(["devices", "--dump", file, "virtual:bcm2835"])
    #expect(written.exitCode == 0, "\(written.errorText)")
    #expect(written.outputText.contains("everything bcm2835-codec says of itself is in \(file)"))
    let shown = try await v4l2enc(["devices", "--dump", "-", "virtual:recorded:\(file)"])
    #expect(shown.exitCode == 0, "\(shown.errorText)")
    let text = try String(contentsOfFile: file, encoding: .utf8)
    #expect(shown.outputText == text.replacing("virtual:bcm2835", with: "virtual"))
    let encoded = try await v4l2enc([
      "encode", "test:bars", "--size", "320x240", "--frames", "5", "-o", "/dev/null", "--device",
      "virtual:recorded:\(file)",
    ])
    #expect(encoded.exitCode == 0, "\(encoded.errorText)")
    #expect(encoded.errorText.contains("5 frames in, 5 out"))
  }

  @Test("nobody's name is in a dump")
  func privacy() async throws {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let dump = try await v4l2enc(["devices", "--dump", "-", "virtual"])
    #expect(dump.exitCode == 0)
    #expect(host.isEmpty || !dump.outputText.contains(host))
    #expect(!dump.outputText.contains(directory.path))
  }

  @Test("what cannot be dumped or loaded is refused in one line")
  func refusals() async throws {
    let nonsense = try directory.write(Array("nonsense".utf8), to: "nonsense")
    let cases: [(arguments: [String], code: Int32, text: String)] = [
      (["devices", "--dump", "-", "/dev/zero"], 69, "/dev/zero is no V4L2 device"),
      (["devices", "--dump", "-", "/dev/nothing"], 69, "/dev/nothing does not exist"),
      (["devices", "--dump", "-", "virtual", "virtual"], 64, "--dump is of one device"),
      (["devices", "--dump", "-", "--json", "virtual"], 64, "--json changes nothing with --dump"),
      (["devices", "--dump", "-", "--all"], 64, "--all changes nothing with --dump; leave it out"),
      (["devices", "--dump", "-", "--controls"], 64, "--controls changes nothing"),
      (["devices", "--dump", "-", "--also", "x", "virtual"], 64, "of a device that is named"),
      (
        ["devices", "--dump", nonsense, "--trace", nonsense, "virtual"], 64,
        "--trace is the file of --dump itself; write to another file"
      ),
      (
        ["devices", "--dump", directory.file("new"), "--trace", directory.file("new"), "virtual"],
        64, "--trace is the file of --dump itself"
      ),
      (["devices", "--dump", "/nonexistent/x", "virtual"], 73, "the directory does not exist"),
      (["devices", "virtual:nobody"], 64, "there is no personality nobody; there are spec, "),
      (["devices", "virtual:recorded:/nonexistent"], 66, "/nonexistent cannot be read"),
      (["devices", "virtual:recorded:\(nonsense)"], 64, "\(nonsense): this is no dump"),
    ]
    for (arguments, code, text) in cases {
      let result = try await v4l2enc(arguments)
      #expect(result.exitCode == code, "\(arguments): \(result.errorText)")
      #expect(result.errorText.contains(text), "\(result.errorText)")
      #expect(result.errorText.split(separator: "\n").count == 1, "\(result.errorText)")
      #expect(result.output.isEmpty)
    }
    #expect(try String(contentsOfFile: nonsense, encoding: .utf8) == "nonsense")
    #expect(!FileManager.default.fileExists(atPath: directory.file("new")))
  }
}
