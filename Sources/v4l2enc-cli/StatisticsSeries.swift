internal import V4L2Encoder

/// What the charts of a report show, in as many pieces as a page can show.
struct StatisticsSeries {
  /// Frames next to each other.
  struct Column: Hashable {
    /// When it begins, in seconds of video.
    var start: Double
    var frames = 0
    /// The largest key frame, in bytes; 0 without one.
    var largestKeyFrame = 0
    /// The largest of the other frames, in bytes; 0 without one.
    var largestOther = 0

    var largest: Int { max(largestKeyFrame, largestOther) }
  }

  /// A value that holds from a time on.
  struct Step: Hashable {
    var start: Double
    var value: Double?
  }

  /// Of all streams, in seconds of video.
  private(set) var length = 0.0
  private(set) var columns: [Column] = []
  /// In bit/s, over equal times.
  private(set) var bitrates: [Step] = []
  /// How long each of them lasts, in seconds.
  private(set) var bitrateSpan = 1.0
  /// In bit/s; nil values are without a target.
  private(set) var targets: [Step] = []
  /// Mean quantizers over the same times as the bitrates.
  private(set) var quantizers: [Step] = []

  private static let mostColumns = 400
  private static let mostSpans = 300

  init(_ log: StatisticsLog) {
    let starts = Self.starts(log)
    length = starts.last ?? 0
    let perColumn = max(1, (log.packets.count + Self.mostColumns - 1) / Self.mostColumns)
    for (index, packet) in log.packets.enumerated() {
      if index.isMultiple(of: perColumn) { columns.append(Column(start: starts[index])) }
      columns[columns.count - 1].add(packet)
    }
    targets = Self.targets(log, starts)
    bitrateSpan = Self.span(of: length)
    // Sums of durations are not exact; a rest of them is no span.
    let spans = max(1, Int((length / bitrateSpan - 1e-6).rounded(.up)))
    var bits = [Double](repeating: 0, count: spans)
    var quantizerSums = [(sum: Double, count: Int)](repeating: (0, 0), count: spans)
    for (index, packet) in log.packets.enumerated() {
      let (start, end) = (starts[index], starts[index + 1])
      spread(Double(packet.bytes) * 8, from: start, to: end, over: &bits)
      if let quantizer = packet.quantizer {
        // By its middle, which no rounding moves into another span.
        let span = min(spans - 1, Int((start + end) / 2 / bitrateSpan))
        quantizerSums[span].sum += quantizer
        quantizerSums[span].count += 1
      }
    }
    for span in 0..<spans {
      let start = Double(span) * bitrateSpan
      // The last span is as long as the video reaches into it.
      let seconds = max(min(bitrateSpan, length - start), bitrateSpan / 1000)
      bitrates.append(Step(start: start, value: bits[span] / seconds))
      let (sum, count) = quantizerSums[span]
      quantizers.append(Step(start: start, value: count > 0 ? sum / Double(count) : nil))
    }
    if !quantizers.contains(where: { $0.value != nil }) { quantizers = [] }
  }

  /// Adds the bits of a frame to the spans that it lasts in.
  private func spread(
    _ bits: Double, from start: Double, to end: Double, over spans: inout [Double]
  ) {
    let last = spans.count - 1
    var span = min(last, Int(start / bitrateSpan))
    guard end > start else {
      spans[span] += bits
      return
    }
    var place = start
    while place < end {
      let boundary = span < last ? Double(span + 1) * bitrateSpan : end
      let stop = max(place, min(boundary, end))
      spans[span] += bits * (stop - place) / (end - start)
      place = stop
      guard span < last else { return }
      span += 1
    }
  }

  /// When each packet's picture begins, and behind the last the end, in seconds of video.
  private static func starts(_ log: StatisticsLog) -> [Double] {
    var starts: [Double] = []
    starts.reserveCapacity(log.packets.count + 1)
    var time = 0.0
    var streams = log.streams[...]
    var unit = 1.0 / 30
    for (index, packet) in log.packets.enumerated() {
      while let stream = streams.first, stream.firstPacket <= index {
        unit = seconds(stream.record.timeBase) ?? unit
        streams.removeFirst()
      }
      starts.append(time)
      time += Double(packet.duration) * unit
    }
    return starts + [time]
  }

  private static func seconds(_ timeBase: String) -> Double? {
    let parts = timeBase.split(separator: "/").map { Double($0) }
    guard parts.count == 2, let above = parts[0], let below = parts[1], above > 0, below > 0
    else { return nil }
    return above / below
  }

  private static func targets(_ log: StatisticsLog, _ starts: [Double]) -> [Step] {
    let known =
      log.streams.map { ($0.firstPacket, $0.record.targetBitrate) }
      + log.samples.map { ($0.packetsBefore, $0.record.targetBitrate) }
    var steps: [Step] = []
    for (packet, target) in known.sorted(by: { $0.0 < $1.0 }) {
      let value = target.map(Double.init)
      if steps.last.map({ $0.value != value }) ?? true {
        steps.append(Step(start: starts[min(max(0, packet), starts.count - 1)], value: value))
      }
    }
    return steps
  }

  /// At least a second of a video that lasts some; round numbers.
  private static func span(of length: Double) -> Double {
    let spans = [1.0, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 86_400]
    if length < 3 { return 0.2 }
    return spans.first { length / $0 <= Double(mostSpans) } ?? max(1, length / Double(mostSpans))
  }
}

extension StatisticsSeries.Column {
  fileprivate mutating func add(_ packet: StatisticsLog.Packet) {
    frames += 1
    if packet.isKeyFrame {
      largestKeyFrame = max(largestKeyFrame, packet.bytes)
    } else {
      largestOther = max(largestOther, packet.bytes)
    }
  }
}
