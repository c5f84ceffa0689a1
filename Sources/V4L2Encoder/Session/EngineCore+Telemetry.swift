/// What is measured of packets, beyond what is counted; its memory never grows.
struct PacketTelemetry {
  private let secondsPerUnit: Double
  private var latencies = LatencyHistogram()
  private var deviceLatencies = LatencyHistogram()
  private var addedLatencies = LatencyHistogram()
  private var bitrates = BitrateWindow()

  init(timeBase: Rational) { secondsPerUnit = timeBase.value }

  mutating func packetCame(
    byteCount: Int, duration: Int64, latency: Duration, inDevice: Duration
  ) {
    let (whole, device) = (latency.inNanoseconds, inDevice.inNanoseconds)
    latencies.add(microseconds: Int(whole / 1000))
    deviceLatencies.add(microseconds: Int(device / 1000))
    addedLatencies.add(microseconds: Int((whole - device) / 1000))
    bitrates.add(bits: Double(byteCount) * 8, lasting: Double(duration) * secondsPerUnit)
  }

  /// The driver made no picture of a frame, which lasts all the same.
  mutating func frameSkipped(duration: Int64) {
    bitrates.add(bits: 0, lasting: Double(duration) * secondsPerUnit)
  }

  /// The same measures, with those of an earlier encoder before them.
  func following(_ earlier: PacketTelemetry) -> PacketTelemetry {
    var sum = self
    sum.latencies.add(earlier.latencies)
    sum.deviceLatencies.add(earlier.deviceLatencies)
    sum.addedLatencies.add(earlier.addedLatencies)
    sum.bitrates.follow(earlier.bitrates)
    return sum
  }

  var averageBitrate: Int? { bitrates.average }
  var recentBitrate: Int? { bitrates.recent }

  var latency: LatencySummary? { LatencySummary(latencies) }
  var deviceLatency: LatencySummary? { LatencySummary(deviceLatencies) }
  var addedLatency: LatencySummary? { LatencySummary(addedLatencies) }
}

extension EncoderStatistics {
  /// Takes over what was measured.
  mutating func measure(_ telemetry: PacketTelemetry) {
    latency = telemetry.latency
    deviceLatency = telemetry.deviceLatency
    addedLatency = telemetry.addedLatency
    averageBitrate = telemetry.averageBitrate
    recentBitrate = telemetry.recentBitrate
  }

  /// Counts a packet, or takes that back when `step` is -1.
  fileprivate mutating func count(_ unit: AccessUnit, isCorrupt: Bool, step: Int) {
    let byteCount = unit.data.byteCount
    packetsOut += step
    bytesOut += step * byteCount
    if isCorrupt { corruptPackets += step }
    if unit.isKeyFrame {
      keyFrames += step
      keyFrameBytes += step * byteCount
    }
  }
}

/// An encoder whose measures another one can go on with.
protocol MeasuredEncoder {
  var telemetry: PacketTelemetry { get }
}

extension VideoEncoder {
  /// What was measured so far; nil where another encoder cannot go on with it.
  var measured: PacketTelemetry? { (self as? any MeasuredEncoder)?.telemetry }
}

extension V4L2VideoEncoder: MeasuredEncoder {
  var telemetry: PacketTelemetry { session.engine.core.withLock { $0.telemetry } }
}

extension LatencySummary {
  /// Nil where nothing was measured.
  fileprivate init?(_ histogram: LatencyHistogram) {
    func share(_ share: Double) -> Duration? {
      histogram.percentile(share).map { .microseconds($0) }
    }
    guard let median = share(0.5), let high = share(0.95), let highest = share(0.99) else {
      return nil
    }
    self.init(
      median: median, percentile95: high, percentile99: highest,
      maximum: .microseconds(histogram.longest))
  }
}

extension EngineCore {
  /// Counts a packet.
  ///
  /// - Parameters:
  ///   - unit: what came.
  ///   - isCorrupt: whether the driver marked it as spoiled.
  ///   - frame: what it was made of.
  ///   - latency: from `encode` to the packet.
  ///   - inDevice: from handing the frame to the driver to the driver's handing out the packet.
  mutating func count(
    _ unit: AccessUnit, isCorrupt: Bool, of frame: PendingFrames.Frame, latency: Duration,
    inDevice: Duration
  ) {
    statistics.count(unit, isCorrupt: isCorrupt, step: 1)
    telemetry.packetCame(
      byteCount: unit.data.byteCount, duration: frame.duration, latency: latency,
      inDevice: inDevice)
  }

  /// Takes back that a packet was counted: the encoder has ended, so nobody can read it.
  ///
  /// Its latency stays measured: it did come.
  mutating func uncount(_ unit: AccessUnit, isCorrupt: Bool) {
    statistics.count(unit, isCorrupt: isCorrupt, step: -1)
  }

  /// Counts a frame of which no packet came.
  mutating func countSkipped(_ frame: PendingFrames.Frame) {
    statistics.framesSkipped += 1
    telemetry.frameSkipped(duration: frame.duration)
  }

  /// Everything that is counted and measured, as of now.
  var currentStatistics: EncoderStatistics {
    var current = statistics
    current.framesInFlight = pending.count
    current.framesWaiting = waiting.count
    current.frameRateDivisor = rateReduction?.divisor ?? 1
    current.measure(telemetry)
    current.targetBitrate = configuration.rateControl.bitrate
    current.hasEnded = machine.terminalError != nil
    return current
  }
}
