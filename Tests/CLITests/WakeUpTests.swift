import Foundation
import TestSupport
import Testing

@Suite struct WakeUpTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  @Test func encodingLeavesThePoolForTasksAlone() async throws {
    let output = directory.file("o.h264")
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", "test:motion", "--size", "64x64", "--frames", "100000000", "-o", output,
        "--device", "virtual",
      ])
    defer { process.send(SIGKILL) }
    try await eventually("there is output") {
      FileManager.default.contents(atPath: output)?.isEmpty == false
    }
    let descriptors = "/proc/\(process.processIdentifier)/fd"
    let files = try FileManager.default.contentsOfDirectory(atPath: descriptors).compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "\(descriptors)/\($0)")
    }
    #expect(files.contains(output), "\(files)")
    // The thread that wakes once a second for as long as there is a pool waits for it.
    #expect(!files.contains("anon_inode:[eventpoll]"), "\(files)")
    process.send(SIGTERM)
    #expect(try await process.wait().exitCode == 143)
  }
}
