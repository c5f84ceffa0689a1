import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

@Suite struct InputTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private func open(_ bytes: [UInt8]) throws -> (any InputBytes, path: String) {
    let path = try directory.write(bytes, to: "in")
    return (try InputFile.open(path, stop: try StopRequest()), path)
  }

  @Test func regularFilesAreMappedAndShareOneMemory() throws {
    let (input, _) = try open(Array(0..<100))
    #expect(input is MappedInput)
    #expect(try input.startsWith([0, 1, 2]))
    #expect(try !input.startsWith([1]))
    guard case .whole(let first, let start) = try input.frame(byteCount: 40),
      case .whole(let second, let next) = try input.frame(byteCount: 40)
    else {
      Issue.record("no two frames")
      return
    }
    #expect(first === second)
    #expect(first.file != nil)
    #expect((start, next) == (0, 40))
    #expect(input.remaining == 20)
    guard case .truncated(20) = try input.frame(byteCount: 40) else {
      Issue.record("the end is not noticed")
      return
    }
    guard case .end = try input.frame(byteCount: 40) else {
      Issue.record("there is something behind the end")
      return
    }
  }

  @Test func aMappedFileThatShrinksIsNoticed() throws {
    let (input, path) = try open([UInt8](repeating: 1, count: 20_000))
    #expect(truncate(path, 10_000) == 0)
    guard case .whole = try input.frame(byteCount: 10_000) else {
      Issue.record("the part that is there cannot be read")
      return
    }
    #expect(
      throws: CommandError(.inputOutput, "\(path) became shorter while it was read")
    ) { try input.frame(byteCount: 10_000) }
  }

  /// Between the look at the length and the reading of the bytes, a frame may wait for the device.
  @Test func aFrameThatShrinksInTheHandIsZeroAndNoticed() throws {
    let (input, path) = try open([UInt8](repeating: 1, count: 40_000))
    guard case .whole(let memory, 0) = try input.frame(byteCount: 20_000) else {
      Issue.record("no frame")
      return
    }
    #expect(truncate(path, 4096) == 0)
    let bytes = memory.bytes
    #expect(bytes.unsafeLoad(fromByteOffset: 4095, as: UInt8.self) == 1)
    #expect(bytes.unsafeLoad(fromByteOffset: 19_999, as: UInt8.self) == 0)
    let message =
      "\(path) became shorter while it was read; what was read from it last is damaged"
    #expect(throws: CommandError(.inputOutput, message)) { try input.frame(byteCount: 20_000) }
  }

  @Test func theLastFrameThatShrinksInTheHandIsNoticed() throws {
    let (input, path) = try open([UInt8](repeating: 1, count: 20_000))
    guard case .whole(let memory, 0) = try input.frame(byteCount: 20_000) else {
      Issue.record("no frame")
      return
    }
    #expect(truncate(path, 0) == 0)
    #expect(memory.bytes.unsafeLoad(fromByteOffset: 0, as: UInt8.self) == 0)
    #expect(throws: CommandError.self) { try input.frame(byteCount: 20_000) }
  }

  /// A frame waits for the encoder most of the time, also when the file shrinks.
  @Test func encodingAFileThatShrinksEndsWithOneLine() async throws {
    let clip = try directory.write([], to: "shrinking.yuv")
    // No bytes on the disk, and more frames than can be encoded before it is noticed.
    #expect(truncate(clip, 1280 * 720 * 3 / 2 * 2000) == 0)
    let stream = directory.file("shrinking.h264")
    let run = try Subprocess(
      builtBinary(named: "v4l2enc"),
      ["encode", clip, "--size", "1280x720", "--device", "virtual", "-o", stream, "--quiet"])
    try await eventually(within: .seconds(30), "there is output") {
      FileManager.default.contents(atPath: stream)?.isEmpty == false
    }
    #expect(truncate(clip, 100_000) == 0)
    let result = try await run.wait()
    #expect(result.exitCode == 74, "\(result.errorText)")
    #expect(result.errorText.contains("\(clip) became shorter while it was read"))
    let errors = result.errorText.split(separator: "\n").filter { $0.contains("error: ") }
    #expect(errors.count == 1, "\(result.errorText)")
  }

  @Test func linesEndWhereTheySay() throws {
    let (input, _) = try open(Array("one\n\nthree".utf8))
    #expect(try input.line(limit: 10) == .line(Array("one".utf8)))
    #expect(try input.line(limit: 10) == .line([]))
    #expect(try input.line(limit: 10) == .unterminated)
  }

  @Test func aStopEndsReading() throws {
    let path = try directory.write([1, 2, 3, 4], to: "in")
    let stop = try StopRequest()
    let input = try InputFile.open(path, stop: stop)
    stop.raise()
    stop.raise()
    guard case .stopped = try input.frame(byteCount: 2) else {
      Issue.record("reading went on")
      return
    }
    #expect(!stop.waitUnlessRaised(forReading: 0))
  }

  @Test func pipesGiveWhatFilesGive() throws {
    var ends: [Int32] = [-1, -1]
    #expect(pipe(&ends) == 0)
    let content = Array("YUV4MPEG2 W2\nabcdefghij".utf8)
    #expect(content.withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) } == content.count)
    close(ends[1])
    let input = StreamInput(OpenFile(ends[0]), name: "pipe", stop: try StopRequest())
    #expect(!input.isMapped)
    #expect(try !input.isAtEnd())
    #expect(try input.startsWith(Array("YUV4MPEG2".utf8)))
    #expect(try input.line(limit: 100) == .line(Array("YUV4MPEG2 W2".utf8)))
    guard case .whole(let memory, 0) = try input.frame(byteCount: 8) else {
      Issue.record("no frame")
      return
    }
    let bytes = memory.bytes
    #expect(
      (0..<8).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        == Array("abcdefgh".utf8))
    guard case .truncated(2) = try input.frame(byteCount: 8) else {
      Issue.record("the end is not noticed")
      return
    }
    #expect(try input.line(limit: 100) == .end)
    #expect(try input.isAtEnd())
  }

  @Test func memoryOfPipesIsUsedAgain() {
    let pool = FramePool()
    let first = pool.take(64)
    let start = UInt(bitPattern: first.start)
    do { _ = pool.lend(first) }
    let second = pool.take(64)
    #expect(UInt(bitPattern: second.start) == start)
    let third = pool.take(64)
    #expect(UInt(bitPattern: third.start) != start)
    pool.giveBack(second)
    pool.giveBack(third)
    #expect(pool.take(128).byteCount == 128)
  }

  /// Standard input may be a file somebody has read from before.
  @Test func redirectedInputBeginsWhereItStands() async throws {
    let clip = try directory.write(rawFrames(5), to: "in.yuv")
    let binary = try builtBinary(named: "v4l2enc")
    let script =
      "(dd bs=6144 count=2 of=/dev/null status=none; "
      + "exec \(binary) encode - --size 64x64 -o /dev/null --device virtual) < \(clip)"
    let result = try await Subprocess.run("bash", ["-c", script])
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(result.errorText.contains("3 frames in, 3 out, 0 skipped"))
  }

  @Test func theStatusLineIsForTerminals() async throws {
    let binary = try builtBinary(named: "v4l2enc")
    let command =
      "\(binary) encode test:motion --size 320x240 --frames 600 -o /dev/null --device virtual"
    let shown = try await Subprocess.run("script", ["-qec", command, "/dev/null"])
    #expect(shown.exitCode == 0)
    #expect(shown.outputText.contains("/600 frames"))
    #expect(shown.outputText.contains("ETA"))
    let hidden = try await Subprocess.run(
      "script", ["-qec", command + " --no-progress", "/dev/null"])
    #expect(hidden.outputText.contains("600 frames in, 600 out"))
    #expect(!hidden.outputText.contains("ETA"))
    let piped = try await Subprocess.run("bash", ["-c", command])
    #expect(!piped.errorText.contains("ETA"))
  }

  @Test func fullRangeIsWrittenIntoTheStream() async throws {
    for (range, name) in [("FULL", "pc"), ("LIMITED", "tv")] {
      let stream = directory.file("\(range).h264")
      let clip = y4m(3, header: "YUV4MPEG2 W64 H64 F25:1 C420jpeg XCOLORRANGE=\(range)")
      let result = try await encodeVirtually("-", "-o", stream, input: .bytes(clip))
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(try await MediaTools.probe(stream).colorRange == name)
    }
  }
}
