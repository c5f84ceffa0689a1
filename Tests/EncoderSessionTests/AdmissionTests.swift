import CV4L2
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// What becomes of frames for which the device has no room, under each policy.
@Suite(.timeLimit(.minutes(1))) struct AdmissionTests {
  private let log = DropLog()

  @Test func aFrameWaitsForRoomByDefault() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.wait, device)
    let reader = Harness.collect(encoder.packets)
    let waiter = Task { try await encoder.encode(Harness.frame(next)) }
    try await eventually("the frame waits") { encoder.waitingCallers == 1 }
    device.removeFaults()
    try await withDeadline(.seconds(20), "the waiting frame") { try await waiter.value }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next + 1))
    #expect(encoder.statistics.framesDropped == DroppedFrames())
    #expect(log.drops == [])
  }

  @Test("a cancelled wait leaves nothing behind")
  func cancellation() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.wait, device)
    let reader = Harness.collect(encoder.packets)
    let waiters = (0..<3).map { number in
      Task { try await encoder.encode(Harness.frame(next + Int64(number))) }
    }
    try await eventually("the frames wait") { encoder.waitingCallers == 3 }
    for waiter in waiters { waiter.cancel() }
    for waiter in waiters {
      let error = try await withDeadline(.seconds(10), "the cancelled call") {
        try await encoderError { try await waiter.value }
      }
      #expect(error?.code == .cancelled)
    }
    #expect(encoder.waitingCallers == 0)
    device.removeFaults()
    try await encoder.encode(Harness.frame(next + 3))
    try await encoder.drain()
    #expect(encoder.statistics.framesInFlight == 0)
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next) + [next + 3])
    #expect(log.all == [])
  }

  @Test func theNewestFrameIsDropped() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.dropNewest, device)
    let reader = Harness.collect(encoder.packets)
    for time in next..<next + 5 { try await encoder.encode(Harness.frame(time)) }
    #expect(log.times(.noBuffer) == times(next..<next + 5))
    #expect(encoder.statistics.framesDropped.noBuffer == 5)
    #expect(encoder.statistics.framesDropped.total == 5)
    device.removeFaults()
    try await eventually("all packets") { encoder.statistics.packetsOut == Int(next) }
    try await encoder.encode(Harness.frame(next + 5))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next) + [next + 5])
    #expect(log.drops.count == 5)
  }

  @Test(
    "a frame after a drain waits for the restart, however impatient the policy",
    arguments: [AdmissionPolicy.dropNewest, .fail, .dropOldest(queue: 1)])
  func restartsAreWaitedFor(policy: AdmissionPolicy) async throws {
    let encoder = try await log.open(policy, on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<6 {
      try await encoder.encode(Harness.frame(time))
      try await encoder.drain()
    }
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<6))
    #expect(log.drops == [])
  }

  @Test(
    "more frames than buffers after a restart: the impatient are turned away, none hangs",
    arguments: [AdmissionPolicy.dropNewest, .fail])
  func aCrowdAfterADrain(policy: AdmissionPolicy) async throws {
    let (entered, gate) = (Gate(), Gate())
    let device = try Harness.device()
    let transport = BentTransport(device) { request, argument, device in
      if request == CV4L2_VIDIOC_ENCODER_CMD, !entered.isOpenNow {
        entered.open()
        gate.wait()
      }
      return device.perform(request, argument)
    }
    defer { gate.open() }
    let encoder = try await log.open(policy, on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(100))
    try await eventually("the first packet") { encoder.statistics.packetsOut == 1 }
    let draining = Task { try await encoder.drain() }
    try await eventually("the drain") { entered.isOpenNow }
    // The first frame after the drain gets stuck.
    device.inject(.spoiling(.stuck))
    let count = encoder.negotiated.inputBuffers
    let crowd = (0..<count + 3).map { number in
      Task {
        try await encoderError { try await encoder.encode(Harness.frame(Int64(number))) }
      }
    }
    try await eventually("everybody waits") { encoder.waitingCallers == count + 3 }
    gate.open()
    try await draining.value
    var errors: [EncoderError.Code] = []
    for caller in crowd {
      let error = try await withDeadline(.seconds(20), "one of the crowd") {
        try await caller.value
      }
      if let error { errors.append(error.code) }
    }
    device.removeFaults()
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.count == count + 1)
    #expect(errors == (policy == .fail ? Array(repeating: .wouldBlock, count: 3) : []))
    #expect(log.times(.noBuffer).count == (policy == .fail ? 0 : 3))
  }

  @Test func theCallFails() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.fail, device)
    let reader = Harness.collect(encoder.packets)
    let error = try await encoderError { try await encoder.encode(Harness.frame(next)) }
    #expect(error?.code == .wouldBlock)
    #expect(error?.message.contains("all \(next) input buffers") == true)
    let loanError = try await encoderError { _ = try await encoder.nextInputBuffer() }
    #expect(loanError?.code == .wouldBlock)
    device.removeFaults()
    try await eventually("all packets") { encoder.statistics.packetsOut == Int(next) }
    try await encoder.encode(Harness.frame(next))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next + 1))
    #expect(encoder.statistics.framesDropped.total == 0)
    #expect(log.drops == [])
  }

  @Test(
    "a device that is slower than its callers: every frame is a packet or a reported drop",
    arguments: [AdmissionPolicy.dropNewest, .dropOldest(queue: 1), .dropOldest(queue: 6)])
  func everyFrameIsAccountedFor(policy: AdmissionPolicy) async throws {
    let device = try SlowDevice(period: .milliseconds(8))
    let encoder = try await log.open(policy, on: device.selector)
    let reader = Harness.collect(encoder.packets)
    let (callers, frames) = (Int64(3), Int64(60))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for caller in 0..<callers {
        group.addTask {
          for frame in 0..<frames {
            let time = frame * callers + caller
            try await encoder.encode(
              Harness.frame(time), options: FrameOptions(forceKeyFrame: frame % 20 == 7))
            try await Task.sleep(for: .milliseconds(Int(time * 7 % 5)))
            if caller == 0, frame % 25 == 24 { try await encoder.drain() }
          }
        }
      }
      try await group.waitForAll()
    }
    try await encoder.drain()
    let statistics = encoder.statistics
    await encoder.close()
    let packets = try await reader.value.map(\.presentationTime)
    let dropped = log.drops.map(\.time)
    #expect((packets + dropped + log.skipped).sorted() == times(0..<callers * frames))
    #expect(statistics.framesDropped.total == dropped.count && !dropped.isEmpty)
    #expect(statistics.framesIn == packets.count + log.skipped.count)
    for caller in 0..<callers {
      let own = packets.filter { $0 % callers == caller }
      #expect(own == own.sorted())
    }
  }

  @Test("while there is room, no policy costs a request more than waiting does")
  func requestsWithRoom() async throws {
    let frames = 40
    for policy in [AdmissionPolicy.wait, .dropNewest, .dropOldest(queue: 4), .fail] {
      let encoder = try await log.open(policy, on: .virtual(Harness.device())) {
        $0.latencyBudget = policy == .wait ? nil : .seconds(10)
        $0.rateReduction = policy == .wait ? nil : FrameRateReduction()
      }
      let reader = Harness.collect(encoder.packets)
      for time in 0..<frames {
        try await encoder.encode(Harness.frame(Int64(time)))
        try await eventually("the packet") { encoder.statistics.packetsOut == time + 1 }
      }
      let statistics = encoder.statistics
      // QBUF and DQBUF of both queues; some buffers are asked for before they are ready.
      #expect(statistics.deviceRequests <= 5 * frames)
      #expect(statistics.framesIn == frames && statistics.overruns == 0)
      await encoder.close()
      #expect(try await reader.value.count == frames)
    }
  }
}
