import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Frames that would come out too late, and the frame rate of a device that is too slow.
@Suite(.timeLimit(.minutes(1))) struct LatencyBudgetTests {
  private let log = DropLog()

  private func open(
    on selector: DeviceSelector, _ change: (inout EncoderConfiguration) -> Void
  ) async throws -> H264Encoder {
    try await H264Encoder.open(
      Harness.configuration {
        $0.keyFrameInterval = 1000
        $0.deadlines.progress = .seconds(20)
        change(&$0)
      }, on: selector, observer: log.observer)
  }

  /// Checks that every time up to `end` is a packet or a reported drop, and nothing is both.
  private func expectAllAccountedFor(_ packets: [EncodedPacket], upTo end: Int64) {
    let times = packets.map(\.presentationTime)
    #expect(times == times.sorted())
    #expect((times + log.drops.map(\.time)).sorted() == (0..<end).map { $0 })
  }

  @Test(
    "a device that becomes slow keeps to the budget all the same",
    arguments: [AdmissionPolicy.wait, .dropNewest, .dropOldest(queue: 12)])
  func aSlowDevice(policy: AdmissionPolicy) async throws {
    let budget = Duration.milliseconds(400)
    let device = try SlowDevice(period: .milliseconds(5))
    // All buffers full would mean sixteen periods, 1.6 s; the rest of what is allowed below is for
    // a machine that has other work.
    let encoder = try await open(on: device.selector) {
      $0.admission = policy
      $0.inputBuffers = 16
      $0.latencyBudget = budget
    }
    let reader = Harness.collect(encoder.packets)
    func feed(_ times: Range<Int64>) async throws {
      for time in times {
        try await encoder.encode(Harness.frame(time))
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    try await feed(0..<30)
    #expect(encoder.statistics.framesIn >= 20)
    device.work(each: .milliseconds(100))
    try await feed(30..<300)
    try await encoder.drain()
    let statistics = encoder.statistics
    await encoder.close()
    let packets = try await reader.value
    expectAllAccountedFor(packets, upTo: 300)
    // What was inside when the device became slow, could not be foreseen.
    let late = packets.filter { $0.presentationTime >= 60 && $0.latency > budget * 2.5 }
    #expect(late.map(\.latency) == [])
    #expect(statistics.framesDropped.late > 50)
    #expect(log.times(.late).count == statistics.framesDropped.late)
    // The device is not starved either: in 2.7 s it makes some 27 pictures.
    #expect(packets.count { $0.presentationTime >= 30 } >= 18)
  }

  @Test("a wait ends when the frame's time is over")
  func aWaitEnds() async throws {
    let budget = Duration.milliseconds(200)
    let device = try Harness.device()
    device.inject(.spoiling(.stuck))
    let encoder = try await open(on: .virtual(device)) { $0.latencyBudget = budget }
    let reader = Harness.collect(encoder.packets)
    let count = Int64(encoder.negotiated.inputBuffers)
    for time in 0..<count { try await encoder.encode(Harness.frame(time)) }
    let start = MonotonicTime.now
    try await withDeadline(.seconds(10), "the frame without room") {
      try await encoder.encode(Harness.frame(count))
    }
    #expect(MonotonicTime.now - start >= budget)
    #expect(log.times(.late) == [count])
    #expect(encoder.waitingCallers == 0)
    device.removeFaults()
    try await encoder.drain()
    await encoder.close()
    expectAllAccountedFor(try await reader.value, upTo: count + 1)
  }

  @Test("frames leave the queue when their time is over, without a further call")
  func theQueueEmptiesItself() async throws {
    let device = try Harness.device()
    device.inject(.spoiling(.stuck))
    let encoder = try await open(on: .virtual(device)) {
      $0.admission = .dropOldest(queue: 10)
      $0.latencyBudget = .milliseconds(200)
    }
    let reader = Harness.collect(encoder.packets)
    let count = Int64(encoder.negotiated.inputBuffers)
    for time in 0..<count + 5 { try await encoder.encode(Harness.frame(time)) }
    try await eventually("an empty queue") { encoder.statistics.framesWaiting == 0 }
    try await eventually("all drops") { log.drops.count == 5 }
    #expect(log.times(.late) == (count..<count + 5).map { $0 })
    device.removeFaults()
    try await encoder.drain()
    await encoder.close()
    expectAllAccountedFor(try await reader.value, upTo: count + 5)
  }

  @Test func aCallThatWouldBeLateFails() async throws {
    let device = try SlowDevice(period: .milliseconds(1500))
    let encoder = try await open(on: device.selector) {
      $0.admission = .fail
      $0.inputBuffers = 8
      $0.latencyBudget = .milliseconds(1700)
    }
    let reader = Harness.collect(encoder.packets)
    // The first packet tells how fast the device is.
    try await encoder.encode(Harness.frame(0))
    try await eventually("the first packet") { encoder.statistics.packetsOut == 1 }
    try await encoder.encode(Harness.frame(1))
    let error = try await encoderError { try await encoder.encode(Harness.frame(2)) }
    #expect(error?.code == .wouldBlock)
    #expect(error?.message.contains("latency budget") == true)
    #expect(encoder.statistics.overruns == 1)
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1])
    #expect(log.drops == [])
  }

  @Test("a device that is slower than the budget gets frames whenever it is idle")
  func theBudgetIsLessThanOneFrameTakes() async throws {
    let device = try SlowDevice(period: .milliseconds(60))
    let encoder = try await open(on: device.selector) { $0.latencyBudget = .milliseconds(20) }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<5 {
      try await encoder.encode(Harness.frame(time))
      try await eventually("the packet") { encoder.statistics.packetsOut == Int(time) + 1 }
    }
    await encoder.close()
    expectAllAccountedFor(try await reader.value, upTo: 5)
    #expect(log.drops == [])
  }

  @Test("frames that the device keeps back on purpose are no debt")
  func framesThatAreKeptBack() async throws {
    let device = try SlowDevice(period: .milliseconds(1), nullDelay: 3)
    let encoder = try await open(on: device.selector) {
      $0.inputBuffers = 8
      $0.latencyBudget = .milliseconds(300)
    }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<60 {
      try await encoder.encode(Harness.frame(time))
      try await Task.sleep(for: .milliseconds(time % 20 == 19 ? 400 : 5))
    }
    try await encoder.drain()
    await encoder.close()
    let packets = try await reader.value
    expectAllAccountedFor(packets, upTo: 60)
    // If they counted, each rest of 400 ms would leave out the rest of the frames.
    #expect(packets.count >= 50)
  }

  @Test("a buffer on loan comes back when its frame would be late")
  func loans() async throws {
    // A machine that has other work may hold the test up between two frames for most of a period.
    let device = try SlowDevice(period: .milliseconds(1500))
    let encoder = try await open(on: device.selector) { $0.latencyBudget = .milliseconds(1700) }
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0))
    try await eventually("the first packet") { encoder.statistics.packetsOut == 1 }
    for time in Int64(1)..<3 {
      let buffer = try await encoder.nextInputBuffer()
      try await encoder.encode(
        buffer, presentationTime: time, duration: 1, options: FrameOptions())
    }
    #expect(log.times(.late) == [2])
    try await encoder.drain()
    // None of them is lost.
    let loans = try await encoder.lendAll()
    #expect(loans.count == encoder.negotiated.inputBuffers)
    await encoder.close()
    expectAllAccountedFor(try await reader.value, upTo: 3)
  }

  @Test(
    "the frame rate falls while the device is too slow, and comes back",
    arguments: [AdmissionPolicy.wait, .dropNewest, .dropOldest(queue: 2), .fail])
  func frameRateReduction(policy: AdmissionPolicy) async throws {
    var tuning = FrameRateReduction.Tuning()
    tuning.settling = .milliseconds(100)
    tuning.recovery = .milliseconds(400)
    tuning.window = .seconds(2)
    let device = try SlowDevice(period: .milliseconds(200))
    let encoder = try await open(on: device.selector) {
      $0.admission = policy
      $0.inputBuffers = 4
      $0.rateReduction = FrameRateReduction(tuning)
    }
    let reader = Harness.collect(encoder.packets)
    var (time, refused) = (Int64(0), [Int64]())
    func feed(until divisors: ClosedRange<Int>) async throws {
      let end = MonotonicTime.now + .seconds(20)
      while !divisors.contains(encoder.statistics.frameRateDivisor), MonotonicTime.now < end {
        do {
          try await encoder.encode(Harness.frame(time))
        } catch let error as EncoderError where error.code == .wouldBlock {
          refused.append(time)
        }
        time += 1
        try await Task.sleep(for: .milliseconds(20))
      }
    }
    // The frames come ten times as fast as the device takes them.
    try await feed(until: 3...4)
    #expect(encoder.statistics.frameRateDivisor >= 3)
    #expect(encoder.statistics.overruns > 0)
    device.work(each: .milliseconds(1))
    try await feed(until: 1...1)
    #expect(encoder.statistics.frameRateDivisor == 1)
    try await encoder.drain()
    let statistics = encoder.statistics
    await encoder.close()
    let packets = try await reader.value
    #expect(
      (packets.map(\.presentationTime) + log.drops.map(\.time) + refused).sorted()
        == (0..<time).map { $0 })
    #expect(log.times(.rateReduced).count == statistics.framesDropped.rateReduced)
    #expect(statistics.framesDropped.rateReduced > 0)
    let divisors = log.all.compactMap { event -> Int? in
      guard case .frameRateDivided(let divisor) = event else { return nil }
      return divisor
    }
    #expect(zip([1] + divisors, divisors).allSatisfy { abs($0 - $1) == 1 })
    #expect(divisors.last == 1)
  }
}
