import Foundation
import TestSupport
import Testing

/// Whether this machine can serve device files; where that is demanded, tests run and fail.
enum DeviceFileSupport {
  static let isUsable =
    ProcessInfo.processInfo.environment["V4L2ENC_REQUIRE_FUSE"] == "1"
    || (geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0 && kernelHasPassthrough)

  /// FUSE passthrough came with Linux 6.9.
  private static var kernelHasPassthrough: Bool {
    let version = ProcessInfo.processInfo.operatingSystemVersion
    return (version.majorVersion, version.minorVersion) >= (6, 9)
  }
}

extension Trait where Self == ConditionTrait {
  /// For tests that mount a device file.
  static var needsDeviceFile: Self {
    .enabled(if: DeviceFileSupport.isUsable, "needs root, /dev/fuse and Linux 6.9 or newer")
  }
}

extension Duration {
  /// How long a test waits for what should take no time before it fails.
  ///
  /// Long, as other tests of the same run block the few threads that tasks have; what has to be
  /// quick is timed on a thread of its own.
  static let patience = Duration.seconds(120)
}

/// Waits until `condition` holds and fails when it does not for very long.
func eventually(
  _ what: String, _ condition: @escaping @concurrent @Sendable () async throws -> Bool
) async throws {
  try await eventually(within: .patience, what, condition)
}

/// A served device file, taken away when it is no longer used.
final class DeviceFile: Sendable {
  let path: String
  let server: Subprocess
  private let directory: TemporaryDirectory

  private init(path: String, server: Subprocess, directory: TemporaryDirectory) {
    self.path = path
    self.server = server
    self.directory = directory
  }

  /// Runs `body` with a device file of a server of its own, started by the command `launcher`.
  static func serve(
    _ options: [String] = [], through launcher: [String] = [],
    _ body: (DeviceFile) async throws -> Void
  ) async throws {
    let directory = try TemporaryDirectory(named: "v4l2enc-device")
    let path = directory.file("video")
    let command =
      launcher + [try builtBinary(named: "v4l2-virtual-encoder"), path, "--foreground"] + options
    let server = try Subprocess(command[0], Array(command.dropFirst()))
    let file = DeviceFile(path: path, server: server, directory: directory)
    do {
      try await eventually("the server is ready") {
        if !server.isRunning { throw TestSupportError("no server: \(server.errorSoFar)") }
        return server.outputSoFar.contains("ready")
      }
      try await body(file)
    } catch {
      await file.end()
      throw error
    }
    // A server that a trap ended would otherwise go unnoticed by a test of a client.
    if server.isRunning {
      server.send(SIGTERM)
      let result = try await server.wait(within: .patience)
      #expect(result.exitCode == 0, "the server's end: \(result.errorText)")
    }
    umount2(path, Int32(MNT_DETACH))
  }

  /// Kills the server; its clients may know of that before its process has ended.
  func killServer() async throws {
    server.send(SIGKILL)
    _ = try await server.wait(within: .patience)
  }

  private func end() async {
    server.send(SIGKILL)
    _ = try? await server.wait(within: .patience)
    umount2(path, Int32(MNT_DETACH))
  }

  /// Starts a program for which the device is /dev/video0, and no other device exists.
  func start(_ program: String, _ arguments: [String]) throws -> Subprocess {
    try Subprocess(
      Fixtures.packageDirectory + "Scripts/private-video-device.sh", [path, program] + arguments)
  }

  /// Runs such a program to its end.
  func run(
    _ program: String, _ arguments: [String], within limit: Duration = .patience
  ) async throws -> SubprocessResult {
    try await start(program, arguments).wait(within: limit)
  }

  // MARK: What the server holds

  /// How many bytes of the buffers' memory exist.
  func bufferBytes() throws -> Int {
    let directory = "/proc/\(server.processIdentifier)/fd"
    for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
      let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)")
      guard let link, link.hasPrefix("/memfd:") else { continue }
      var status = stat()
      if stat("\(directory)/\(name)", &status) == 0 { return Int(status.st_blocks) * 512 }
    }
    throw TestSupportError("the server has no memory for buffers")
  }

  /// How many threads and descriptors the server has.
  func resources() throws -> [Int] {
    let process = "/proc/\(server.processIdentifier)"
    return try ["task", "fd"].map {
      try FileManager.default.contentsOfDirectory(atPath: "\(process)/\($0)").count
    }
  }
}
