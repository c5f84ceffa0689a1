import Foundation
import TestSupport
import Testing
import V4L2Encoder

/// `v4l2enc capture` with vivid as the camera.
struct VividCapture {
  let directory: TemporaryDirectory
  let camera: String

  init() throws {
    directory = try TemporaryDirectory()
    camera = try #require(
      DeviceCatalog.devices().first { $0.kind == .camera && $0.driver == "vivid" }
    ).path
  }

  func start(_ arguments: [String]) throws -> Subprocess {
    try Subprocess(try builtBinary(named: "v4l2enc"), ["capture", camera] + arguments)
  }

  func control(_ settings: String...) async throws {
    for setting in settings {
      let result = try await Subprocess.run("v4l2-ctl", ["-d", camera, "-c", setting])
      #expect(result.exitCode == 0, "\(setting): \(result.errorText)")
    }
  }

  func text(_ path: String) throws -> String {
    try String(contentsOfFile: path, encoding: .utf8)
  }
}
