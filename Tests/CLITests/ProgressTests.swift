import Foundation
import TestSupport
import Testing
import V4L2Encoder

@testable import v4l2enc_cli

/// `--progress` and `--stats-period`.
@Suite(.timeLimit(.minutes(2))) final class ProgressTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The blocks of a progress file, each a dictionary that ends with `progress`.
  private func blocks(_ text: String) -> [[String: String]] {
    var all: [[String: String]] = []
    var block: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { continue }
      block[parts[0]] = parts[1]
      if parts[0] == "progress" {
        all.append(block)
        block = [:]
      }
    }
    return all
  }

  private func size(of path: String) throws -> Int {
    try #require(FileManager.default.contents(atPath: path)).count
  }

  @Test func theLastBlockSaysEverything() async throws {
    let (output, progress) = (directory.file("o.h264"), directory.file("p.txt"))
    let result = try await encodeVirtually(
      "test:motion", "--size", "64x64", "--frames", "50", "--fps", "25", "-o", output,
      "--progress", progress)
    #expect(result.exitCode == 0, "\(result.errorText)")
    let text = String(
      decoding: try #require(FileManager.default.contents(atPath: progress)), as: UTF8.self)
    let last = try #require(blocks(text).last)
    let bytes = try size(of: output)
    #expect(last["frame"] == "50" && last["progress"] == "end")
    #expect(last["total_size"] == "\(bytes)")
    #expect(last["out_time_us"] == "2000000" && last["out_time"] == "00:00:02.000000")
    #expect(last["dup_frames"] == "0" && last["drop_frames"] == "0")
    #expect(last["bitrate"] == Units.fixed(Double(bytes) * 8 / 2000, 1) + "kbits/s")
    #expect(last["fps"].flatMap(Double.init) ?? 0 > 0)
    #expect(last["speed"]?.hasSuffix("x") == true)
    #expect(blocks(text).dropLast().allSatisfy { $0["progress"] == "continue" })
  }

  @Test func blocksComeWhileItRunsAndGoToStandardOutputOnRequest() async throws {
    // Much work at a short period: it cannot be over before the first block is due.
    let result = try await encodeVirtually(
      "test:motion", "--size", "1280x720", "--frames", "200", "-o", directory.file("o.h264"),
      "--progress", "-", "--stats-period", "0.001")
    #expect(result.exitCode == 0, "\(result.errorText)")
    let all = blocks(String(decoding: result.output, as: UTF8.self))
    #expect(all.count > 2)
    let frames = all.compactMap { $0["frame"].flatMap(Int.init) }
    #expect(frames == frames.sorted() && frames.last == 200)
    #expect(all.map { $0["progress"] }.lastIndex(of: "continue") == all.count - 2)
  }

  /// A pipe that takes nothing more, and the descriptor that keeps it open.
  private func fullPipe() -> (path: String, keeper: Int32) {
    let fifo = directory.file("fifo")
    #expect(mkfifo(fifo, 0o600) == 0)
    let keeper = open(fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK)
    let filling = [UInt8](repeating: 0, count: 1 << 16)
    #expect(filling.withUnsafeBytes { write(keeper, $0.baseAddress, $0.count) } == filling.count)
    return (fifo, keeper)
  }

  @Test func aReaderOfStatisticsMayPause() async throws {
    let (fifo, keeper) = fullPipe()
    defer { close(keeper) }
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", "test:motion", "--size", "64x64", "--frames", "3000", "-o",
        directory.file("o.h264"), "--stats", fifo, "--stats-period", "60", "--device", "virtual",
      ])
    // Longer than packets may wait where they go to disks only.
    try await Task.sleep(for: .seconds(11))
    let reading = Task.detached {
      var text: [UInt8] = []
      while !Task.isCancelled {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(keeper, &buffer, buffer.count)
        if count > 0 { text += buffer[..<count] }
        if count <= 0 { try? await Task.sleep(for: .milliseconds(5)) }
      }
      return text
    }
    let result = try await process.wait(within: .seconds(60))
    try await Task.sleep(for: .milliseconds(100))
    reading.cancel()
    #expect(result.exitCode == 0, "\(result.errorText)")
    let lines = packetLines(String(decoding: await reading.value[(1 << 16)...], as: UTF8.self))
    #expect(lines.count == 3000)
  }

  @Test func aReaderThatTakesNothingDoesNotHoldTheEnd() async throws {
    let output = directory.file("o.h264")
    let (fifo, keeper) = fullPipe()
    defer { close(keeper) }
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", "test:motion", "--size", "64x64", "--frames", "50", "-o", output, "--progress",
        fifo, "--stats-period", "0.01", "--device", "virtual",
      ])
    let result = try await process.wait(within: .seconds(30))
    #expect(result.exitCode == 74, "\(result.errorText)")
    #expect(result.errorText.contains("50 frames in, 50 out"))
    let errors = result.errorText.split(separator: "\n").filter { $0.contains("error: ") }
    #expect(
      errors == [
        "v4l2enc: error: \(fifo): whoever is to read it takes nothing; its end is missing (50 "
          + "encoded frames were written)"
      ])
  }

  @Test func timesAreKeptWhenTheCommandIsKilled() async throws {
    let (times, fifo) = (directory.file("times.txt"), directory.file("fifo"))
    #expect(mkfifo(fifo, 0o600) == 0)
    let keeper = open(fifo, O_RDWR | O_CLOEXEC)
    defer { close(keeper) }
    let clip = y4m(4)
    #expect(clip.withUnsafeBytes { write(keeper, $0.baseAddress, $0.count) } == clip.count)
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", fifo, "-o", directory.file("o.h264"), "--save-pts", times, "--stats-period",
        "0.05", "--device", "virtual",
      ])
    try await eventually(within: .seconds(30), "times are written") {
      let text = String(
        decoding: FileManager.default.contents(atPath: times) ?? Data(), as: UTF8.self)
      return text.contains("\n0.000000\n") && text.hasSuffix("\n")
    }
    process.send(SIGKILL)
    _ = try await process.wait(within: .seconds(20))
  }

  @Test func twoThingsOnStandardOutputAreRefused() async throws {
    let result = try await encodeVirtually(
      "test:bars", "--frames", "1", "-o", "-", "--progress", "-")
    #expect(result.exitCode == 64)
    #expect(result.errorText.contains("--progress is the output itself"))
    #expect(result.output.isEmpty)
  }

  @Test(arguments: ["0", "-1", "often"]) func periodsAreChecked(period: String) async throws {
    let result = try await encodeVirtually(
      "test:bars", "-o", directory.file("o.h264"), "--stats-period", period)
    #expect(result.exitCode == 64)
    #expect(result.errorText.contains("--stats-period \(period)"))
  }

  @Test func blocksSayWhatIsKnown() {
    var progress = EncodeTally.Progress()
    let empty = ProgressReport.block(progress, missing: 0, Rational(1, 90_000), "continue")
    #expect(empty.contains("bitrate=N/A") && empty.contains("out_time=00:00:00.000000"))
    progress.packets = 100
    progress.bytes = 1_000_000
    progress.outTime = 90_000 * 4000
    progress.framesMissing = 2
    progress.elapsed = .seconds(2000)
    let block = ProgressReport.block(progress, missing: 3, Rational(1, 90_000), "continue")
    #expect(
      block == """
        frame=100
        fps=0.05
        bitrate=2.0kbits/s
        total_size=1000000
        out_time_us=4000000000
        out_time=01:06:40.000000
        dup_frames=0
        drop_frames=5
        speed=2.00x
        progress=continue
        """)
  }
}
