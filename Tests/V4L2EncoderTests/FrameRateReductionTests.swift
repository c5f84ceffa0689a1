import Testing
import V4L2Encoder

/// How the frame rate falls when a device is too slow, and comes back.
@Suite struct FrameRateReductionTests {
  private let interval = Duration.milliseconds(40)

  /// Frames of 25 Hz against a device that takes one of `capacity`; the divisors in force, and how
  /// many frames were let through.
  private func run(
    _ reduction: inout FrameRateReduction, from start: Int, frames: Int, capacity: Int
  ) -> (changes: [Int], letThrough: Int, overruns: Int) {
    var changes: [Int] = []
    var (letThrough, overruns) = (0, 0)
    var free = 0
    for frame in start..<start + frames {
      let time = interval * frame
      let decision = reduction.frame(at: time)
      if let divisor = decision.newDivisor { changes.append(divisor) }
      guard decision.isLetThrough else { continue }
      letThrough += 1
      if frame >= free {
        free = frame + capacity
      } else {
        overruns += 1
        if let divisor = reduction.overrun(at: time) { changes.append(divisor) }
      }
    }
    return (changes, letThrough, overruns)
  }

  @Test func aFastDeviceGetsEveryFrame() {
    var reduction = FrameRateReduction()
    let result = run(&reduction, from: 0, frames: 500, capacity: 1)
    #expect(result.changes == [])
    #expect(result.letThrough == 500)
  }

  @Test("single overruns change nothing")
  func hiccups() {
    var reduction = FrameRateReduction()
    for second in 0..<30 {
      #expect(reduction.overrun(at: .seconds(second * 2)) == nil)
      #expect(reduction.overrun(at: .seconds(second * 2) + interval) == nil)
    }
    #expect(reduction.divisor == 1)
  }

  @Test("a device at half, a third, a quarter of the rate", arguments: [2, 3, 4])
  func stepsDown(capacity: Int) {
    var reduction = FrameRateReduction()
    let result = run(&reduction, from: 0, frames: 40, capacity: capacity)
    #expect(result.changes == (2...capacity).map { $0 })
    #expect(reduction.divisor == capacity)
    // With the right divisor, frames are let through evenly and there is no overrun any more.
    let later = run(&reduction, from: 40, frames: 36, capacity: capacity)
    #expect(later.overruns == 0)
    #expect(later.letThrough == 36 / capacity)
  }

  @Test func theLargestDivisorIsTheLast() {
    var reduction = FrameRateReduction()
    let result = run(&reduction, from: 0, frames: 1000, capacity: 100)
    #expect(result.changes == [2, 3, 4])
  }

  @Test("when the device is fast again, the rate comes back step by step")
  func recovery() {
    var reduction = FrameRateReduction()
    _ = run(&reduction, from: 0, frames: 60, capacity: 3)
    #expect(reduction.divisor == 3)
    let result = run(&reduction, from: 60, frames: 200, capacity: 1)
    #expect(result.changes == [2, 1])
    #expect(reduction.divisor == 1)
  }

  @Test("attempts that fail become rarer, and are forgotten after one that succeeds")
  func hysteresis() {
    var reduction = FrameRateReduction()
    let result = run(&reduction, from: 0, frames: 25 * 120, capacity: 2)
    // Without longer and longer pauses there would be some 35 attempts in two minutes.
    let attempts = result.changes.count { $0 == 1 }
    #expect((3...7).contains(attempts))
    #expect(Double(result.overruns) < 0.02 * 25 * 120)
    #expect(zip(result.changes, result.changes.dropFirst()).allSatisfy { $0 != $1 })
    _ = run(&reduction, from: 25 * 120, frames: 25 * 180, capacity: 1)
    #expect(reduction.divisor == 1)
    let start = 25 * 300
    _ = run(&reduction, from: start, frames: 25, capacity: 2)
    #expect(reduction.divisor == 2)
    _ = run(&reduction, from: start + 25, frames: 25 * 4, capacity: 1)
    #expect(reduction.divisor == 1)
  }

  @Test func aClockThatGoesBackChangesNothing() {
    var reduction = FrameRateReduction()
    for step in 0..<10 { _ = reduction.overrun(at: .seconds(100) - interval * step) }
    #expect(reduction.divisor == 2)
    #expect(reduction.frame(at: .zero).newDivisor == nil)
  }
}
