internal import V4L2Encoder

/// Counts what comes out, for the status line and the summary.
struct Meter {
  /// The unit of the packets' times in seconds.
  private let timeBase: Rational
  private let expectedFrames: Int?
  private let started = MonotonicTime.now
  private var lastStatus = MonotonicTime.now
  private var latencies = LatencyHistogram()
  private(set) var packets = 0
  private(set) var bytes = 0
  /// Where the picture ends that is shown last, in units of the time base; times begin at zero.
  private(set) var outTime: Int64 = 0

  /// How often the status line changes.
  private static let interval = Duration.milliseconds(200)

  init(timeBase: Rational, expectedFrames: Int?) {
    self.timeBase = timeBase
    self.expectedFrames = expectedFrames
  }

  /// Since counting began.
  var elapsed: Duration { MonotonicTime.now - started }

  /// Counts one packet.
  mutating func add(_ packet: EncodedPacket) {
    packets += 1
    bytes += packet.byteCount
    let (end, overflows) = packet.presentationTime.addingReportingOverflow(packet.duration)
    outTime = max(outTime, overflows ? packet.presentationTime : end)
    latencies.add(microseconds: packet.latency.inMicroseconds)
  }

  /// The status line, when it is time for a new one.
  mutating func status() -> String? {
    let now = MonotonicTime.now
    guard now - lastStatus >= Self.interval else { return nil }
    lastStatus = now
    let seconds = elapsed(until: now)
    let speed = Double(packets) / seconds
    var parts = [
      expectedFrames.map { "\(packets)/\($0) frames" } ?? "\(packets) frames",
      "\(Units.fixed(speed, 0)) fps", Units.bitrate(averageBitrate),
      "\(Units.fixed(outSeconds / seconds, 2))x",
    ]
    if let expectedFrames, speed > 0 {
      parts.append("ETA \(Units.clock(Int(Double(max(0, expectedFrames - packets)) / speed)))")
    }
    return parts.joined(separator: "  ")
  }

  /// What was done, in one line; `lost` is nil for what is no camera.
  func summary(framesIn: Int, skipped: Int, dropped: Int = 0, lost: Int? = nil) -> String {
    let speed = Double(packets) / elapsed(until: .now)
    var text =
      "\(framesIn) frames in, \(packets) out, \(skipped) skipped"
      + (dropped > 0 ? ", \(dropped) dropped" : "")
      + (lost.map { ", \($0) lost by the camera" } ?? "") + "; \(Units.bytes(bytes)), "
      + "\(Units.bitrate(averageBitrate)) on average; \(Units.fixed(speed, 1)) fps"
    if let median = latencies.percentile(0.5), let slow = latencies.percentile(0.99) {
      text +=
        "; latency \(Units.duration(microseconds: median)) median, "
        + "\(Units.duration(microseconds: slow)) p99"
    }
    return text
  }

  private func elapsed(until now: MonotonicTime) -> Double {
    max(1e-9, Double((now - started).inNanoseconds) / 1e9)
  }

  private var outSeconds: Double { Double(outTime) * timeBase.value }

  /// By the pictures' own times: rates may change with a camera's signal, and frames be left out.
  private var averageBitrate: Int {
    outTime > 0 ? Int(exactly: (Double(bytes) * 8 / outSeconds).rounded()) ?? 0 : 0
  }
}
