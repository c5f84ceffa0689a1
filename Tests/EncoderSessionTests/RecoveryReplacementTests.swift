import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Another encoder that takes over, and what it may refuse.
@Suite(.timeLimit(.minutes(2))) struct RecoveryReplacementTests {
  @Test("another encoder takes over at once")
  func replacement() async throws {
    let other = try VirtualDevice(.init(h264: .none))
    let (run, _) = try await RecoveryRun.openLost(policy: RecoveryRun.policy) {
      loss throws(EncoderError) in
      try await HEVCEncoder.open(
        loss.configuration, on: .virtual(other), observer: loss.observer)
    }
    try await run.encode(0..<30)
    let outcome = try await run.finish()
    #expect(outcome.times == (0..<30).map { $0 })
    let next = try #require(outcome.discontinuities.first)
    #expect(outcome.packets[..<next].allSatisfy { $0.codec == .h264 })
    #expect(outcome.packets[next...].allSatisfy { $0.codec == .hevc })
    #expect(outcome.packets[next].isKeyFrame && outcome.discontinuities.count == 1)
    #expect(run.encoder.negotiated.codedFormat == .hevc)
    #expect(outcome.statistics.packetsOut == 30)
  }

  @Test("another encoder is asked for last when it declines before")
  func lastResort() async throws {
    let other = try Harness.device()
    let asked = Locked<[Int]>([])
    let (run, _) = try await RecoveryRun.openLost(
      policy: RecoveryPolicy(attempts: 2, firstPause: .milliseconds(5))
    ) { loss throws(EncoderError) in
      asked.withLock { $0.append(loss.failedAttempts) }
      #expect(loss.error.code == .deviceLost)
      guard loss.isLastResort else { return nil }
      return try await H264Encoder.open(
        loss.configuration, on: .virtual(other), observer: loss.observer)
    }
    try await run.encode(0..<30)
    // The other one is lost as well, and found again.
    other.inject(.failing(.queueFrame, with: .noDevice, at: 3))
    try await run.encode(30..<60)
    let outcome = try await run.finish()
    #expect(outcome.times == (0..<60).map { $0 })
    #expect(asked.withLock { $0 } == [0, 1, 2, 0, 1, 2])
    #expect(outcome.statistics.recoveries == 2)
  }

  @Test("frames that the next encoder does not take are named, and it goes on")
  func refusedFrames() async throws {
    let other = try Harness.device()
    let small = VideoSize(width: 160, height: 96)
    let (run, _) = try await RecoveryRun.openLost(policy: RecoveryRun.policy) {
      loss throws(EncoderError) in
      var configuration = loss.configuration
      configuration.size = small
      return try await H264Encoder.open(
        configuration, on: .virtual(other), observer: loss.observer)
    }
    let told = try await encoderError { try await run.encode(0..<30) }
    #expect(told?.code == .invalidFrame)
    let accepted = run.encoder.statistics.framesIn
    try await run.encoder.encode(Harness.frame(100, size: small))
    let outcome = try await run.finish()
    let dropped = outcome.events.compactMap { event -> Int64? in
      guard case .frameDropped(let time, .refused) = event else { return nil }
      return time
    }
    #expect(!dropped.isEmpty && outcome.statistics.framesDropped.refused == dropped.count)
    #expect(outcome.times == (0..<5).map { $0 } + [100] && accepted == 5)
    #expect(outcome.statistics.recoveries == 1)
    #expect(outcome.recoveries.map(\.framesEncodedAgain) == [0])
    #expect((outcome.times.dropLast() + dropped) == (0..<Int64(5 + dropped.count)).map { $0 })
  }

  @Test("an opening that hangs is not waited for")
  func hangingReplacement() async throws {
    let (run, _) = try await RecoveryRun.openLost(
      policy: RecoveryPolicy(attempts: 2, firstPause: .milliseconds(5), limit: .seconds(1))
    ) { _ throws(EncoderError) in
      try? await Task.sleep(for: .seconds(30))
      return nil
    }
    let told = try await withDeadline(.seconds(20), "giving up") {
      try await encoderError { try await run.encode(0..<100) }
    }
    #expect(told?.code == .recoveryFailed)
    #expect(told?.message.contains("no encoder was opened again within 1") == true)
    await run.encoder.close()
  }

  @Test("callers are told when nobody reads while frames are encoded again")
  func unreadPackets() async throws {
    let device = try Harness.device(nullDelay: 12)
    let other = try Harness.device()
    let encoder = try await H264Encoder.open(
      RecoveryRun.configuration { $0.deadlines.consumer = .milliseconds(300) },
      on: .virtual(device), recovery: RecoveryRun.policy
    ) { loss throws(EncoderError) in
      // It has not as many places as the former one had frames.
      var configuration = loss.configuration
      configuration.inputBuffers = 1
      configuration.outputBuffers = 1
      configuration.packetCapacity = 1
      return try await H264Encoder.open(
        configuration, on: .virtual(other), observer: loss.observer)
    }
    device.inject(.failing(.queueFrame, with: .noDevice, at: 12))
    for time in Int64(0)..<12 { try await encoder.encode(Harness.frame(time)) }
    let told = try await encoderError { try await encoder.encode(Harness.frame(12)) }
    #expect(told?.code == .consumerStalled)
    #expect(encoder.statistics.recoveries == 0)
    let reader = Harness.collect(encoder.packets)
    try await eventually("everything is encoded again") { encoder.statistics.recoveries == 1 }
    try await encoder.encode(Harness.frame(13))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<12).map { $0 } + [13])
  }
}
