import TestSupport
import Testing

@testable import V4L2Encoder

@Suite struct BitstreamTimelineTests {
  /// Decode order of a mini group of pictures, as offsets from its first frame in display order.
  static let patterns: [(depth: Int, order: [Int])] = [
    (0, [0]),
    (1, [1, 0]),
    (1, [2, 0, 1]),
    (2, [3, 1, 0, 2]),
    (3, [7, 3, 1, 0, 2, 5, 4, 6]),
  ]

  /// Queues as an encoder does: some frames ahead of the packets.
  static func decodeTimes(
    _ times: [Int64], depth: Int, order: [Int], durations: [Int64]
  ) -> [(presentation: Int64, decode: Int64)] {
    var timeline = DecodeTimeline(reorderDepth: depth)
    var decodeOrder = [0]
    var base = 1
    while base < times.count {
      let group = order.map { base + $0 }
      // An incomplete last group comes out in display order.
      decodeOrder += group.allSatisfy { $0 < times.count } ? group : Array(base..<times.count)
      base += order.count
    }
    var queued = 0
    var result: [(Int64, Int64)] = []
    for (index, frame) in decodeOrder.enumerated() {
      let needed = max(decodeOrder[...index].max() ?? 0, frame)
      while queued <= needed {
        timeline.frameQueued(presentationTime: times[queued], duration: durations[queued])
        queued += 1
      }
      result.append((times[frame], timeline.decodeTime(forPacket: times[frame])))
    }
    return result
  }

  @Test("Never decreasing, never late", arguments: patterns.indices)
  func orders(pattern: Int) {
    let (depth, order) = Self.patterns[pattern]
    var generator = SeededGenerator(seed: 7)
    for isRegular in [true, false] {
      let durations = (0..<500).map { _ in
        isRegular ? Int64(40) : Int64.random(in: 1...100, using: &generator)
      }
      let times = durations.reduce(into: [Int64(-1000)]) { $0.append(($0.last ?? 0) + $1) }
      let packets = Self.decodeTimes(
        Array(times.prefix(500)), depth: depth, order: order, durations: durations)
      #expect(packets.count == 500)
      for (earlier, later) in zip(packets, packets.dropFirst()) {
        #expect(earlier.decode <= later.decode)
        if isRegular { #expect(earlier.decode < later.decode) }
      }
      #expect(packets.allSatisfy { $0.decode <= $0.presentation })
      if depth == 0 { #expect(packets.allSatisfy { $0.decode == $0.presentation }) }
    }
  }

  @Test func twoBidirectionalFrames() {
    let packets = Self.decodeTimes(
      [0, 40, 80, 120], depth: 1, order: [2, 0, 1], durations: [40, 40, 40, 40])
    #expect(packets.map(\.presentation) == [0, 120, 40, 80])
    #expect(packets.map(\.decode) == [-40, 0, 40, 80])
  }

  @Test func timesThatGoBackAreFollowedWithoutReordering() {
    var timeline = DecodeTimeline()
    for time in [Int64(100), 200, 50, .min, .max, 0] {
      timeline.frameQueued(presentationTime: time, duration: 10)
      #expect(timeline.decodeTime(forPacket: time) == time)
    }
  }

  @Test func skippedFramesLeaveNoTrace() {
    var timeline = DecodeTimeline()
    for time in Int64(0)..<10 { timeline.frameQueued(presentationTime: time, duration: 1) }
    for time in Int64(0)..<10 {
      if time % 3 == 1 {
        timeline.frameSkipped(presentationTime: time)
      } else {
        #expect(timeline.decodeTime(forPacket: time) == time)
      }
    }
    timeline.frameSkipped(presentationTime: 5)
    timeline.frameQueued(presentationTime: 99, duration: 1)
    #expect(timeline.decodeTime(forPacket: 99) == 99)
  }

  @Test func unannouncedReorderingIsNeverLate() {
    let packets = Self.decodeTimes(
      (0..<50).map { $0 * 10 }, depth: 0, order: [1, 0], durations: Array(repeating: 10, count: 50))
    #expect(packets.allSatisfy { $0.decode <= $0.presentation })
    for (earlier, later) in zip(packets, packets.dropFirst()) {
      #expect(earlier.decode <= later.decode)
    }
  }

  @Test func resetStartsOver() {
    var timeline = DecodeTimeline(reorderDepth: 1)
    var last = Int64.min
    for round in Int64(0)..<100 {
      let start = round * 120
      for time in [start, start + 40, start + 80] {
        // A stated duration far longer than the real one must not pull the times back.
        timeline.frameQueued(presentationTime: time, duration: 400)
      }
      for time in [start, start + 80, start + 40] {
        let decode = timeline.decodeTime(forPacket: time)
        #expect(decode >= last && decode <= time)
        last = decode
      }
      timeline.reset()
    }
    // A new clip may start at zero again.
    timeline.frameQueued(presentationTime: 0, duration: 40)
    #expect(timeline.decodeTime(forPacket: 0) == -40)
  }

  @Test func manyFramesMayWait() {
    var timeline = DecodeTimeline()
    for time in Int64(0)..<1000 { timeline.frameQueued(presentationTime: time, duration: 1) }
    for time in Int64(0)..<1000 { #expect(timeline.decodeTime(forPacket: time) == time) }
  }

  @Test func absurdDurationsDoNotTrap() {
    var timeline = DecodeTimeline(reorderDepth: 16)
    timeline.frameQueued(presentationTime: .min, duration: .max)
    #expect(timeline.decodeTime(forPacket: .min) == .min)
    timeline.frameQueued(presentationTime: 5, duration: .min)
    #expect(timeline.decodeTime(forPacket: 5) <= 5)
  }
}
