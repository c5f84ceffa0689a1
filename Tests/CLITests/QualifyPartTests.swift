import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// The parts of `qualify` by themselves.
@Suite struct QualifyPartTests {
  @Test func listsAndTimes() throws {
    let times = try Quantities.durations("30ms,2.5s,90,5m,24h,7d", for: "-d")
    #expect(
      times == [
        .milliseconds(30), .milliseconds(2500), .seconds(90), .seconds(300), .seconds(86_400),
        .seconds(604_800),
      ])
    #expect(
      times.map(Units.span) == ["0.030 s", "2.500 s", "90 s", "5 min", "24 h", "168 h"])
    #expect(try Quantities.counts("1..3,5,8..9", for: "-s", in: 1...64) == [1, 2, 3, 5, 8, 9])
    #expect(try Quantities.percent("12.5%", for: "-c") == 12.5)
    for bad in ["", ",", "1,1", "2..", "..2", "1..2..3", "65", "-1", "1..3,2"] {
      #expect(throws: CommandError.self) { try Quantities.counts(bad, for: "-s", in: 1...64) }
    }
    for bad in ["", "s", "0", "1e3", "-5s", "0.0001s", "400d", "99999999999999999999h"] {
      #expect(throws: CommandError.self) { try Quantities.time(bad, for: "-d") }
    }
    #expect(Units.date(1_777_642_620) == "2026-05-01 13:37 UTC")
  }

  @Test func settingsAreCompared() {
    var setting = QualifySetting()
    setting.device = "/dev/video11"
    setting.streams = 2
    setting.milliseconds = 30_000
    func other(_ streams: Int, _ seconds: Int, device: String = "/dev/video11") -> QualifySetting {
      var other = setting
      other.streams = streams
      other.milliseconds = seconds * 1000
      other.device = device
      return other
    }
    #expect(other(2, 30).asksForAtLeast(setting) && other(3, 60).asksForAtLeast(setting))
    #expect(!other(1, 60).asksForAtLeast(setting) && !other(3, 29).asksForAtLeast(setting))
    #expect(!other(3, 60, device: "/dev/video12").asksForAtLeast(setting))
    #expect(setting.text == "2 streams for 30 s" && other(1, 3600).text == "1 stream for 1 h")
  }

  @Test func everyFindingIsAReason() {
    var good = QualifyMeasures()
    good.framesIn = 900
    good.packetsOut = 900
    good.frameRate = 30
    good.bitrate = 1_000_000
    good.targetBitrate = 1_000_000
    good.latency.percentile99 = 20_000
    good.processorPercent = 8
    good.residentGrowth = 1 << 20
    good.descriptorGrowth = 0
    let limits = QualifyLimits(latency: 30_000, processorPercent: 10)
    func reasons(_ change: (inout QualifyMeasures) -> Void) -> [String] {
      var measures = good
      change(&measures)
      return QualifyChecks.reasons(measures, asked: Rational(30), for: .seconds(30), limits)
    }
    #expect(reasons { _ in } == [])
    let changes: [((inout QualifyMeasures) -> Void, String)] = [
      ({ $0.packetsOut = 898 }, "2 of 900 frames are not accounted for"),
      (
        {
          $0.packetsOut = 899; $0.framesSkipped = 1
        }, "1 frames were skipped by the driver"
      ),
      ({ $0.corruptPackets = 3 }, "3 pictures were marked as spoiled"),
      ({ $0.unreadablePackets = 4 }, "4 pictures cannot be read"),
      ({ $0.unmatchedPackets = 5 }, "5 pictures came that belong to no frame"),
      (
        {
          $0.framesMissed = 40; $0.frameRate = 28.6
        }, "28.60 frames per second instead of 30"
      ),
      ({ $0.bitrate = 1_300_000 }, "1.30 Mbit/s instead of 1.00 Mbit/s"),
      ({ $0.latency.percentile99 = 31_000 }, "latency 31.0 ms p99, above 30.0 ms"),
      ({ $0.processorPercent = 10.4 }, "10.4 % CPU, above 10.0 %"),
      ({ $0.residentGrowth = 20 << 20 }, "memory grew by 20.97 MB"),
      ({ $0.descriptorGrowth = 2 }, "open files grew by 2"),
      ({ $0.wasThrottled = true }, "the board was throttled"),
      ({ $0.wasUnderVoltage = true }, "the supply was too weak"),
      ({ $0.kernelDefects = ["Oops", "x"] }, "the kernel logged: Oops (and 1 more)"),
    ]
    for (change, text) in changes { #expect(reasons(change) == [text]) }
    // A hiccup is none, and a short step says little of bitrates.
    #expect(reasons { $0.framesMissed = 30 } == [])
    var measures = good
    measures.bitrate = 2_000_000
    #expect(
      QualifyChecks.reasons(measures, asked: Rational(30), for: .seconds(5), limits) == [])
    // No step is so short that nothing need come of it.
    measures = good
    (measures.framesIn, measures.packetsOut, measures.framesMissed) = (0, 0, 11)
    measures.frameRate = 0
    #expect(
      QualifyChecks.reasons(measures, asked: Rational(30), for: .milliseconds(360), limits)
        == ["0.00 frames per second instead of 30"])
  }

  @Test func whatWasNeverSeenIsNotGood() {
    #expect(MachineWatch.ever(nil, nil) == nil && MachineWatch.ever(nil, false) == false)
    #expect(MachineWatch.ever(false, nil) == false && MachineWatch.ever(true, nil) == true)
    #expect(MachineWatch.ever(true, false) == true && MachineWatch.ever(false, true) == true)
  }

  @Test func whatFailsAtTheOpeningIsJudged() throws {
    let directory = try TemporaryDirectory()
    mkdir(directory.file("dev"), 0o755)
    let path = try directory.write(Array("4,1,1,-;BUG: before\n".utf8), to: "dev/kmsg")
    let log = try #require(KernelLog(root: directory.path))
    func result(_ code: ExitCode, _ number: Int = 1) -> QualifyStep.Result {
      QualifyStep.result(of: CommandError(code, "no"), opening: number, log)
    }
    for (code, verdict) in [
      (.noDevice, .untested), (.usage, .untested), (.timedOut, .unstable),
      (.inputOutput, .unstable),
    ] as [(ExitCode, QualifyOutcome.Verdict)] {
      let first = result(code)
      #expect(first.outcome == QualifyOutcome(verdict, "no"), "\(code)")
      #expect((first.refusal == nil) == (verdict == .unstable), "\(code)")
      #expect(result(code, 2).outcome == QualifyOutcome(verdict, "stream 2: no"), "\(code)")
      #expect(result(code, 2).refusal == nil)
      #expect(first.hangs == (code == .timedOut), "\(code)")
    }
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.seekToEnd()
    try file.write(contentsOf: Data("3,2,2,-;no reply\n4,3,3,-;BUG: here\n".utf8))
    let logged = result(.noDevice)
    #expect(logged.outcome.verdict == .unstable && logged.refusal == nil)
    #expect(logged.outcome.reasons == ["no", "the kernel logged: BUG: here"])
    #expect(logged.outcome.remarks == ["the kernel logged: no reply"])
  }

  @Test(
    arguments: [
      ("6,1,2,-;usb 1-1: new device", .other), ("3,1,2,-;mmc0: timeout", .error),
      ("2,1,2,-;temperature critical", .defect), ("4,1,2,-;BUG: kernel NULL pointer", .defect),
      ("4,1,2,-;------------[ cut here ]------------", .defect),
      ("3,1,2,-;INFO: task v4l2:12 blocked for more than 120 seconds.", .defect),
      // kernel/rcu/tree_stall.h and arch/arm64/kernel/traps.c.
      ("3,1,2,-;rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", .defect),
      ("3,1,2,-;rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: {", .defect),
      ("3,1,2,-;rcu: INFO: rcu_preempt self-detected stall on CPU", .defect),
      ("4,1,2,-;Call trace:", .defect),
      // From a program, by syslog.
      ("11,1,2,-;BUG: of a program", .other),
    ] as [(Substring, KernelLog.Gravity)])
  func kernelLinesAreJudged(line: Substring, gravity: KernelLog.Gravity) {
    #expect(KernelLog.parse(line)?.0 == gravity)
    #expect(KernelLog.parse(" SUBSYSTEM=usb") == nil && KernelLog.parse("garbage") == nil)
  }
}
