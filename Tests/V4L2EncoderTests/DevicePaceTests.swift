import Testing

@testable import V4L2Encoder

/// What is foretold of a frame's packet.
@Suite struct DevicePaceTests {
  private func time(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  /// A device that takes `passage` for a frame after a rest and gives a packet each `step`.
  private func known(passage: Int, step: Int) -> DevicePace {
    var pace = DevicePace()
    for round in 0..<20 {
      let start = round * 1000
      for owed in 1...4 { pace.frameQueued(owed: owed, at: time(start)) }
      for packet in 0..<4 {
        pace.packetCame(owed: 3 - packet, at: time(start + passage + packet * step))
      }
    }
    return pace
  }

  @Test func nothingIsForetoldBeforeTheFirstPacket() {
    var pace = DevicePace()
    pace.frameQueued(owed: 1, at: time(0))
    #expect(pace.expected(behind: 1, at: time(500)) == .zero)
  }

  @Test func anIdleDeviceTakesItsPassage() {
    let pace = known(passage: 20, step: 5)
    #expect(pace.expected(behind: 0, at: time(30_000)) == .milliseconds(20))
    #expect(pace.shortest == .milliseconds(20))
  }

  @Test("frames that follow each other closely pass a pipeline together")
  func pipeline() {
    var pace = known(passage: 20, step: 5)
    for position in 0..<4 {
      let now = time(30_000 + 5 * position)
      #expect(pace.expected(behind: position, at: now) == .milliseconds(20))
      pace.frameQueued(owed: position + 1, at: now)
    }
  }

  @Test func aQueueIsWaitedFor() {
    var pace = known(passage: 10, step: 10)
    pace.frameQueued(owed: 1, at: time(30_000))
    #expect(pace.expected(behind: 5, at: time(30_000)) == .milliseconds(60))
    #expect(pace.expected(behind: 5, at: time(30_004)) == .milliseconds(56))
  }

  @Test("a device that is late is expected to need as long again")
  func lateness() {
    var pace = known(passage: 10, step: 10)
    pace.frameQueued(owed: 1, at: time(30_000))
    #expect(pace.expected(behind: 1, at: time(30_110)) == .milliseconds(110))
    pace.goesOn(at: time(30_110))
    #expect(pace.expected(behind: 1, at: time(30_110)) == .milliseconds(20))
    pace.rests()
    #expect(pace.expected(behind: 0, at: time(40_000)) == .milliseconds(10))
  }

  @Test("that a device became slow is learned sooner than that it became fast")
  func learning() {
    var slower = known(passage: 10, step: 10)
    var faster = slower
    slower.frameQueued(owed: 9, at: time(30_000))
    faster.frameQueued(owed: 9, at: time(30_000))
    for packet in 1...4 {
      slower.packetCame(owed: 9, at: time(30_000 + 30 * packet))
      faster.packetCame(owed: 9, at: time(30_000 + 2 * packet))
    }
    let slow = slower.expected(behind: 1, at: time(30_120))
    let fast = faster.expected(behind: 1, at: time(30_008))
    // Halfway and more of 2 · 30 ms; less than halfway of 2 · 2 ms.
    #expect(slow > .milliseconds(40) && slow < .milliseconds(60))
    #expect(fast > .milliseconds(12) && fast < .milliseconds(18))
  }
}
