import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Devices that fail and come back: every frame has its packet, once.
@Suite(.timeLimit(.minutes(2))) struct RecoveryTests {
  private static let lost = Errno(rawValue: ENODEV)
  private static let count: Int64 = 40
  private static let allTimes = (0..<count).map { $0 }

  static let failures: [VirtualDevice.Fault] = [
    .failing(.dequeuePacket, with: lost, at: 7),
    .failing(.dequeuePacket, with: .inputOutput, at: 0),
    .failing(.queueFrame, with: lost, at: 7),
    .failing(.queuePacketBuffer, with: .inputOutput, at: 11),
    .failing(.command, with: .inputOutput),
    .spoiling(.stuck, frame: 7),
    .spoiling(.stuck, frame: 39),
    .hanging(.dequeuePacket, at: 7),
    .hanging(.command),
  ]

  @Test("one failure costs no frame", arguments: failures)
  func oneFailure(fault: VirtualDevice.Fault) async throws {
    let device = try Harness.device(nullDelay: 2)
    let run = try await RecoveryRun.open(on: .virtual(device))
    device.inject(fault)
    try await run.encode(0..<Self.count)
    let outcome = try await run.finish()
    #expect(device.faultCount == 1)
    device.removeFaults()
    #expect(outcome.error == nil)
    #expect(outcome.times == Self.allTimes)
    #expect(outcome.decodeTimesRise)
    #expect(outcome.discontinuities.count <= 1)
    for index in outcome.discontinuities {
      #expect(outcome.packets[index].isKeyFrame && outcome.packets[index].hasParameterSets)
    }
    let recovery = try #require(outcome.recoveries.first)
    #expect(outcome.events.first == .recovering(from: recovery.cause))
    #expect(outcome.recoveries.count == 1 && recovery.attempts == 1)
    #expect(recovery.framesEncodedAgain == 0 || outcome.discontinuities.count == 1)
    #expect(outcome.statistics.recoveries == 1)
    #expect(outcome.statistics.framesIn == Int(Self.count))
    #expect(outcome.statistics.framesInFlight == 0)
    #expect(outcome.statistics.framesLost == 0)
    #expect(outcome.statistics.hasEnded)
  }

  @Test("failures at random places, several in a run", arguments: 1...24)
  func manyFailures(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let device = try Harness.device(nullDelay: Int.random(in: 0...3, using: &random))
    let run = try await RecoveryRun.open(on: .virtual(device))
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let place = Int.random(in: 0..<50, using: &random)
      let error = Bool.random(using: &random) ? Self.lost : .inputOutput
      let requests: [VirtualDevice.Fault.Request] = [
        .dequeuePacket, .queueFrame, .queuePacketBuffer,
      ]
      device.inject(
        Int.random(in: 0..<8, using: &random) == 0
          ? .spoiling(.stuck, frame: place)
          : .failing(requests.randomElement(using: &random)!, with: error, at: place),
        .failing(
          [.open, .startStreaming, .setFormat, .requestBuffers].randomElement(using: &random)!,
          with: error, at: Int.random(in: 0...2, using: &random)))
    }
    try await run.encode(0..<Self.count)
    let outcome = try await run.finish()
    #expect(outcome.error == nil)
    #expect(outcome.times == Self.allTimes)
    #expect(outcome.decodeTimesRise)
    #expect(outcome.statistics.recoveries == outcome.recoveries.count)
    for index in outcome.discontinuities { #expect(outcome.packets[index].isKeyFrame) }
  }

  @Test("on every driver, lost and stuck", arguments: VirtualDevice.Personality.all)
  func drivers(personality: VirtualDevice.Personality) async throws {
    let device = try VirtualDevice(.init(personality: personality, h264: .null))
    let size = VideoSize(width: 640, height: 368)
    let run = try await RecoveryRun.open(
      on: .virtual(device),
      RecoveryRun.configuration {
        $0.size = size
        $0.color = .usual(for: size)
      })
    device.inject(
      .failing(.dequeuePacket, with: Self.lost, at: 6), .spoiling(.stuck, frame: 25))
    for time in 0..<Self.count { try await run.encoder.encode(Harness.frame(time, size: size)) }
    let outcome = try await run.finish()
    #expect(device.faultCount == 2)
    #expect(outcome.error == nil)
    #expect(outcome.times == Self.allTimes)
    #expect(outcome.statistics.recoveries == 2)
    for index in outcome.discontinuities {
      #expect(outcome.packets[index].isKeyFrame && outcome.packets[index].hasParameterSets)
    }
  }

  @Test("as many attempts as there can be")
  func endlessAttempts() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(
      on: .virtual(device), policy: RecoveryPolicy(attempts: .max, firstPause: .milliseconds(5))
    ) { _ throws(EncoderError) in nil }
    device.inject(.failing(.queueFrame, with: Self.lost, at: 3))
    try await run.encode(0..<10)
    let outcome = try await run.finish()
    #expect(outcome.times == (0..<10).map { $0 } && outcome.statistics.recoveries == 1)
  }

  @Test(
    "a policy with negative numbers is refused",
    arguments: [
      RecoveryPolicy(attempts: -1), RecoveryPolicy(firstPause: .seconds(-1)),
      RecoveryPolicy(longestPause: .seconds(-1)), RecoveryPolicy(limit: .seconds(-1)),
    ])
  func negativePolicy(policy: RecoveryPolicy) async throws {
    let device = try Harness.device()
    let told = try await encoderError {
      _ = try await RecoveryRun.open(on: .virtual(device), policy: policy)
    }
    #expect(told?.code == .invalidConfiguration && told?.message.contains("0 or more") == true)
  }

  @Test("a device that is gone for two seconds")
  func outage() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(on: .virtual(device), policy: RecoveryPolicy())
    device.inject(
      .failing(.dequeuePacket, with: Self.lost, at: 5),
      .failing(.open, with: Errno(rawValue: ENOENT), times: .max))
    let back = Task {
      try await Task.sleep(for: .seconds(2))
      device.removeFaults()
    }
    let start = ContinuousClock.now
    try await run.encode(0..<Self.count)
    try await back.value
    let outcome = try await run.finish()
    #expect(ContinuousClock.now - start >= .seconds(2))
    #expect(outcome.times == Self.allTimes)
    #expect(outcome.discontinuities.count == 1)
    // 0, 0.1, 0.3, 0.7, 1.5, 3.1 s after the loss.
    #expect((5...6).contains(try #require(outcome.recoveries.first).attempts))
  }

  @Test("when nothing helps, the error has the frames that are not encoded")
  func exhausted() async throws {
    let device = try Harness.device(nullDelay: 2)
    let run = try await RecoveryRun.open(
      on: .virtual(device), policy: RecoveryPolicy(attempts: 3, firstPause: .milliseconds(5)))
    device.inject(
      .failing(.dequeuePacket, with: Self.lost, at: 5),
      .failing(.open, with: Errno(rawValue: ENOENT), times: .max))
    var taken: [Int64] = []
    let refusal = try await encoderError {
      for time in 0..<Self.count {
        try await run.encoder.encode(Harness.frame(time))
        taken.append(time)
      }
      try await run.encoder.drain()
    }
    let error = try #require(try await run.readerError())
    #expect(error.code == .recoveryFailed && refusal == error)
    #expect(error.errno?.rawValue == ENOENT && error.operation == "open")
    #expect(error.message.contains("given up after 3 attempts"))
    #expect(device.faultCount == 4)
    let left = error.framesNotEncoded.map(\.presentationTime)
    #expect(!left.isEmpty)
    #expect(run.times + left == taken)
    #expect(try await encoderError { try await run.encoder.drain() } == error)
    #expect(run.encoder.statistics.hasEnded)
    await run.encoder.close()
    #expect(device.openHandleCount == 0)
  }

  @Test("a device that fails with each frame is given up")
  func poison() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(
      on: .virtual(device), policy: RecoveryPolicy(attempts: 4, firstPause: .milliseconds(1)))
    device.inject(.failing(.dequeuePacket, with: .inputOutput, at: 9, times: .max))
    let told = try await encoderError {
      try await run.encode(0..<Self.count)
      try await run.encoder.drain()
    }
    #expect(told?.code == .recoveryFailed)
    #expect(try await run.readerError() == told)
    #expect(run.times == (0..<9).map { $0 })
    #expect(told?.framesNotEncoded.first?.presentationTime == 9)
    await run.encoder.close()
    #expect(device.openHandleCount == 0)
  }

  @Test("a frame whose request returns after another device took over")
  func lateReturn() async throws {
    let gate = Gate()
    let queued = Locked(0)
    let opened = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      // The second device is being set up.
      if request == CV4L2_VIDIOC_REQBUFS, opened.increment() > 2 { gate.open() }
      guard queuesFrame(request, argument) else {
        let isHeld = queued.withLock { $0 } == 6 && !gate.isOpenNow
        if isHeld, takesPacket(request, argument) { return -ENODEV }
        return device.perform(request, argument)
      }
      // From here on the loop meets the loss, at this frame's packet at the latest.
      let isHeld = queued.increment() == 6
      let answer = device.perform(request, argument)
      if isHeld {
        let deadline = MonotonicTime.now + .seconds(20)
        while !gate.isOpenNow, MonotonicTime.now < deadline {
          DeviceThread.sleep(.milliseconds(5))
        }
      }
      return answer
    }
    let run = try await RecoveryRun.open(on: transport.selector)
    try await run.encode(0..<Self.count)
    let outcome = try await run.finish()
    #expect(gate.isOpenNow)
    #expect(outcome.times == Self.allTimes)
    #expect(outcome.statistics.recoveries == 1)
    #expect(outcome.statistics.framesIn == Int(Self.count))
  }

  @Test("frames with the same time are told apart by their order")
  func sameTimes() async throws {
    let device = try Harness.device(nullDelay: 3)
    let run = try await RecoveryRun.open(on: .virtual(device))
    device.inject(.failing(.dequeuePacket, with: Self.lost, at: 4))
    for _ in 0..<20 { try await run.encoder.encode(Harness.frame(5)) }
    #expect(try await run.finish().times == Array(repeating: 5, count: 20))
  }

  @Test("frames that the driver skips are not encoded again")
  func skippedFrames() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(on: .virtual(device))
    device.inject(
      .spoiling(.skipped, frame: 3, times: 2), .failing(.dequeuePacket, with: Self.lost, at: 8))
    try await run.encode(0..<Self.count)
    let outcome = try await run.finish()
    #expect(outcome.times == Self.allTimes.filter { $0 != 3 && $0 != 4 })
    #expect(outcome.statistics.framesSkipped == 2 && outcome.statistics.recoveries == 1)
  }

  @Test(
    "frames are dropped for want of room, not because of the device",
    arguments: [AdmissionPolicy.dropNewest, .dropOldest(queue: 3)])
  func admission(policy: AdmissionPolicy) async throws {
    let device = try Harness.device(nullDelay: 6)
    let run = try await RecoveryRun.open(
      on: .virtual(device), RecoveryRun.configuration { $0.admission = policy })
    device.inject(.failing(.dequeuePacket, with: Self.lost, at: 10))
    try await run.encode(0..<200)
    let outcome = try await run.finish()
    let dropped = outcome.events.compactMap { event -> Int64? in
      guard case .frameDropped(let time, let reason) = event else { return nil }
      #expect(reason == .noBuffer || reason == .displaced)
      return time
    }
    #expect(outcome.statistics.recoveries == 1)
    #expect((outcome.times + dropped).sorted() == (0..<200).map { $0 })
    #expect(outcome.times == outcome.times.sorted())
    #expect(outcome.statistics.framesDropped.total == dropped.count)
    #expect(outcome.statistics.framesIn == outcome.times.count)
  }

  @Test("settings that were changed are changed again")
  func settings() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(on: .virtual(device))
    _ = try await run.encoder.update(DynamicSettings(bitrate: 300_000))
    _ = try await run.encoder.update(DynamicSettings(bitrate: 400_000, frameRate: Rational(20)))
    device.inject(.failing(.dequeuePacket, with: Self.lost, at: 5))
    try await run.encode(0..<Self.count)
    let outcome = try await run.finish()
    #expect(outcome.statistics.recoveries == 1)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == 400_000)
    #expect(outcome.statistics.targetBitrate == 400_000)
  }

  @Test("after a change of size the next device begins with the new size")
  func reconfigured() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(on: .virtual(device))
    let other = VideoSize(width: 640, height: 360)
    _ = try await run.encoder.update(DynamicSettings(bitrate: 300_000, keyFrameInterval: 12))
    try await run.encode(0..<10)
    try await run.encoder.changeInput(size: other)
    #expect(run.encoder.configuration.size == other)
    device.inject(.failing(.dequeuePacket, with: Self.lost, at: 3))
    for time in Int64(10)..<20 { try await run.encoder.encode(Harness.frame(time, size: other)) }
    try await run.encoder.requestKeyFrame()
    let outcome = try await run.finish()
    #expect(outcome.times == (0..<20).map { $0 })
    #expect(outcome.statistics.recoveries == 1)
    #expect(run.encoder.negotiated.visibleSize == other)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == 300_000)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_GOP_SIZE)] == 12)
  }

  @Test("memory is released when its packet is out, read or not")
  func retention() async throws {
    let device = try Harness.device()
    let run = try await H264Encoder.open(
      RecoveryRun.configuration(), on: .virtual(device), recovery: RecoveryRun.policy)
    let released = Locked(0)
    for time in Int64(0)..<20 {
      let bytes = Harness.size.width * Harness.size.height * 2
      let start = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 128)
      start.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
      nonisolated(unsafe) let memory = start
      let frame = try VideoFrame(
        format: .i420, size: Harness.size,
        memory: FrameMemory(unsafeStart: start, byteCount: bytes) {
          memory.deallocate()
          released.withLock { $0 += 1 }
        }, presentationTime: time)
      try await run.encode(frame)
    }
    try await run.drain()
    #expect(run.statistics.packetsWaiting == 20 && run.statistics.framesInFlight == 0)
    #expect(released.withLock { $0 } == 20)
    await run.close()
  }
}

extension Locked<Int> {
  /// Counts one more, and tells how many that are.
  fileprivate func increment() -> Int {
    withLock { count in
      count += 1
      return count
    }
  }
}
