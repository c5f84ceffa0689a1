import TestSupport
import V4L2Encoder

extension BentTransport {
  /// What became of the frames, and what was told of them.
  struct Outcome {
    var packets: [EncodedPacket]
    var statistics: EncoderStatistics
    var report: NegotiationReport
    var events: [EncoderEvent]
    var times: [Int64] { packets.map(\.presentationTime) }
  }

  /// Encodes twice with a drain in between: each ending must leave the device usable.
  func encode(
    frames: Int = 12, drains: Int = 2, _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> Outcome {
    let events = Locked<[EncoderEvent]>([])
    let observer = EncoderObserver(event: { event in events.withLock { $0.append(event) } })
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.deadlines = Deadlines(
          setup: .seconds(5), progress: .seconds(2), consumer: .seconds(2),
          silence: .milliseconds(50))
        change(&$0)
      }, on: selector, observer: observer)
    let reader = Harness.collect(encoder.packets)
    for round in 0..<drains {
      for index in 0..<frames {
        try await encoder.encode(Harness.frame(Int64(round * frames + index)))
      }
      try await encoder.drain()
    }
    let (statistics, report) = (encoder.statistics, encoder.negotiated)
    await encoder.close()
    return Outcome(
      packets: try await reader.value, statistics: statistics, report: report,
      events: events.withLock { $0 })
  }
}
