import TestSupport
import Testing
import V4L2Encoder

@testable import v4l2enc_cli

@Suite struct CaptureOptionTests {
  private func parse(_ arguments: String...) throws -> CaptureOptions {
    guard
      case .run(let options) = try CaptureArguments.table.parse(arguments, into: CaptureOptions())
    else { throw CommandError(.usage, "help") }
    return options
  }

  @Test func everyOptionArrives() throws {
    let options = try parse(
      "/dev/video3", "-o", "a.h264", "--size", "1920x1080", "--fps", "30000/1001", "--format",
      "mjpeg", "--input", "2", "--scale", "640x360", "--range", "limited", "--duration", "2.5",
      "--signal-wait", "7", "--frames", "9", "--device", "virtual", "-b", "3M", "--gop", "12",
      "--stats", "s.jsonl", "--save-pts", "t.txt", "-v")
    #expect(options.encode.input == "/dev/video3")
    #expect(options.encode.output == "a.h264")
    #expect(options.encode.size == VideoSize(width: 1920, height: 1080))
    #expect(options.encode.frameRate == Rational(30000, 1001))
    #expect(options.encode.format == .mjpeg)
    #expect(options.input == 2)
    #expect(options.scale == VideoSize(width: 640, height: 360))
    #expect(options.range == .limited)
    #expect(options.duration == .milliseconds(2500))
    #expect(options.signalPatience == .upTo(.seconds(7)))
    #expect(options.encode.frames == 9)
    #expect(options.encode.device == "virtual")
    #expect(options.encode.bitrate == 3_000_000)
    #expect(options.encode.keyFrameInterval == 12)
    #expect(options.encode.statisticsPath == "s.jsonl")
    #expect(options.encode.timesPath == "t.txt")
    #expect(options.encode.verbosity == .verbose)
    #expect(try parse("x", "--signal-wait", "forever").signalPatience == .forEver)
    let units = try parse("x", "--duration", "1m", "--signal-wait", "7s", "--stats-period", "100ms")
    #expect(units.duration == .seconds(60) && units.signalPatience == .upTo(.seconds(7)))
    #expect(units.encode.reportPeriod == .milliseconds(100))
  }

  @Test(
    "what becomes of frames without room",
    arguments: [
      ("wait", AdmissionPolicy.wait), ("drop-newest", .dropNewest), ("FAIL", .fail),
      ("drop-oldest", .dropOldest(queue: 4)), ("drop-oldest:17", .dropOldest(queue: 17)),
    ])
  func overload(text: String, policy: AdmissionPolicy) throws {
    let options = try parse("x", "--on-overrun", text, "--max-latency", "250ms", "--reduce-rate")
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 64, height: 48), rateControl: .constantQuantizer(20))
    options.encode.overload.apply(to: &configuration)
    #expect(configuration.admission == policy)
    #expect(configuration.latencyBudget == .milliseconds(250))
    #expect(configuration.rateReduction == FrameRateReduction())
    try parse("x").encode.overload.apply(to: &configuration)
    #expect(configuration.admission == .wait)
    #expect(configuration.latencyBudget == nil && configuration.rateReduction == nil)
  }

  @Test(arguments: [
    (["--on-overrun", "drop"], "--on-overrun drop: unknown; write wait, drop-newest"),
    (["--on-overrun", "wait:3"], "--on-overrun wait:3: unknown"),
    (["--on-overrun", "drop-oldest:0"], "drop-oldest 0: write a whole number, 1 to 1000"),
    (["--on-overrun", "drop-oldest:"], "write a whole number, 1 to 1000"),
    (["--max-latency", "0"], "--max-latency 0: write a time"),
    (["--duration", "0"], "--duration 0: write a time"),
    (["--duration", "-1"], "--duration -1: write a time"),
    (["--duration", "1x"], "--duration 1x: write a time"),
    (["--duration", "99999999999999999999"], "write a time"),
    (["--signal-wait", "never"], "--signal-wait never: write a time"),
    (["--scale", "640"], "--scale 640: write columns and rows"),
    (["--scale", "0x0"], "--scale 0x0: a picture has at least one pixel"),
    (["--range", "half"], "--range half: unknown; write keep, limited or full"),
    (["--format", "nv21x"], "--format nv21x: unknown (did you mean nv21?)"),
    (["--format", "mjpg"], "did you mean mjpeg?"),
    (["--input", "-1"], "--input -1: write a whole number"),
    (["--stride", "64"], "unknown option --stride"),
    (["/dev/video1"], "/dev/video1: there is already a camera, /dev/video0"),
  ])
  func mistakesAreNamed(arguments: [String], message: String) {
    do throws(CommandError) {
      _ = try CaptureArguments.table.parse(["/dev/video0"] + arguments, into: CaptureOptions())
      Issue.record("taken")
    } catch {
      #expect(error.code == .usage)
      #expect(error.message.contains(message), "\(error.message)")
    }
  }

  @Test func withoutACameraThoseOfTheMachineAreListed() async throws {
    let result = try await v4l2enc(["capture", "-o", "/dev/null"])
    #expect(result.exitCode == 64)
    #expect(result.errorText.contains("which camera? write v4l2enc capture CAMERA -o OUTPUT; "))
    var camera = DeviceReport(path: "/dev/video2", kind: .camera)
    camera.card = "HD Webcam"
    let encoder = DeviceReport(path: "/dev/video11", kind: .encoder)
    #expect(
      CameraRefusal.missing([encoder, camera]).message.hasSuffix(
        "cameras here: /dev/video2 (HD Webcam)"))
    #expect(CameraRefusal.missing([encoder]).message.hasSuffix("there is no camera here"))
  }

  @Test func whatIsNoDeviceIsRefused() async throws {
    let missing = try await v4l2enc(["capture", "/dev/no-such-camera", "-o", "/dev/null"])
    #expect(missing.exitCode == 69)
    #expect(missing.errorText.contains("/dev/no-such-camera"))
    let other = try await v4l2enc(["capture", "/dev/null", "-o", "/dev/null"])
    #expect(other.exitCode == 69, "\(other.errorText)")
    #expect(other.errorText.split(separator: "\n").count == 1, "\(other.errorText)")
    #expect(other.errorText.contains("/dev/null is no V4L2 device; "), "\(other.errorText)")
    #expect(!other.errorText.contains("plugin"), "\(other.errorText)")
    let nowhere = try await v4l2enc(["capture", "/dev/video0"])
    #expect(nowhere.exitCode == 64)
    #expect(nowhere.errorText.contains("name the output with -o OUTPUT"))
  }
}
