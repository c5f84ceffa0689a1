import Foundation
import TestSupport
import Testing

@Suite("The command v4l2-virtual-encoder")
struct CommandTests {
  private static func run(_ arguments: [String]) async throws -> SubprocessResult {
    try await Subprocess.run(
      try builtBinary(named: "v4l2-virtual-encoder"), arguments, within: .patience)
  }

  @Test("--help says what there is")
  func help() async throws {
    let result = try await Self.run(["--help"])
    #expect(result.exitCode == 0)
    for option in ["--api", "--codec-h264", "--codec-hevc", "--backend", "--foreground"] {
      #expect(result.outputText.contains("  \(option)"))
    }
    #expect(result.outputText.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test("--version names the program")
  func version() async throws {
    let result = try await Self.run(["--version"])
    #expect(result.exitCode == 0)
    #expect(result.outputText.hasPrefix("v4l2-virtual-encoder "))
  }

  @Test(
    "a wrong command line is refused in one line",
    arguments: [
      [], ["--api"], ["/tmp/x", "--api", "both"], ["/tmp/x", "/tmp/y"], ["/tmp/x", "--apl=mplane"],
      ["/tmp/x", "--foreground=yes"], ["/tmp/"],
    ])
  func usage(arguments: [String]) async throws {
    let result = try await Self.run(arguments)
    #expect(result.exitCode == EX_USAGE)
    #expect(result.output.isEmpty)
    #expect(result.errorText.split(separator: "\n").count == 1)
    #expect(result.errorText.hasPrefix("v4l2-virtual-encoder: "))
  }

  @Test("without privileges it names the remedy", .enabled(if: geteuid() == 0, "needs root"))
  func unprivileged() async throws {
    let result = try await Subprocess.run(
      "setpriv",
      [
        "--reuid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
        try builtBinary(named: "v4l2-virtual-encoder"), "/tmp/v4l2enc-unprivileged",
      ])
    #expect(result.exitCode == EX_NOPERM || result.exitCode == EX_UNAVAILABLE)
    #expect(result.errorText.contains("--device virtual"))
    #expect(!FileManager.default.fileExists(atPath: "/tmp/v4l2enc-unprivileged"))
  }

  // MARK: In the background

  /// Runs `body` with a server in the background, which gets `signal` afterwards.
  private static func background(
    _ path: String, end signal: Int32 = SIGTERM, _ body: () async throws -> Void = {}
  ) async throws {
    let process = try await launch(path)
    do {
      try await body()
      kill(process, signal)
      try await eventually("the server ends") { hasEnded(process) }
    } catch {
      kill(process, SIGKILL)
      throw error
    }
  }

  /// Starts a server in the background; its process number.
  private static func launch(_ path: String) async throws -> pid_t {
    let result = try await run([path, "--backend", "null"])
    #expect(result.exitCode == 0, "\(result.errorText)")
    let text = result.outputText
    let number = text.split(separator: " ").last.flatMap {
      pid_t($0.trimmingCharacters(in: CharacterSet(charactersIn: ")\n")))
    }
    guard let number, text == "\(path): virtual encoder ready (pid \(number))\n" else {
      throw TestSupportError("the server says \(text)")
    }
    return number
  }

  private static func hasEnded(_ process: pid_t) -> Bool {
    // It is a child of another process by now, which may let it be a zombie for a while.
    let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    return status.map { $0.contains(") Z ") } ?? true
  }

  @Test("it returns when the device is ready, and cleans up at the end", .needsDeviceFile)
  func background() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("a device")
    try await Self.background(path) {
      // The device is there, without any waiting.
      _ = try RawClient(path)
    }
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("an empty file that was there before is kept", .needsDeviceFile)
  func existingFile() async throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write([], to: "file")
    try await Self.background(path, end: SIGINT) { _ = try RawClient(path) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data())
  }

  @Test("a file with content is not hidden", .needsDeviceFile, arguments: [false, true])
  func fullFile(staysInForeground: Bool) async throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write([1, 2, 3], to: "video.h264")
    let result = try await Self.run([path] + (staysInForeground ? ["--foreground"] : []))
    #expect(result.exitCode == EX_CANTCREAT)
    #expect(result.output.isEmpty)
    #expect(result.errorText.split(separator: "\n").count == 1)
    #expect(result.errorText.contains(path))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([1, 2, 3]))
    let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
    #expect(!mounts.contains(path))
  }

  @Test("the mount a killed server left is replaced", .needsDeviceFile)
  func staleMount() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("device")
    try await Self.background(path, end: SIGKILL)
    try await Self.background(path) { _ = try RawClient(path) }
    let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
    #expect(!mounts.contains(path))
  }

  @Test("what cannot become a device is refused", .needsDeviceFile)
  func refused() async throws {
    let directory = try TemporaryDirectory()
    for path in [directory.path, "/dev/null", directory.file("missing/device")] {
      let result = try await Self.run([path])
      #expect(result.exitCode == EX_CANTCREAT, "\(path): \(result.errorText)")
      #expect(result.errorText.contains(path))
    }
    let path = directory.file("device")
    try await Self.background(path) {
      let second = try await Self.run([path])
      #expect(second.exitCode == EX_CANTCREAT)
      #expect(second.errorText.contains("served already"))
    }
  }
}
