import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// `v4l2enc qualify` on a virtual device, on a machine whose kernel log is a file.
@Suite(.timeLimit(.minutes(4))) struct QualifyTests {
  private let directory: TemporaryDirectory
  private var journal: String { directory.file("journal.jsonl") }
  private var kernelLog: String { directory.file("root/dev/kmsg") }

  init() throws {
    directory = try TemporaryDirectory()
    for part in ["root", "root/dev"] { mkdir(directory.file(part), 0o755) }
    symlink("/proc", directory.file("root/proc"))
    _ = try directory.write(Array("6,1,1,-;before\n".utf8), to: "root/dev/kmsg")
  }

  private func start(_ arguments: [String], device: String = "virtual") throws -> Subprocess {
    try Subprocess(
      try builtBinary(named: "v4l2enc"),
      ["qualify", "--device", device, "--size", "64x64", "--journal", journal] + arguments,
      environment: ["V4L2ENC_SYSROOT": directory.file("root")])
  }

  private func qualify(
    _ arguments: String..., device: String = "virtual"
  ) async throws -> SubprocessResult {
    try await start(arguments, device: device).wait(within: .seconds(60))
  }

  private func lines() -> [String] {
    let data = FileManager.default.contents(atPath: journal) ?? Data()
    return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  private func count(_ event: String) -> Int {
    lines().count { $0.hasPrefix(#"{"event":"\#(event)","#) }
  }

  /// What was measured in the steps of the journal.
  private func measures() throws -> [QualifyMeasures] {
    try lines().compactMap { line in
      guard case .object(let members) = try JSON(parsing: line),
        let outcome = members.first(where: { $0.0 == "outcome" })?.1
      else { return nil }
      return try QualifyOutcome?(json: outcome)?.measures
    }
  }

  /// The columns of the table's row for so many streams and this time.
  private func row(_ streams: String, _ time: String, in text: String) -> [Substring]? {
    text.split(separator: "\n").map {
      $0.replacing("  ", with: "\t").split(separator: "\t").map {
        $0.drop { $0 == " " }
      }
    }.first { $0.count > 2 && $0[0] == streams && $0[1] == time }
  }

  @Test func aStableDeviceIsCalledThat() async throws {
    let result = try await qualify("--duration", "500ms,1s", "--streams", "1..2")
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(
      result.outputText.hasSuffix(
        "\n\ntoo short to judge memory and open files: 1 stream for 0.500 s, 2 streams for 0.500 "
          + "s, 1 stream for 1 s, 2 streams for 1 s\n"
          + ["throttling, which", "the supply, of which"].map {
            "not judged: \($0) the board does not tell: 1 stream for 0.500 s, 2 streams for 0.500 s, "
              + "1 stream for 1 s, 2 streams for 1 s\n"
          }.joined() + "\nverdict: stable\n"), "\(result.outputText)")
    for (streams, time) in [("1", "0.500 s"), ("2", "1 s")] {
      let cells = try #require(row(streams, time, in: result.outputText), "\(result.outputText)")
      #expect(cells[2] == "stable" && cells.count == 9, "\(cells)")
    }
    let measured = try measures()
    #expect(measured.count == 4)
    for (measures, due) in zip(measured, [15, 30, 30, 60]) {
      // A busy machine may have no time for some of them.
      #expect((due / 4...due).contains(measures.framesIn), "\(measures)")
      #expect(measures.packetsOut == measures.framesIn && measures.latency.median > 0)
      #expect(measures.unreadablePackets == 0 && measures.frameRate > 5)
    }
    #expect(count("begin") == 4 && count("end") == 4)
    let events = lines().map { $0.hasPrefix(#"{"event":"begin""#) }
    #expect(events == [true, false, true, false, true, false, true, false])

    // What the journal knows is not tried again, unless it is asked for or under other limits.
    let again = try await qualify("--duration", "500ms,1s", "--streams", "1..2")
    #expect(again.exitCode == 0 && count("begin") == 4)
    #expect(again.outputText.contains("stable (journal)"))
    #expect(
      again.outputText.hasPrefix("Virtual V4L2 encoder (virtual-encoder, virtual), kernel "))
    _ = try await qualify("--duration", "500ms", "--retry")
    #expect(count("begin") == 5)
    _ = try await qualify("--duration", "500ms", "--max-latency", "10s")
    #expect(count("begin") == 6)
  }

  @Test func whatWasKilledIsNamedAndLeftOut() async throws {
    let process = try start(["--duration", "100s", "--streams", "2"])
    try await eventually(within: .seconds(30), "a step has begun") { self.count("begin") == 1 }
    process.send(SIGKILL)
    _ = try await process.wait(within: .seconds(20))
    #expect(count("end") == 0)

    let next = try await qualify("--duration", "500ms,100s,200s", "--streams", "2,3")
    #expect(next.exitCode == 1, "\(next.errorText)")
    #expect(row("2", "0.500 s", in: next.outputText)?[2] == "stable")
    #expect(row("3", "0.500 s", in: next.outputText)?[2] == "stable")
    #expect(row("2", "100 s", in: next.outputText)?[2] == "unstable (journal)")
    for (streams, time) in [("3", "100 s"), ("2", "200 s"), ("3", "200 s")] {
      #expect(row(streams, time, in: next.outputText)?[2] == "untested", "\(next.outputText)")
    }
    #expect(next.outputText.contains("2 streams for 100 s: the command was killed during it, 20"))
    #expect(next.outputText.contains("--retry tries it again"))
    #expect(next.outputText.hasSuffix("verdict: unstable; stable up to 3 streams for 0.500 s\n"))
    #expect(next.errorText.contains("warning: 2 streams for 100 s is left out: the command was"))
    #expect(count("begin") == 3 && count("end") == 2)

    // The same journal, as if the machine had been started anew since; another device is free.
    let text = lines().joined(separator: "\n").replacing(#""boot":""#, with: #""boot":"x"#) + "\n"
    _ = try directory.write(Array(text.utf8), to: "journal.jsonl")
    let reboot = try await qualify("--duration", "100s", "--streams", "2")
    #expect(reboot.exitCode == 1)
    #expect(reboot.outputText.contains("the machine went down during it"), "\(reboot.outputText)")
    let retry = try start(["--duration", "100s", "--streams", "2", "--retry"])
    try await eventually(within: .seconds(30), "it is tried again") { self.count("begin") == 4 }
    retry.send(SIGTERM)
    #expect(try await retry.wait(within: .seconds(20)).exitCode == 143)
    // What was stopped says nothing new, so the crash is still known.
    let after = try await qualify("--duration", "100s", "--streams", "2")
    #expect(after.exitCode == 1 && count("begin") == 4)
    #expect(after.outputText.contains("the machine went down during it"), "\(after.outputText)")
  }

  @Test(
    "two signals, or the loss of the terminal, are no crash",
    arguments: [[SIGINT, SIGINT], [SIGHUP]])
  func impatience(signals: [Int32]) async throws {
    let process = try start(["--duration", "100s"])
    try await eventually(within: .seconds(30), "a step has begun") { self.count("begin") == 1 }
    for signal in signals { process.send(signal) }
    let result = try await process.wait(within: .seconds(20))
    #expect(result.exitCode == (signals == [SIGHUP] ? 129 : 130), "\(result.errorText)")
    let next = try start(["--duration", "100s"])
    try await eventually(within: .seconds(30), "it is tried again") { self.count("begin") == 2 }
    next.send(SIGTERM)
    _ = try await next.wait(within: .seconds(20))
  }

  @Test func aDeviceIsKnownByWhatItSays() async throws {
    #expect(try await qualify("--duration", "500ms", "--no-software").exitCode == 0)
    let same = try await qualify("--duration", "500ms", "--no-software", device: "virtual:spec")
    #expect(same.outputText.contains("stable (journal)") && count("begin") == 1)
    let other = try await qualify("--duration", "500ms", "--no-software", device: "virtual:coda")
    #expect(other.exitCode == 0, "\(other.errorText)")
    #expect(count("begin") == 2)
  }

  @Test func aStopIsNoCrash() async throws {
    let process = try start(["--duration", "1s,100s", "--streams", "1"])
    try await eventually(within: .seconds(30), "the second step has begun") {
      self.count("begin") == 2
    }
    process.send(SIGINT)
    let result = try await process.wait(within: .seconds(20))
    #expect(result.exitCode == 130, "\(result.errorText)")
    #expect(row("1", "1 s", in: result.outputText)?[2] == "stable", "\(result.outputText)")
    #expect(row("1", "100 s", in: result.outputText)?[2] == "untested")
    #expect(result.outputText.contains("1 stream for 100 s: stopped"))
    #expect(count("end") == 2)
    let next = try start(["--duration", "1s,100s", "--streams", "1"])
    try await eventually(within: .seconds(30), "it goes on") { self.count("begin") == 3 }
    next.send(SIGTERM)
    #expect(try await next.wait(within: .seconds(20)).exitCode == 143)
  }

  @Test func limitsEndInAVerdict() async throws {
    let result = try await qualify(
      "--duration", "500ms,100s", "--streams", "1,2", "--max-cpu", "0.1%", "--max-latency", "1ms")
    #expect(result.exitCode == 1, "\(result.errorText)")
    #expect(row("1", "0.500 s", in: result.outputText)?[2] == "unstable", "\(result.outputText)")
    #expect(result.outputText.contains("% CPU, above 0.1 %"))
    #expect(result.outputText.contains("2 streams for 0.500 s: 1 stream for 0.500 s was unstable"))
    #expect(result.outputText.hasSuffix("verdict: unstable\n"))
    #expect(count("begin") == 1)
  }

  @Test func theKernelsLogIsWatched() async throws {
    // Which ends the step long before its time.
    let process = try start(["--duration", "100s"])
    try await eventually(within: .seconds(30), "the step is under way") {
      process.errorSoFar.contains("H.264")
    }
    let file = try #require(FileHandle(forWritingAtPath: kernelLog))
    try file.seekToEnd()
    try file.write(
      contentsOf: Data("3,2,2,-;usb 1-1: no reply\n4,3,3,-;BUG: scheduling while atomic\n".utf8))
    let result = try await process.wait(within: .seconds(60))
    #expect(result.exitCode == 1, "\(result.errorText)")
    #expect(result.outputText.contains("the kernel logged: BUG: scheduling while atomic"))
    #expect(!result.outputText.contains("usb") && !result.outputText.contains("before"))
    #expect(result.errorText.contains("the kernel logged: usb 1-1: no reply"))
    #expect(!result.errorText.contains("is not checked"))
    try FileManager.default.removeItem(atPath: kernelLog)
    let blind = try await qualify("--duration", "500ms")
    #expect(blind.errorText.contains("the kernel's log is not checked"))
    let unjudged = "not judged: the kernel's log, which was not read: 1 stream for 0.500 s"
    #expect(blind.outputText.contains(unjudged), "\(blind.outputText)")
    let again = try await qualify("--duration", "500ms")
    #expect(again.outputText.contains("stable (journal)") && again.outputText.contains(unjudged))

    // Who reads the log does not take the word of who did not; the other way round is fine.
    _ = try directory.write([], to: "root/dev/kmsg")
    let seeing = try await qualify("--duration", "500ms")
    #expect(!seeing.outputText.contains("(journal)") && count("begin") == 3)
    #expect(!seeing.outputText.contains("kernel's log"), "\(seeing.outputText)")
    try FileManager.default.removeItem(atPath: kernelLog)
    let last = try await qualify("--duration", "500ms")
    #expect(last.outputText.contains("stable (journal)") && count("begin") == 3)
  }

  @Test func softwareIsMeasuredBesides() async throws {
    let arguments = ["--duration", "500ms"]
    let result = try await start(arguments, device: "virtual:bcm2835").wait(within: .seconds(60))
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(result.outputText.hasPrefix("bcm2835-codec-encode (bcm2835-codec, virtual), kernel "))
    #expect(row("software", "0.500 s", in: result.outputText)?[2] == "-", "\(result.outputText)")
    #expect(count("begin") == 1)
    let without = try await start(
      arguments + ["--no-software", "--retry"], device: "virtual:bcm2835"
    ).wait(within: .seconds(60))
    #expect(row("software", "0.500 s", in: without.outputText) == nil)
  }

  @Test func aDeviceThatCannotBeOpenedIsNoVerdict() async throws {
    let result = try await qualify("--duration", "500ms", device: directory.file("none"))
    #expect(result.exitCode == 69, "\(result.errorText)")
    #expect(result.outputText.isEmpty)
    // It was in the journal before the device was touched, and is no crash afterwards.
    #expect(count("begin") == 1 && count("end") == 1)
    #expect(lines().last?.contains(#""verdict":"untested""#) == true)
  }

  @Test func aJournalIsUsedByOneAtATimeAndMustBeOne() async throws {
    let process = try start(["--duration", "100s"])
    try await eventually(within: .seconds(30), "a step has begun") { self.count("begin") == 1 }
    let second = try await qualify("--duration", "500ms")
    #expect(second.exitCode == 73 && second.errorText.contains("another v4l2enc qualify uses it"))
    process.send(SIGTERM)
    _ = try await process.wait(within: .seconds(20))
    let known = lines()

    // A line that a crash cut off goes; garbage does not.
    let file = try #require(FileHandle(forWritingAtPath: journal))
    try file.seekToEnd()
    try file.write(contentsOf: Data(#"{"event":"begin","time":1"#.utf8))
    #expect(try await qualify("--duration", "500ms").exitCode == 0)
    #expect(lines().count == known.count + 2)
    try file.seekToEnd()
    try file.write(contentsOf: Data("{}\n".utf8))
    let damaged = try await qualify("--duration", "500ms")
    #expect(damaged.exitCode == 65)
    #expect(damaged.errorText.contains("line \(known.count + 3) is not one of qualify"))
    let notes = try directory.write(Array("my notes".utf8), to: "notes.txt")
    let foreign = try await v4l2enc(["qualify", "--device", "virtual", "--journal", notes])
    #expect(foreign.exitCode == 65 && foreign.errorText.contains("is no journal of qualify"))
    #expect(FileManager.default.contents(atPath: notes) == Data("my notes".utf8))
    let device = try await v4l2enc(["qualify", "--device", "virtual", "--journal", "/dev/null"])
    #expect(device.exitCode == 64 && device.errorText.contains("a journal is a file on a disk"))
  }

  @Test(
    arguments: [
      (
        ["--journal", "/nonexistent/j", "--duration", "10ms,5m"],
        "--duration 0.010 s: too short for a verdict at 30 fps; write 334ms or more"
      ),
      ([], "which journal?"), (["clip.y4m"], "takes no input"),
      (["--duration", "5x"], "--duration 5x: write a time"),
      (["--duration", "5m,30s"], "write the shortest first"),
      (["--streams", "0"], "--streams 0: write numbers from 1 to 64"),
      (["--streams", "4..1"], "--streams 4..1"), (["--max-cpu", "much"], "--max-cpu much"),
      (["--max-latency", "0"], "--max-latency 0: write a time"),
    ] as [([String], String)])
  func argumentsAreChecked(arguments: [String], text: String) async throws {
    let result = try await v4l2enc(["qualify"] + arguments)
    #expect(result.exitCode == 64)
    #expect(result.errorText.contains(text), "\(result.errorText)")
  }
}
