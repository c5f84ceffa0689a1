import Testing

@testable import V4L2Encoder

/// Counts and measures of encoders that follow each other.
@Suite struct StatisticsTests {
  private typealias Counter = (name: String, path: WritableKeyPath<EncoderStatistics, Int>)

  private let carried: [Counter] = [
    ("framesIn", \.framesIn), ("overruns", \.overruns), ("packetsOut", \.packetsOut),
    ("keyFrames", \.keyFrames), ("framesSkipped", \.framesSkipped),
    ("corruptPackets", \.corruptPackets), ("bytesOut", \.bytesOut),
    ("bytesCopied", \.bytesCopied), ("deviceRequests", \.deviceRequests), ("waits", \.waits),
    ("drains", \.drains), ("recoveries", \.recoveries), ("framesLost", \.framesLost),
    ("keyFrameBytes", \.keyFrameBytes),
  ]

  /// What an encoder has or does now, which an earlier one's end has settled.
  private let present: [Counter] = [
    ("frameRateDivisor", \.frameRateDivisor), ("framesWaiting", \.framesWaiting),
    ("framesInFlight", \.framesInFlight), ("packetsWaiting", \.packetsWaiting),
  ]

  private let drops: [(name: String, path: WritableKeyPath<DroppedFrames, Int>)] = [
    ("noBuffer", \.noBuffer), ("displaced", \.displaced), ("late", \.late),
    ("rateReduced", \.rateReduced), ("ended", \.ended), ("refused", \.refused),
  ]

  @Test func everyCounterIsCarriedOver() {
    var (earlier, later) = (EncoderStatistics(), EncoderStatistics())
    for (index, counter) in (carried + present).enumerated() {
      earlier[keyPath: counter.path] = 1000 * (index + 1)
      later[keyPath: counter.path] = index + 1
    }
    for (index, drop) in drops.enumerated() {
      earlier.framesDropped[keyPath: drop.path] = 1000 * (index + 1)
      later.framesDropped[keyPath: drop.path] = index + 1
    }
    let sum = later.following(earlier)
    for (index, counter) in carried.enumerated() {
      #expect(sum[keyPath: counter.path] == 1001 * (index + 1), "\(counter.name)")
    }
    for counter in present {
      #expect(sum[keyPath: counter.path] == later[keyPath: counter.path], "\(counter.name)")
    }
    for (index, drop) in drops.enumerated() {
      #expect(sum.framesDropped[keyPath: drop.path] == 1001 * (index + 1), "\(drop.name)")
    }
  }

  @Test("a counter that is added has to be in one of the lists above")
  func everyCounterIsKnown() {
    func counters(of value: Any) -> Set<String> {
      Set(Mirror(reflecting: value).children.filter { $0.value is Int }.compactMap(\.label))
    }
    #expect(counters(of: EncoderStatistics()) == Set((carried + present).map(\.name)))
    #expect(counters(of: DroppedFrames()) == Set(drops.map(\.name)))
  }

  @Test func measuresGoOnWhereTheEarlierOnesEnd() throws {
    let frame = Duration.milliseconds(40)
    var (earlier, later) = (
      PacketTelemetry(timeBase: Rational(1, 25)), PacketTelemetry(timeBase: Rational(1, 25))
    )
    for _ in 0..<75 {
      earlier.packetCame(byteCount: 1000, duration: 1, latency: frame * 10, inDevice: frame)
    }
    for _ in 0..<25 {
      later.packetCame(byteCount: 3000, duration: 1, latency: frame, inDevice: frame)
    }
    let sum = later.following(earlier)
    // 75,000 and 75,000 bytes in three seconds and one.
    #expect(sum.averageBitrate == 300_000)
    #expect(sum.recentBitrate == later.recentBitrate)
    let latency = try #require(sum.latency)
    #expect(latency.maximum == frame * 10)
    #expect(latency.median > frame * 9)
    #expect(sum.addedLatency?.maximum == frame * 9)
    #expect(later.following(sum).latency?.median != later.latency?.median)
  }

  @Test("what is less than a second is filled up with the end of what came before")
  func theLastSecondSpansTwoEncoders() {
    var (earlier, later) = (BitrateWindow(), BitrateWindow())
    for _ in 0..<50 { earlier.add(bits: 1000, lasting: 0.04) }
    later.follow(earlier)
    #expect(later.recent == 25_000 && later.average == 25_000)
    for _ in 0..<10 { later.add(bits: 2000, lasting: 0.04) }
    // 0.4 s at 50,000 and 0.6 s at 25,000 bit/s.
    #expect(later.recent == 35_000)
    #expect(later.average == 29_167)
  }
}
