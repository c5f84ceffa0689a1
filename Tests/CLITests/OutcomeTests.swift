import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// What the command says of the values in force and of what was lost.
@Suite struct OutcomeTests {
  private func report(_ outcomes: [(ControlID, Int64, ControlOutcome.Result)]) -> NegotiationReport
  {
    var report = NegotiationReport()
    report.visibleSize = VideoSize(width: 1280, height: 720)
    report.controls = outcomes.map {
      ControlOutcome(name: "", id: $0.0.rawValue, requested: $0.1, result: $0.2)
    }
    return report
  }

  private func plan(_ arguments: String..., aspect: Rational? = nil) throws -> EncodePlan {
    guard case .run(let options) = try EncodeArguments.table.parse(arguments, into: EncodeOptions())
    else { throw CommandError(.usage, "help") }
    var input = SourceDescription(
      size: VideoSize(width: 1280, height: 720), format: .i420, frameRate: Rational(25))
    input.pixelAspect = aspect
    return try EncodePlan(options, codec: .h264, input: input)
  }

  @Test func theHeadlineStatesValuesInForce() throws {
    let rates: [([(ControlID, Int64, ControlOutcome.Result)], String)] = [
      ([(.bitrateMode, 1, .applied), (.bitrate, 4_000_000, .applied)], "CBR 4.00 Mbit/s"),
      (
        [(.bitrateMode, 1, .applied), (.bitrate, 4_000_000, .adjusted(to: 2_000_000))],
        "CBR 2.00 Mbit/s"
      ),
      // A later --set of the same control.
      ([(.bitrate, 4_000_000, .applied), (.bitrate, 3_000_000, .applied)], "3.00 Mbit/s"),
      (
        [
          (.bitrateMode, 1, .adjusted(to: 0)), (.bitratePeak, 5_000_000, .applied),
          (.bitrate, 4_000_000, .applied),
        ], "VBR 4.00 Mbit/s, peak 5.00 Mbit/s"
      ),
      ([(.bitrateMode, 1, .unsupported), (.bitrate, 4_000_000, .unverified)], "4.00 Mbit/s"),
      ([(.bitrate, 4_000_000, .unsupported)], "bitrate of the driver's choice"),
    ]
    for (outcomes, text) in rates {
      #expect(NegotiationText.rate(report(outcomes), try plan("-b", "4M")) == text)
    }
    let quantizers: [([(ControlID, Int64, ControlOutcome.Result)], String)] = [
      ([(.h264IFrameQP, 24, .applied), (.h264PFrameQP, 24, .applied)], "constant QP 24"),
      (
        [(.h264IFrameQP, 24, .applied), (.h264PFrameQP, 24, .adjusted(to: 30))],
        "QP 24 (key frames) and 30"
      ),
      ([(.h264IFrameQP, 24, .unsupported)], "quantizer of the driver's choice"),
    ]
    for (outcomes, text) in quantizers {
      #expect(NegotiationText.rate(report(outcomes), try plan("--qp", "24")) == text)
    }
    let profile = StreamSummary(
      report([(.h264Profile, 4, .applied), (.h264Profile, 1, .applied), (.h264Level, 9, .applied)]),
      .h264)
    #expect(profile.text == "H.264 constrained-baseline level 3.1, 1280x720")
    #expect(StreamSummary(report([]), .h264).text == "H.264, 1280x720")
  }

  @Test func theStreamIsComparedWithTheHeadline() {
    var set = SequenceParameterSet()
    set.profile = 66
    set.constraints = 0xc0
    set.level = 31
    set.visibleSize = VideoSize(width: 1280, height: 720)
    let stream = StreamSummary(set, .h264)
    #expect(stream.text == "H.264 constrained-baseline level 3.1, 1280x720")
    let asked = { StreamSummary(self.report([(.h264Profile, $0, .applied)]), .h264) }
    #expect(stream.agrees(with: asked(1)))
    #expect(!stream.agrees(with: asked(4)))
    #expect(stream.agrees(with: StreamSummary(report([]), .h264)))
    set.visibleSize = VideoSize(width: 1280, height: 704)
    #expect(!StreamSummary(set, .h264).agrees(with: asked(1)))
    set.level = 11
    set.constraints = 0x10
    #expect(StreamSummary(set, .h264).level == "1b")
    // The names of levels are the same on both sides, or every stream would seem to differ.
    for level in CodecLevel.all(.h264) where level.name != "1b" {
      set.constraints = 0
      set.level = Int(((Double(level.name) ?? 0) * 10).rounded())
      #expect(StreamSummary(set, .h264).level == level.name)
    }
    for level in CodecLevel.all(.hevc) {
      set.level = Int(((Double(level.name) ?? 0) * 30).rounded())
      #expect(StreamSummary(set, .hevc).level == level.name)
    }
  }

