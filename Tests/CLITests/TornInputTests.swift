import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// Frames of a mapped file that loses its bytes while nothing more is asked of it.
@Suite(.timeLimit(.minutes(5))) struct TornInputTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private var options: EncodeOptions {
    var options = EncodeOptions()
    options.device = "virtual"
    options.size = VideoSize(width: 64, height: 64)
    return options
  }

  /// Three frames in a file.
  private func source(_ bytes: [UInt8] = rawFrames(3)) throws -> (any FrameSource, path: String) {
    let path = try directory.write(bytes, to: "in")
    var options = options
    options.input = path
    return (try FrameSources.open(options, stop: try StopRequest()), path)
  }

  @Test(arguments: [false, true])
  func itIsKnownWhichFileIsReadLate(isY4M: Bool) throws {
    let (source, path) = try source(isY4M ? y4m(3) : rawFrames(3))
    #expect(source.description.mappedFile == path)
  }

  /// Without a limit the end of the file is asked for, with one nothing is.
  @Test(arguments: [false, true], [nil, 3])
  func theLastFrameThatTearsEndsTheRunWithAnError(isY4M: Bool, limit: Int?) async throws {
    let (frames, path) = try source(isY4M ? y4m(3) : rawFrames(3))
    let source = TearingSource(frames, of: path, atFrame: 2)
    let job = try EncodeJob(
      options, codec: .h264, to: directory.file("o.h264"), timeBase: Rational(1, 25), input: nil,
      Console(verbosity: .quiet, progress: false), Signals(), StopRequest())
    defer { job.end() }
    let plan = try EncodePlan(options, codec: .h264, input: source.description)
    let encoder = try await job.open(plan, for: source.description)
    let tally = EncodeTally(timeBase: Rational(1, 25), expectedFrames: nil)
    let result = try await withDeadline(.seconds(60), "the run") {
      try await job.run(encoder, as: plan, from: source, limit: limit, into: tally)
    }
    #expect(result.framesIn == 3)
    let message =
      "\(path) became shorter while it was read; what was read from it last is damaged"
    #expect(result.errors == [CommandError(.inputOutput, message)])
  }

  /// The rest of a file's last page reads as zeros, without any signal.
  @Test func theEndThatIsCutOffWithinAPageIsNoticed() async throws {
    let (source, path) = try source()
    for number in 0..<3 { #expect(try await source.next(Int64(number)) != nil) }
    try source.verify()
    #expect(truncate(path, 3 * 6144 - 100) == 0)
    #expect(
      throws: CommandError(.inputOutput, "\(path) became shorter while it was read")
    ) { try source.verify() }
  }

  @Test func aSignalThatIsNoFaultEndsTheCommand() async throws {
    let clip = try directory.write([], to: "in.yuv")
    #expect(truncate(clip, 640 * 480 * 3 / 2 * 30_000) == 0)
    let output = directory.file("o.h264")
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      ["encode", clip, "--size", "640x480", "-o", output, "--device", "virtual"],
      environment: ["SWIFT_BACKTRACE": "enable=no"])
    try await eventually("there is output") {
      FileManager.default.contents(atPath: output)?.isEmpty == false
    }
    process.send(SIGBUS)
    #expect(try await process.wait(within: .seconds(20)).signal == SIGBUS)
  }

  /// A frame is in the hand of the feeder, who waits for the device, when a signal comes.
  @Test func aStopDoesNotHideIt() async throws {
    let clip = try directory.write([], to: "in.yuv")
    #expect(truncate(clip, 640 * 480 * 3 / 2 * 3000) == 0)
    // Nobody reads the output, which has room for one page.
    let fifo = directory.file("fifo")
    #expect(mkfifo(fifo, 0o600) == 0)
    let keeper = open(fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK)
    defer { close(keeper) }
    let filling = [UInt8](repeating: 0, count: 15 * 4096)
    #expect(filling.withUnsafeBytes { write(keeper, $0.baseAddress, $0.count) } == filling.count)
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      ["encode", clip, "--size", "640x480", "-o", fifo, "--device", "virtual"])
    try await eventually(within: .seconds(60), "a picture is being written") {
      var waiting: Int32 = 0
      return ioctl(keeper, UInt(FIONREAD), &waiting) == 0 && Int(waiting) > filling.count
    }
    // Soon nothing moves any more.
    try await Task.sleep(for: .seconds(1))
    #expect(truncate(clip, 0) == 0)
    process.send(SIGINT)
    try await eventually("the signal is answered") {
      process.errorSoFar.contains("once more ends at once")
    }
    let reading = Task {
      var bytes = [UInt8](repeating: 0, count: 1 << 16)
      while !Task.isCancelled {
        let count = bytes.withUnsafeMutableBytes { read(keeper, $0.baseAddress, $0.count) }
        if count <= 0 { try await Task.sleep(for: .milliseconds(10)) }
      }
    }
    defer { reading.cancel() }
    let result = try await process.wait(within: .seconds(30))
    #expect(result.exitCode == 74, "\(result.errorText)")
    #expect(
      result.errorText.contains("error: \(clip) became shorter while it was read; what was read"),
      "\(result.errorText)")
  }
}

/// A source whose file is emptied when it has handed out the frame of this number.
private final class TearingSource: FrameSource {
  private let frames: any FrameSource
  private let path: String
  private let number: Int64

  init(_ frames: any FrameSource, of path: String, atFrame number: Int64) {
    self.frames = frames
    self.path = path
    self.number = number
  }

  var description: SourceDescription { frames.description }
  func verify() throws(CommandError) { try frames.verify() }

  nonisolated(nonsending) func next(_ number: Int64) async throws(CommandError) -> VideoFrame? {
    let frame = try await frames.next(number)
    if number == self.number { #expect(truncate(path, 0) == 0) }
    return frame
  }
}
