import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// How a recovery ends that nobody waits for, or that cannot succeed.
@Suite(.timeLimit(.minutes(2))) struct RecoveryEndingTests {
  @Test("closing ends a recovery and everybody who waits for it")
  func close() async throws {
    let (run, device) = try await RecoveryRun.openLost(policy: RecoveryRun.slow)
    let feeder = Task { try await encoderError { try await run.encode(0..<100) } }
    try await eventually("the device is lost for good") { device.faultCount == 2 }
    try await withDeadline(.seconds(20), "closing") { await run.encoder.close() }
    #expect(try await feeder.value?.code == .closed)
    #expect(try await run.readerError() == nil)
    #expect(run.times == (0..<5).map { $0 })
    #expect(try await encoderError { try await run.encoder.drain() }?.code == .closed)
    #expect(device.openHandleCount == 0)
  }

  @Test("cancelling a caller does not end the recovery of others")
  func cancellation() async throws {
    let (run, device) = try await RecoveryRun.openLost(
      policy: RecoveryPolicy(
        attempts: 1000, firstPause: .milliseconds(20), longestPause: .milliseconds(20)))
    let feeder = Task { try await encoderError { try await run.encode(0..<100) } }
    try await eventually("the device is lost for good") { device.faultCount >= 2 }
    feeder.cancel()
    #expect(try await feeder.value?.code == .cancelled)
    device.removeFaults()
    let before = run.encoder.statistics.framesIn
    try await run.encode(1000..<1010)
    let outcome = try await run.finish()
    #expect(outcome.times == (0..<Int64(before)).map { $0 } + (1000..<1010).map { $0 })
    #expect(outcome.statistics.recoveries == 1)
  }

  @Test("another reader goes on where a cancelled one stopped")
  func cancelledReader() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      RecoveryRun.configuration(), on: .virtual(device),
      recovery: RecoveryPolicy(
        attempts: 1000, firstPause: .milliseconds(20), longestPause: .milliseconds(20)))
    let first = Harness.collect(encoder.packets)
    device.inject(
      .failing(.dequeuePacket, with: .noDevice, at: 3),
      .failing(.open, with: .noDevice, times: .max))
    for time in Int64(0)..<4 { try await encoder.encode(Harness.frame(time)) }
    try await eventually("the device is lost for good") { device.faultCount >= 2 }
    first.cancel()
    let before = try await withDeadline(.seconds(20), "the reader") { try await first.value }
    let second = Harness.collect(encoder.packets)
    device.removeFaults()
    for time in Int64(4)..<10 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    await encoder.close()
    let after = try await second.value
    #expect((before + after).map(\.presentationTime) == (0..<10).map { $0 })
    #expect(after.first { $0.isDiscontinuity }?.presentationTime == 3)
  }

  @Test("a dropped encoder ends its recovery and its reader")
  func dropped() async throws {
    let device = try Harness.device()
    var encoder: RecoveringEncoder? = try await H264Encoder.open(
      RecoveryRun.configuration(), on: .virtual(device), recovery: RecoveryRun.slow)
    let reader = Harness.collect(try #require(encoder).packets)
    device.inject(
      .failing(.dequeuePacket, with: .noDevice, at: 2),
      .failing(.open, with: .noDevice, times: .max))
    for time in Int64(0)..<3 { try await encoder?.encode(Harness.frame(time)) }
    try await eventually("the device is lost for good") { device.faultCount == 2 }
    encoder = nil
    let packets = try await withDeadline(.seconds(20), "the reader") { try await reader.value }
    #expect(packets.map(\.presentationTime) == [0, 1])
  }

  @Test("nobody opens again what nobody wants")
  func droppedWhileWorking() async throws {
    let device = try Harness.device()
    var encoder: RecoveringEncoder? = try await H264Encoder.open(
      RecoveryRun.configuration(), on: .virtual(device), recovery: RecoveryRun.policy)
    let reader = Harness.collect(try #require(encoder).packets)
    for time in Int64(0)..<3 { try await encoder?.encode(Harness.frame(time)) }
    encoder = nil
    _ = try await withDeadline(.seconds(20), "the reader") { try await reader.value }
    try await eventually("the device is given back") { device.openHandleCount == 0 }
  }

  @Test("closing releases what will not be encoded")
  func closingReleases() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(on: .virtual(device))
    device.inject(.spoiling(.stuck))
    let released = Locked(0)
    for time in Int64(0)..<3 {
      let bytes = Harness.size.width * Harness.size.height * 2
      let start = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 128)
      start.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
      nonisolated(unsafe) let memory = start
      try await run.encoder.encode(
        VideoFrame(
          format: .i420, size: Harness.size,
          memory: FrameMemory(unsafeStart: start, byteCount: bytes) {
            memory.deallocate()
            released.withLock { $0 += 1 }
          }, presentationTime: time))
    }
    #expect(released.withLock { $0 } == 0)
    await run.encoder.close()
    #expect(released.withLock { $0 } == 3)
    #expect(run.encoder.statistics.recoveries == 0)
  }

  @Test("a device that never gives a packet is given up, though frames are dropped meanwhile")
  func neverAPacket() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(
      on: .virtual(device), RecoveryRun.configuration { $0.admission = .dropNewest },
      policy: RecoveryPolicy(attempts: 2, firstPause: .milliseconds(5)))
    device.inject(.spoiling(.stuck, times: .max))
    let told = try await withDeadline(.seconds(40), "giving up") {
      try await encoderError {
        for time in Int64(0)... {
          try await run.encoder.encode(Harness.frame(time))
          try await Task.sleep(for: .milliseconds(10))
        }
      }
    }
    #expect(told?.code == .recoveryFailed)
    #expect(try await run.readerError() == told)
    #expect(told?.framesNotEncoded.isEmpty == false && run.times == [])
    await run.encoder.close()
  }
}