  @Test func theStreamIsMentionedOnlyWhenItDiffers() async throws {
    let arguments = ["-v", "--size", "320x240", "--frames", "2", "-o", "-"]
    let same = try await v4l2enc(
      ["encode", "test:bars", "--device", "virtual", "--codec", "hevc"] + arguments)
    #expect(same.exitCode == 0, "\(same.errorText)")
    #expect(!same.errorText.contains("the stream itself says"))
    // OpenH264 writes no Baseline that is not constrained.
    let other = try await v4l2enc(
      ["encode", "test:bars", "--device", "virtual", "--profile", "baseline", "-b", "1M"]
        + ["--set", "bitrate=2000000"] + arguments)
    #expect(other.errorText.contains("H.264 baseline level"))
    #expect(other.errorText.contains("CBR 2.00 Mbit/s"))
    #expect(
      other.errorText.contains("the stream itself says: H.264 constrained-baseline level"),
      "\(other.errorText)")
  }

  @Test func pixelAspectBecomesControls() throws {
    let settings = try plan("--set", "b_frames=1", aspect: Rational(128, 117)).configuration
      .additionalControls
    #expect(
      settings == [
        ControlSetting(id: 0x0099_0a6d, value: 128), ControlSetting(id: 0x0099_0a6c, value: 117),
        ControlSetting(id: 0x0099_0a6f, value: 17), ControlSetting(id: 0x0099_0a6e, value: 1),
        ControlSetting(id: 0x0099_09ca, value: 1),
      ])
    #expect(try plan(aspect: Rational(1, 1)).configuration.additionalControls.isEmpty)
    #expect(try plan().configuration.additionalControls.isEmpty)
    #expect(PixelAspect.controls(Rational(128, 117), .hevc).isEmpty)
    let written = report(settings.map { (ControlID(rawValue: $0.id), $0.value, .applied) })
    let aspect = Rational(128, 117)
    #expect(PixelAspect.remark(aspect, .h264, written) == nil)
    #expect(PixelAspect.remark(Rational(1), .h264, report([])) == nil)
    #expect(
      PixelAspect.remark(aspect, .h264, report([]))
        == "pixel aspect 128:117 is not written: the driver has no control for it "
        + "(H264_VUI_SAR_ENABLE)")
    #expect(
      PixelAspect.remark(aspect, .hevc, report([]))
        == "pixel aspect 128:117 is not written: there is no control for it with HEVC")
  }

  @Test func pixelAspectIsMentionedOnce() async throws {
    let result = try await encodeVirtually(
      "-", "-o", "-", input: .bytes(y4m(2, header: "YUV4MPEG2 W64 H64 F25:1 A128:117 C420")))
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(result.errorText.ranges(of: "128:117").count == 1)
    #expect(!result.errorText.contains("not as asked"))
    let unknown = try await encodeVirtually(
      "-", "-o", "-", input: .bytes(y4m(2, header: "YUV4MPEG2 W64 H64 F25:1 A0:0 C420")))
    #expect(!unknown.errorText.contains("pixel aspect"))
  }

  @Test func controlsAreNamedInTexts() async throws {
    let result = try await encodeVirtually(
      "test:bars", "--frames", "2", "--set", "0x9909cb=7", "--verbose", "-o", "-")
    #expect(result.errorText.contains("control GOP_SIZE = 7: applied"), "\(result.errorText)")
    #expect(!result.errorText.contains("0x9909cb"))
  }

  @Test func droppedPacketsAreAnErrorAndSkippedFramesAWarning() {
    let events = EncodeEvents(Console(verbosity: .quiet, progress: false))
    #expect(events.losses(skipped: 0, isAsked: false).isEmpty)
    let skipped = events.losses(skipped: 3, isAsked: false)
    #expect(skipped.map(\.code) == [.success])
    #expect(skipped.map(\.severity) == [.warning])
    #expect(skipped.first?.message.contains("no picture for 3 frames") == true)
    #expect(events.losses(skipped: 3, isAsked: true).isEmpty)
    events.observer.event?(.unmatchedPacket(byteCount: 100))
    events.observer.event?(.unmatchedPacket(byteCount: 100))
    let dropped = events.losses(skipped: 0, isAsked: false)
    #expect(dropped.map(\.code) == [.inputOutput])
    #expect(dropped.map(\.severity) == [.error])
    #expect(dropped.first?.message.contains("returned 2 pictures") == true)
  }

  @Test func aDeviceThatStandsStillIsNoticed() {
    let time = ManualTime()
    let watch = StallWatch(Deadlines(), frameRate: Rational(30), clock: time.clock)
    #expect(!time.hasStalled(watch, 20))
    watch.callBegins()
    #expect(!time.hasStalled(watch, 7))
    #expect(time.hasStalled(watch, 4))
    // Whoever reads the output may take their time.
    watch.packetCame()
    #expect(!time.hasStalled(watch, 20))
    watch.packetIsWritten()
    #expect(!time.hasStalled(watch, 7))
    #expect(time.hasStalled(watch, 4))
    watch.callEnded(accepted: true)
    #expect(!time.hasStalled(watch, 20))
    #expect(watch.framesIn == 1)
    // One frame in ten seconds is no stall.
    let slow = StallWatch(Deadlines(), frameRate: Rational(1, 10), clock: time.clock)
    slow.callBegins()
    #expect(!time.hasStalled(slow, 30))
    #expect(time.hasStalled(slow, 6))
  }

  @Test(arguments: 0..<40)
  func aStandstillIsNoticedInTimeWheneverItBegins(fifths: Int) {
    let time = ManualTime()
    let watch = StallWatch(Deadlines(), frameRate: Rational(30), clock: time.clock)
    for _ in 0..<fifths {
      watch.callBegins()
      #expect(!time.hasStalled(watch, 0.2))
      watch.callEnded(accepted: true)
    }
    watch.callBegins()
    #expect(!time.hasStalled(watch, 7.9))
    #expect(time.hasStalled(watch, 4.2))
  }

  @Test func aRunThatGoesWellIsRarelyLookedAt() {
    let time = ManualTime()
    let watch = StallWatch(Deadlines(), frameRate: Rational(30), clock: time.clock)
    for _ in 0..<600 {
      watch.callBegins()
      #expect(!time.hasStalled(watch, 0.1))
      watch.callEnded(accepted: true)
    }
    #expect(time.looks <= 8)
  }

  @Test func aProcessThatWasStoppedBlamesNoDevice() {
    let time = ManualTime()
    let watch = StallWatch(Deadlines(), frameRate: Rational(30), clock: time.clock)
    watch.callBegins()
    // The look that was due comes when the process goes on.
    time.pass(3600)
    #expect(!time.hasStalled(watch, 5.9))
    watch.callEnded(accepted: true)
    watch.callBegins()
    #expect(!time.hasStalled(watch, 7.9))
    #expect(time.hasStalled(watch, 4.2))
  }

  @Test(
    "What may hang is named: the device, and a file that is read in the same call",
    .timeLimit(.minutes(1)),
    arguments: [
      (String?.none, "; it may hang, so restart it"),
      ("clip.yuv", ", or reading clip.yuv hangs; restart the device, or what serves the file"),
    ])
  func theAlarmClockLooks(input: String?, remedy: String) async throws {
    // So hasty a library that the command waits for little more than three seconds.
    let watch = StallWatch(
      Deadlines(progress: .milliseconds(100)), frameRate: Rational(30))
    let (stalls, said) = AsyncStream.makeStream(of: String.self)
    watch.callBegins()
    watch.begin("/dev/video7", input: input) { said.yield($0.message) }
    var iterator = stalls.makeAsyncIterator()
    let message = try #require(await iterator.next())
    #expect(message.hasPrefix("/dev/video7 has not answered a request for 3"))
    #expect(message.hasSuffix(remedy))
    watch.end()
  }
}

/// Time that passes when it is told to, for a watch that looks when it is due.
private final class ManualTime: Sendable {
  private let state = Locked((now: MonotonicTime(nanoseconds: 1_000_000_000), looks: 0))

  var clock: @Sendable () -> MonotonicTime { { self.state.withLock { $0.now } } }
  /// How often a watch was made to look.
  var looks: Int { state.withLock { $0.looks } }

  func pass(_ seconds: Double) {
    state.withLock { $0.now = $0.now + .seconds(seconds) }
  }

  /// Whether the device stands still for the command within so many seconds.
  func hasStalled(_ watch: StallWatch, _ seconds: Double) -> Bool {
    let end = clock() + .seconds(seconds)
    var hasStalled = false
    while watch.nextLook <= end {
      state.withLock { state in
        state.now = max(state.now, watch.nextLook)
        state.looks += 1
      }
      if watch.look() { hasStalled = true }
    }
    state.withLock { $0.now = end }
    return hasStalled
  }
}
