internal import V4L2Encoder

/// A file of `--stats` as one page that needs nothing else: no network, no script.
struct ReportPage {
  private let log: StatisticsLog
  private let series: StatisticsSeries

  init(_ log: StatisticsLog) {
    self.log = log
    series = StatisticsSeries(log)
  }

  /// The page.
  var text: String {
    let title = "v4l2enc: \(log.name)"
    var sections = [sizes, bitrate, latencies]
    if let quantizers { sections.append(quantizers) }
    sections += machine
    let streams = log.streams.map { "<p>\(HTML.escaped(Self.headline($0.record)))</p>" }
    let remark = "<p class=\"warning\">The file is cut off; its last line is left out.</p>\n"
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(HTML.escaped(title))</title>
      <style>
      \(Self.style)</style>
      </head>
      <body>
      <h1>\(HTML.escaped(title))</h1>
      \(streams.joined(separator: "\n"))
      \(log.isCutOff ? remark : "")\
      \(facts)
      \(sections.joined())</body>
      </html>

      """
  }

  private static func headline(_ stream: StreamRecord) -> String {
    let target = stream.targetBitrate.map { Units.bitrate($0) } ?? "constant quantizer"
    let codec = VideoCodec(rawValue: stream.codec)?.name ?? stream.codec
    return "\(stream.card) (\(stream.driver), \(stream.device)): \(codec), "
      + "\(stream.width)x\(stream.height) at \(number(stream.frameRate, 3)) fps, \(target), "
      + "GOP \(stream.keyFrameInterval)"
  }

  /// A number without zeros behind it.
  private static func number(_ value: Double, _ decimals: Int) -> String {
    var text = Units.fixed(value, decimals)
    while text.contains("."), text.hasSuffix("0") || text.hasSuffix(".") { text.removeLast() }
    return text
  }

  // MARK: - Facts

  private var facts: String {
    let keyFrames = log.packets.filter(\.isKeyFrame)
    let bytes = log.packets.reduce(0) { $0 + $1.bytes }
    let rest = log.packets.count - keyFrames.count
    let keyBytes = keyFrames.reduce(0) { $0 + $1.bytes }
    var rows = [
      ("Frames", "\(log.packets.count), \(Units.fixed(series.length, 2)) s"),
      ("Size", Units.bytes(bytes)),
    ]
    if series.length > 0 {
      rows.append(("Bitrate", Self.against(Double(bytes) * 8 / series.length, meanTarget)))
    }
    rows.append(
      (
        "Key frames",
        "\(keyFrames.count)"
          + (keyFrames.isEmpty
            ? "" : ", \(Units.bytes(keyBytes / keyFrames.count)) each on average")
      ))
    if rest > 0 {
      rows.append(("Other frames", Units.bytes((bytes - keyBytes) / rest) + " on average"))
    }
    let latency = LatencyText(log.packets.map(\.latency))
    rows.append(("Latency", latency.text))
    rows += sampleFacts
    let corrupt = log.packets.count(where: \.isCorrupt)
    if corrupt > 0 { rows.append(("Spoiled frames", "\(corrupt)")) }
    let cells = rows.map {
      "<tr><th>\(HTML.escaped($0.0))</th><td>\(HTML.escaped($0.1))</td></tr>"
    }
    return "<table>\n\(cells.joined(separator: "\n"))\n</table>"
  }

  /// The mean of the targets over the video; nil when there was none for a part of it.
  private var meanTarget: Double? {
    var sum = 0.0
    for (index, step) in series.targets.enumerated() {
      let end = index + 1 < series.targets.count ? series.targets[index + 1].start : series.length
      guard let value = step.value else { return nil }
      sum += value * (end - step.start)
    }
    return series.targets.isEmpty || series.length <= 0 ? nil : sum / series.length
  }

  private static func against(_ rate: Double, _ target: Double?) -> String {
    let text = Units.bitrate(whole(rate))
    guard let target, target > 0 else { return text }
    let percent = ((rate / target - 1) * 1000).rounded() / 10
    return "\(text), target \(Units.bitrate(whole(target))) "
      + "(\(percent < 0 ? "−" : "+")\(Units.fixed(abs(percent), 1)) %)"
  }

  private static func whole(_ value: Double) -> Int { Int(exactly: value.rounded()) ?? 0 }

  /// What only the samples know.
  private var sampleFacts: [(String, String)] {
    guard let last = log.samples.last?.record else { return [] }
    // Counts begin anew with each stream, so that each stream's last sample has its own.
    let ends = log.samples.indices.filter {
      $0 + 1 == log.samples.count || log.samples[$0 + 1].streams != log.samples[$0].streams
    }.map { log.samples[$0].record }
    var rows: [(String, String)] = []
    let counts: [(String, (SampleRecord) -> Int)] = [
      ("Frames skipped by the driver", \.framesSkipped), ("Frames dropped", \.framesDropped),
      ("Frames lost with a device", \.framesLost), ("Recoveries", \.recoveries),
    ]
    for (name, count) in counts {
      let sum = ends.reduce(0) { $0 &+ count($1) }
      if sum > 0 { rows.append((name, "\(sum)")) }
    }
    if let device = last.deviceLatency, let added = last.addedLatency {
      let scope = log.streams.count > 1 ? ", last stream" : ""
      rows.append(("Latency in the device\(scope)", LatencyText(device).text))
      rows.append(("Latency outside of it\(scope)", LatencyText(added).text))
    }
    let packets = ends.reduce(0) { $0 &+ $1.packetsOut }
    if packets > 0 {
      let requests = Double(ends.reduce(0) { $0 &+ $1.deviceRequests }) / Double(packets)
      let wakeUps = Double(ends.reduce(0) { $0 &+ $1.wakeUps }) / Double(packets)
      rows.append(
        (
          "Per frame",
          "\(Units.fixed(requests, 2)) device requests, \(Units.fixed(wakeUps, 2)) wake-ups"
        ))
    }
    if let hottest = log.samples.compactMap(\.record.temperature).max() {
      rows.append(("Temperature", "up to \(Units.fixed(hottest, 1)) °C"))
    }
    if log.samples.contains(where: { $0.record.isThrottled == true }) {
      rows.append(("Throttling", "the kernel slowed the board down"))
    }
    if log.samples.contains(where: { $0.record.isUnderVoltage == true }) {
      rows.append(("Supply", "too weak at times (under-voltage)"))
    }
    return rows
  }

  // MARK: - Charts

  private static func section(_ title: String, _ key: String, _ chart: String) -> String {
    "<section>\n<h2>\(HTML.escaped(title))</h2>\n"
      + (key.isEmpty ? "" : "<p class=\"key\">\(key)</p>\n") + chart + "</section>\n"
  }

  private static func key(_ style: String, _ text: String) -> String {
    "<span><i class=\"\(style)\"></i>\(HTML.escaped(text))</span>"
  }

  private var sizes: String {
    let largest = series.columns.map(\.largest).max() ?? 0
    var chart = ReportChart(
      "frame sizes over time", .init(seconds: series.length),
      .init(upTo: Double(largest)) { Units.bytes(Self.whole($0)) })
    for (index, column) in series.columns.enumerated() {
      let end = index + 1 < series.columns.count ? series.columns[index + 1].start : series.length
      let what = column.frames == 1 ? "" : "largest of \(column.frames) frames, "
      let time = "\(what)\(Units.fixed(column.start, 2)) s"
      let bars = [
        (bytes: column.largestKeyFrame, style: "key-frame", kind: "key frame"),
        (bytes: column.largestOther, style: "frame", kind: "frame"),
      ]
      // The taller one is drawn first, or it would hide the other.
      for bar in bars.sorted(by: { $0.bytes > $1.bytes }) where bar.bytes > 0 {
        chart.bar(
          from: column.start, to: end, Double(bar.bytes), bar.style,
          "\(bar.kind), \(Units.bytes(bar.bytes)); \(time)")
      }
    }
    let frames = series.columns.map(\.frames).max() ?? 1
    let note = frames > 1 ? " (the largest of up to \(frames) in each bar)" : ""
    return Self.section(
      "Frame sizes", Self.key("key-frame", "key frames") + Self.key("frame", "other frames\(note)"),
      chart.svg)
  }

  private var bitrate: String {
    let values = series.bitrates.compactMap(\.value) + series.targets.compactMap(\.value)
    var chart = ReportChart(
      "bitrate over time", .init(seconds: series.length),
      .init(upTo: (values.max() ?? 1) * 1.05) { Units.bitrate(Self.whole($0)) })
    chart.steps(series.bitrates, until: series.length, "line")
    chart.steps(series.targets, until: series.length, "target")
    let span = Self.number(series.bitrateSpan, 1)
    return Self.section(
      "Bitrate", Self.key("line", "over \(span) s each") + Self.key("target", "target"), chart.svg)
  }

  private var latencies: String {
    let histogram = LatencyBins(log.packets.map(\.latency))
    var chart = ReportChart(
      "latency histogram",
      .init(upTo: Double(histogram.limit)) { Units.duration(microseconds: Self.whole($0)) },
      .init(upTo: Double(histogram.counts.max() ?? 1), finest: 1) { "\(Self.whole($0))" })
    for (index, count) in histogram.counts.enumerated() where count > 0 {
      let start = index * histogram.width
      chart.bar(
        from: Double(start), to: Double(start + histogram.width), Double(count), "frame",
        "\(count) frames of \(start) to \(start + histogram.width) us")
    }
    let latency = LatencyText(log.packets.map(\.latency))
    chart.marker(at: Double(latency.median), "median", row: 0)
    chart.marker(at: Double(latency.percentile95), "p95", row: 1)
    chart.marker(at: Double(latency.percentile99), "p99", row: 2)
    let beyond = histogram.beyond
    let note =
      beyond > 0
      ? "\(beyond) frame\(beyond == 1 ? "" : "s") took longer than "
        + "\(Units.duration(microseconds: histogram.limit)), "
        + "up to \(Units.duration(microseconds: latency.maximum))" : ""
    return Self.section("Latency, from frame to packet", HTML.escaped(note), chart.svg)
  }

  private var quantizers: String? {
    guard !series.quantizers.isEmpty else { return nil }
    var chart = ReportChart(
      "quantizer over time", .init(seconds: series.length),
      .init(upTo: series.quantizers.compactMap(\.value).max() ?? 51) { Units.fixed($0, 0) },
      height: 150)
    chart.steps(series.quantizers, until: series.length, "line")
    return Self.section("Quantizer (0 is best)", "", chart.svg)
  }

  /// What the process and the board did, by the clock.
  private var machine: [String] {
    let end = Double(log.samples.last?.record.milliseconds ?? 0) / 1000
    // As many points as a page can show, each the largest of its time.
    let perPoint = max(1, (log.samples.count + 499) / 500)
    let thinned = stride(from: 0, to: log.samples.count, by: perPoint).map {
      log.samples[$0..<min($0 + perPoint, log.samples.count)]
    }
    func chart(
      _ title: String, _ value: (SampleRecord) -> Double?, _ label: @escaping (Double) -> String
    ) -> String? {
      let points = thinned.map { samples in
        (
          x: Double(samples.first?.record.milliseconds ?? 0) / 1000,
          y: samples.compactMap { value($0.record) }.max()
        )
      }
      guard points.count(where: { $0.y != nil }) > 1 else { return nil }
      var chart = ReportChart(
        "\(title) over time", .init(seconds: end),
        .init(upTo: points.compactMap(\.y).max() ?? 1, label: label), height: 150)
      chart.line(points, "line")
      return Self.section(title, "", chart.svg)
    }
    return [
      chart(
        "Processor time of the process, by the clock (100 % is one processor)", \.processorPercent
      ) {
        Self.number($0, 1) + " %"
      },
      chart("Memory of the process, by the clock", { $0.residentBytes.map(Double.init) }) {
        Units.bytes(Self.whole($0))
      },
      chart("Temperature, by the clock", \.temperature) { Units.fixed($0, 0) + " °C" },
    ].compactMap(\.self)
  }

  private static let style = """
    :root { --back: #fff; --text: #1d2125; --soft: #5c636a; --grid: #e4e7ea; --frame: #7ba6d8;
      --key-frame: #d97a1f; --line: #2367b0; --target: #b3261e; }
    @media (prefers-color-scheme: dark) {
      :root { --back: #15181b; --text: #e7e9eb; --soft: #a0a7ae; --grid: #2f353a; --frame: #527fb5;
        --key-frame: #f2a04c; --line: #82b4ee; --target: #ff8a7d; }
    }
    body { background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif;
      max-width: 960px; margin: 2em auto; padding: 0 1em; }
    h1 { font-size: 1.4em; overflow-wrap: anywhere; } h2 { font-size: 1.1em; margin: 2em 0 .3em; }
    th { text-align: left; font-weight: 500; color: var(--soft); padding: 0 1.5em 0 0;
      vertical-align: top; }
    td { padding: 0; }
    .warning { color: var(--target); }
    .key { color: var(--soft); margin: 0; font-size: .9em; } .key span { margin-right: 1.5em; }
    .key i { display: inline-block; width: .9em; height: .9em; margin-right: .4em;
      vertical-align: -.1em; }
    i.frame { background: var(--frame); } i.key-frame { background: var(--key-frame); }
    .key i.line, .key i.target { height: 0; width: 1.6em; vertical-align: .25em;
      border-top: 2px solid var(--line); }
    .key i.target { border-top: 2px dashed var(--target); }
    svg { width: 100%; height: auto; display: block; }
    .grid { stroke: var(--grid); stroke-width: 1; }
    .frame { fill: var(--frame); } .key-frame { fill: var(--key-frame); }
    .line, .target { fill: none; stroke: var(--line); stroke-width: 1.6; stroke-linejoin: round; }
    .target { stroke: var(--target); stroke-dasharray: 6 4; }
    .marker { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; }
    text { fill: var(--soft); font-size: 12px; } .tick { text-anchor: middle; }
    .up, .late { text-anchor: end; }

    """
}
