import Foundation
import TestSupport
import Testing

@Suite struct SignalTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] as [(Int32, Int32)])
  func theFirstSignalFinishesTheFile(signal: Int32, code: Int32) async throws {
    let (output, statistics) = (directory.file("o.h264"), directory.file("s.jsonl"))
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", "test:motion", "--size", "64x64", "--frames", "100000000", "-o", output,
        "--stats", statistics, "--device", "virtual",
      ])
    try await eventually("there is output") {
      FileManager.default.contents(atPath: output)?.isEmpty == false
    }
    process.send(signal)
    let result = try await process.wait(within: .seconds(20))
    #expect(result.exitCode == code, "\(result.errorText)")
    let lines = packetLines(
      String(
        decoding: FileManager.default.contents(atPath: statistics) ?? Data(), as: UTF8.self))
    let said = try #require(number(before: " frames are in ", in: result.errorText))
    #expect(said > 0)
    #expect(lines.count == said)
    #expect(number(before: " frames in, ", in: result.errorText) == said)
    #expect(result.errorText.contains(" 0 skipped"))
  }

  @Test func aSignalEndsTheWaitForInput() async throws {
    // The child inherits the read end of a pipe whose write end stays open.
    let fifo = directory.file("fifo")
    #expect(mkfifo(fifo, 0o600) == 0)
    let keeper = open(fifo, O_RDWR | O_CLOEXEC)
    defer { close(keeper) }
    let clip = y4m(3)
    #expect(clip.withUnsafeBytes { write(keeper, $0.baseAddress, $0.count) } == clip.count)
    let output = directory.file("o.h264")
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"), ["encode", fifo, "-o", output, "--device", "virtual"])
    try await eventually("a frame is encoded") {
      FileManager.default.contents(atPath: output)?.isEmpty == false
    }
    process.send(SIGINT)
    let result = try await process.wait(within: .seconds(20))
    #expect(result.exitCode == 130, "\(result.errorText)")
    #expect(result.errorText.contains("3 frames are in "))
  }

  @Test func theSecondSignalEndsAtOnce() async throws {
    // Nobody reads the output and it has room for one page, less than the first picture needs.
    let fifo = directory.file("fifo")
    #expect(mkfifo(fifo, 0o600) == 0)
    let keeper = open(fifo, O_RDWR | O_CLOEXEC)
    defer { close(keeper) }
    let filling = [UInt8](repeating: 0, count: 15 * 4096)
    #expect(filling.withUnsafeBytes { write(keeper, $0.baseAddress, $0.count) } == filling.count)
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", "test:motion", "--size", "640x480", "--frames", "100000", "-o", fifo,
        "--bitrate", "20M", "--device", "virtual",
      ])
    try await eventually("the first picture is being written") {
      var waiting: Int32 = 0
      return ioctl(keeper, UInt(FIONREAD), &waiting) == 0 && Int(waiting) > filling.count
    }
    process.send(SIGINT)
    try await eventually("the first signal is answered") {
      process.errorSoFar.contains("once more ends at once")
    }
    process.send(SIGINT)
    // Less than the time after which the command gives up by itself.
    let result = try await process.wait(within: .seconds(5))
    #expect(result.exitCode == 130)
    #expect(!result.errorText.contains(" frames are in "))
  }
}
