import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// `--stats` and `v4l2enc report`.
@Suite(.timeLimit(.minutes(3))) struct ReportTests {
  private let directory: TemporaryDirectory
  private var log: String { directory.file("log.jsonl") }
  private var page: String { directory.file("page.html") }

  init() throws { directory = try TemporaryDirectory() }

  private func text(_ path: String) throws -> String {
    try String(contentsOfFile: path, encoding: .utf8)
  }

  private func report(_ path: String) async throws -> SubprocessResult {
    try await v4l2enc(["report", path, "-o", page])
  }

  private static let stream =
    #"{"stream":{"device":"/dev/video11","driver":"x","card":"<Card & \"co\">","codec":"h264","#
    + #""width":64,"height":64,"frame_rate":25.0,"time_base":"1/25","target_bitrate":8000,"#
    + #""gop":5}}"#

  private static func packet(_ index: Int, bytes: Int = 40, more: String = "") -> String {
    #"{"index":\#(index),"pts":\#(index),"dts":\#(index),"duration":1,"bytes":\#(bytes),"#
      + #""key":\#(index % 5 == 0),"latency_us":\#(1000 + index)\#(more)}"#
  }

  /// Fifty packets of 40 bytes, 8000 bit/s.
  private static let lines = [stream] + (0..<50).map { packet($0) }

  private func parse(_ lines: [String], end: String = "\n") throws -> StatisticsLog {
    let path = try directory.write(
      Array((lines.joined(separator: "\n") + end).utf8), to: "in.jsonl")
    return try StatisticsLog(path)
  }

  @Test func statisticsHaveStreamsAndSamples() async throws {
    let result = try await encodeVirtually(
      "test:motion", "--size", "1280x720", "--frames", "100", "--bitrate", "2M", "-o",
      directory.file("o.h264"), "--stats", log, "--stats-period", "0.01")
    #expect(result.exitCode == 0, "\(result.errorText)")
    let text = try text(log)
    #expect(text.hasPrefix(#"{"stream":{"device":"virtual","driver":"virtual-encoder","#))
    let log = try StatisticsLog(log)
    #expect(log.streams.count == 1 && log.packets.count == 100 && !log.isCutOff)
    #expect(log.streams.first?.record.targetBitrate == 2_000_000)
    #expect(log.samples.count > 2 && log.samples.count == sampleLines(text).count)
    let times = log.samples.map(\.record.milliseconds)
    #expect(times == times.sorted())
    let last = try #require(log.samples.last?.record)
    #expect(last.packetsOut == 100 && last.framesIn == 100 && last.keyFrames == 2)
    #expect(last.bytesOut == log.packets.reduce(0) { $0 + $1.bytes })
    #expect(last.deviceRequests >= 400 && last.wakeUps > 0)
    #expect(try #require(last.processorPercent) > 0)
    #expect(try #require(last.openDescriptors) > 3)
    #expect(try #require(last.residentBytes) > 1 << 20)
    let latency = try #require(last.latency)
    #expect(latency.median > 0 && latency.median <= latency.maximum)
    #expect(try #require(last.deviceLatency).median <= latency.maximum)
    // Every line comes back as it went.
    for line in sampleLines(text) {
      let json = try JSON(parsing: String(line))
      #expect(json.text == line)
    }
  }

  @Test func aPageShowsWhatWasWritten() async throws {
    let encoded = try await encodeVirtually(
      "test:motion", "--size", "64x64", "--frames", "120", "--fps", "30", "--gop", "10", "-o",
      directory.file("o.h264"), "--stats", log, "--stats-period", "0.005")
    #expect(encoded.exitCode == 0, "\(encoded.errorText)")
    let result = try await report(log)
    #expect(result.exitCode == 0 && result.errorText.isEmpty, "\(result.errorText)")
    let page = try text(page)
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
    #expect(page.ranges(of: "<rect class=\"key-frame\"").count == 12)
    #expect(page.ranges(of: "<rect class=\"frame\"").count > 108)
    for part in ["<h2>Frame sizes", "<h2>Bitrate", "<h2>Latency", "<h2>Quantizer", "120, 4.00 s"] {
      #expect(page.contains(part), "\(part)")
    }
    // Nothing is fetched, nothing is run.
    for part in ["http:", "https:", "<script", "@import", "url("] { #expect(!page.contains(part)) }
    #expect(page.ranges(of: "<svg").count == page.ranges(of: "</svg>").count)
    let toPipe = try await v4l2enc(["report", "-", "-o", "-"], input: .file(log))
    #expect(toPipe.exitCode == 0)
    #expect(toPipe.outputText.replacing("standard input", with: log) == page)
  }

  @Test func whatIsKilledCanStillBeShown() async throws {
    let log = log
    let process = try Subprocess(
      try builtBinary(named: "v4l2enc"),
      [
        "encode", "test:motion", "--size", "64x64", "--frames", "100000000", "-o", "/dev/null",
        "--stats", log, "--stats-period", "0.02", "--device", "virtual",
      ])
    try await eventually(within: .seconds(30), "packets are in the file") {
      packetLines((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").count > 100
    }
    process.send(SIGKILL)
    _ = try await process.wait(within: .seconds(20))
    // What the kill cuts is a matter of luck; this is not.
    let data = try #require(FileManager.default.contents(atPath: log))
    try data.dropLast(data.last == 0x0a ? 9 : 0).write(to: URL(fileURLWithPath: log))
    let result = try await report(log)
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(result.errorText.contains("log.jsonl is cut off; its last line is left out"))
    #expect(try text(page).contains("The file is cut off"))
  }

  @Test(
    arguments: [
      ([stream, "garbage"], "line 2 is not one of --stats: no JSON value"),
      ([stream, packet(0), #"{"index":1}"#], "line 3 is not one of --stats: pts is missing"),
      ([packet(0), ""], "line 2 is not one of --stats: no JSON value"),
      ([packet(0), "[1]"], "line 2 is not one of --stats: no object"),
      ([packet(0, bytes: -1)], "line 1 is not one of --stats: a number is out of its range"),
      ([packet(0, more: #","qp":"x""#)], "line 1 is not one of --stats: qp: no number"),
      ([packet(0, more: #","qp":1."#)], "line 1 is not one of --stats: a number ends"),
      ([stream], "has no packet; nothing was encoded"), ([], "has no packet; make it with"),
    ] as [([String], String)])
  func garbageIsRefusedByItsLine(lines: [String], text: String) async throws {
    let bytes = Array(lines.map { $0 + "\n" }.joined().utf8)
    let path = try directory.write(bytes, to: "bad.jsonl")
    let result = try await report(path)
    #expect(result.exitCode == 65)
    #expect(result.errorText.contains(text), "\(result.errorText)")
    #expect(result.errorText.split(separator: "\n").count == 1)
    #expect(!FileManager.default.fileExists(atPath: page))
  }

  @Test func argumentsAreChecked() async throws {
    let log = try directory.write(Array((Self.lines.joined(separator: "\n") + "\n").utf8), to: "l")
    for (arguments, code, text) in [
      (["report"], 64, "which file?"), (["report", log], 64, "where to?"),
      (["report", log, log, "-o", "x"], 64, "there is already a file"),
      (["report", directory.file("none"), "-o", page], 66, "No such file"),
      (["report", "/tmp", "-o", page], 66, "/tmp is a directory"),
      (["report", "", "-o", page], 64, "v4l2enc report: the name is empty"),
      (["report", log, "-o", ""], 64, "--output: the name is empty"),
      (["report", log, "-o", log], 64, "-o is the file to read itself"),
      (["report", log, "-o", "/nonexistent/x.html"], 73, "the directory does not exist"),
      (["encode", "test:bars", "-o", page, "--stats", "-"], 64, "--stats -: name a file"),
      (["encode", "test:bars", "-o", page, "--save-pts", "-"], 64, "--save-pts -: name a file"),
    ] as [([String], Int32, String)] {
      let result = try await v4l2enc(arguments)
      #expect(result.exitCode == code, "\(arguments)")
      #expect(result.errorText.contains(text), "\(result.errorText)")
    }
    #expect(try text(log).contains(#""index":49"#))
  }

  @Test func namesCannotBreakThePage() throws {
    let page = ReportPage(try parse(Self.lines)).text
    #expect(page.contains("&lt;Card &amp; &quot;co&quot;&gt; (x, /dev/video11): H.264, 64x64"))
    #expect(page.contains("8000 bit/s, target 8000 bit/s (+0.0 %)"))
    #expect(page.contains("1.0 ms median") && page.contains("10, 40 bytes each on average"))
  }

  @Test func numbersAreThoseOfTheFile() throws {
    let series = StatisticsSeries(try parse(Self.lines))
    #expect(abs(series.length - 2) < 1e-9)
    #expect(series.columns.count == 50 && series.columns.allSatisfy { $0.largest == 40 })
    #expect(series.columns.count(where: { $0.largestKeyFrame == 40 }) == 10)
    #expect(series.bitrates.count == 10 && series.bitrateSpan == 0.2)
    #expect(series.bitrates.allSatisfy { abs(($0.value ?? 0) - 8000) < 1 })
    #expect(series.targets.map(\.value) == [8000])
    #expect(series.quantizers.isEmpty)

    // A second stream at half the rate, with a target that changes in it.
    let second = Self.stream.replacing("1/25", with: "2/25")
    let change =
      #"{"sample":{"time_ms":9,"packets_out":10,"target_bitrate":3000,"cpu_percent":1.5}}"#
    let more = (0..<20).map { Self.packet($0, more: #","qp":20.5"#) }
    let both = StatisticsSeries(
      try parse(Self.lines + [second] + more[..<10] + [change] + more[10...]))
    #expect(abs(both.length - 3.6) < 1e-9)
    #expect(both.targets.map(\.value) == [8000, 3000])
    #expect(abs(both.targets[1].start - 2.8) < 1e-9)
    #expect(both.bitrates.map { ($0.value ?? 0).rounded() } == [8000, 8000, 4000, 4000])
    #expect(both.quantizers.map(\.value) == [nil, nil, 20.5, 20.5])
  }

  @Test func everyStreamIsCounted() throws {
    func sample(_ packets: Int, lost: Int, latency: Int) -> String {
      let summary = #"{"median":\#(latency),"p95":\#(latency),"p99":\#(latency),"max":\#(latency)}"#
      return #"{"sample":{"time_ms":9,"packets_out":\#(packets),"frames_lost":\#(lost),"#
        + #""device_requests":\#(4 * packets),"wake_ups":\#(packets),"#
        + #""device_latency_us":\#(summary),"added_latency_us":\#(summary)}}"#
    }
    // The last sample of a stream counts all of its packets.
    let first = Self.lines + [sample(50, lost: 2, latency: 1000)]
    let one = ReportPage(try parse(first)).text
    #expect(one.contains("<th>Frames lost with a device</th><td>2</td>"))
    #expect(one.contains("<th>Latency in the device</th>"), "\(one)")
    let second = (0..<20).map { Self.packet($0) }
    let page = ReportPage(
      try parse(
        first + [Self.stream] + second[..<10] + [sample(10, lost: 1, latency: 2000)]
          + second[10...] + [sample(20, lost: 3, latency: 2000)])
    ).text
    #expect(page.contains("<th>Frames lost with a device</th><td>5</td>"))
    #expect(page.contains("<th>Per frame</th><td>4.00 device requests, 1.00 wake-ups</td>"))
    #expect(page.contains("<th>Latency in the device, last stream</th>"))
    #expect(page.contains("<th>Latency outside of it, last stream</th>"))
  }

  @Test func manyPacketsBecomeFewBars() throws {
    let packets = (0..<4001).map { Self.packet($0, bytes: $0 == 777 ? 5000 : 40) }
    let series = StatisticsSeries(try parse([Self.stream] + packets))
    #expect(series.columns.count == 364 && series.columns[0].frames == 11)
    #expect(series.columns.map(\.largest).max() == 5000 && series.columns[70].largest == 5000)
    #expect(series.columns.reduce(0) { $0 + $1.frames } == 4001)
    #expect(ReportPage(try parse([Self.stream] + packets)).text.contains("largest of up to 11"))
  }

  @Test func manySamplesBecomeFewPoints() throws {
    let samples = (0..<5000).map {
      #"{"sample":{"time_ms":\#($0 * 500),"cpu_percent":\#($0 == 77 ? 90 : 5).5}}"#
    }
    let page = ReportPage(try parse(Self.lines + samples)).text
    let chart = try #require(page.split(separator: "<h2>Processor time").last)
    let line = try #require(chart.split(separator: "class=\"line\" d=\"").dropFirst().first)
    #expect(line.prefix { $0 != "\"" }.count { $0 == "L" } == 499)
    #expect(page.contains("100 %</text>"), "the largest is shown")
  }

  @Test func everyLatencyHasABin() {
    for slowest in [0, 1, 59, 60, 61, 120, 31_680, 31_681] {
      let bins = LatencyBins([slowest / 2, slowest])
      #expect(bins.beyond == 0 && bins.counts.reduce(0, +) == 2, "\(slowest)")
    }
    let few = LatencyBins([Int](repeating: 100, count: 999) + [100_000])
    #expect(few.beyond == 1 && few.limit < 1000)
  }

  @Test func axesHaveRoundNumbers() {
    func marks(_ value: Double) -> [String] {
      ReportChart.Axis(upTo: value) { Units.fixed($0, 2) }.marks.map { Units.fixed($0, 2) }
    }
    #expect(marks(10) == ["0.00", "2.00", "4.00", "6.00", "8.00", "10.00"])
    #expect(marks(0.07).last == "0.08" && marks(11_400).last == "12000.00")
    for bad in [0, -1, Double.nan, .infinity] { #expect(marks(bad).last == "1.00") }
    #expect(ReportChart.Axis(seconds: 3725).marks.count <= 11)
    #expect(ReportChart.Axis(seconds: 3725).label(3600) == "1:00:00")
    #expect(ReportChart.Axis(seconds: 90_000).marks.count <= 11)
    let counts = ReportChart.Axis(upTo: 2, finest: 1) { Units.fixed($0, 0) }
    #expect(counts.marks.map { counts.label($0) } == ["0", "1", "2"])
    let short = ReportChart.Axis(seconds: 2.5)
    #expect(
      short.marks.map { short.label($0) } == ["0.0 s", "0.5 s", "1.0 s", "1.5 s", "2.0 s", "2.5 s"])
  }
}
