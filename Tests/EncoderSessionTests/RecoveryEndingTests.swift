import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// What else may happen during a recovery: another encoder, the end, lent buffers.
@Suite(.timeLimit(.minutes(2))) struct RecoveryEndingTests {
  private static let lost = Errno(rawValue: ENODEV)

  /// Loses its device after five packets, and cannot open it again.
  private func openLost(
    policy: RecoveryPolicy, onDeviceLost: RecoveringEncoder.Replacement? = nil
  ) async throws -> (RecoveryRun, VirtualDevice) {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(
      on: .virtual(device), policy: policy, onDeviceLost: onDeviceLost)
    device.inject(
      .failing(.dequeuePacket, with: Self.lost, at: 5),
      .failing(.open, with: Self.lost, times: .max))
    return (run, device)
  }

  /// A policy that never comes to an end by itself.
  private static let slow = RecoveryPolicy(
    attempts: 100, firstPause: .seconds(60), longestPause: .seconds(60), limit: .seconds(3600))

  @Test("another encoder takes over at once")
  func replacement() async throws {
    let other = try VirtualDevice(.init(h264: .none))
    let (run, _) = try await openLost(policy: RecoveryRun.policy) { loss throws(EncoderError) in
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
    let (run, _) = try await openLost(
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
    other.inject(.failing(.queueFrame, with: Self.lost, at: 3))
    try await run.encode(30..<60)
    let outcome = try await run.finish()
    #expect(outcome.times == (0..<60).map { $0 })
    #expect(asked.withLock { $0 } == [0, 1, 2, 0, 1, 2])
    #expect(outcome.statistics.recoveries == 2)
  }

  @Test("closing ends a recovery and everybody who waits for it")
  func close() async throws {
    let (run, device) = try await openLost(policy: Self.slow)
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
    let (run, device) = try await openLost(
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
      .failing(.dequeuePacket, with: Self.lost, at: 3),
      .failing(.open, with: Self.lost, times: .max))
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

  @Test("readers of a broadcast notice nothing but the mark")
  func broadcast() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      RecoveryRun.configuration(), on: .virtual(device), recovery: RecoveryRun.policy)
    let broadcast = PacketBroadcast()
    let readers = (0..<2).map { _ in
      Harness.collect(broadcast.subscribe(.wait(capacity: 60, patience: .seconds(20))))
    }
    let feeding = Task { try await broadcast.run(encoder.packets) }
    device.inject(.failing(.dequeuePacket, with: Self.lost, at: 5))
    for time in Int64(0)..<30 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    await encoder.close()
    try await feeding.value
    for reader in readers {
      let packets = try await reader.value
      #expect(packets.map(\.presentationTime) == (0..<30).map { $0 })
      #expect(packets.count { $0.isDiscontinuity } == 1)
    }
  }

  @Test("frames that the device reads where they are go to the next one")
  func inPlace() async throws {
    let size = VideoSize(width: 320, height: 192)
    let planes = [
      PlaneLayout(offset: 0, bytesPerLine: 320), PlaneLayout(offset: 320 * 192, bytesPerLine: 320),
    ]
    let device = try Harness.device(nullDelay: 2)
    let run = try await RecoveryRun.open(
      on: .virtual(device),
      RecoveryRun.configuration {
        $0.inputFormat = .nv12
        $0.inputMemory = .userPointer(planes: planes)
      })
    #expect(run.encoder.negotiated.isZeroCopy)
    device.inject(.failing(.dequeuePacket, with: Self.lost, at: 6))
    for time in Int64(0)..<30 {
      let memory = FrameMemory(byteCount: 320 * 192 * 3 / 2 + 128) { _ in }
      try await run.encoder.encode(
        VideoFrame(
          format: .nv12, size: size, memory: memory, planes: planes, presentationTime: time))
    }
    let outcome = try await run.finish()
    #expect(outcome.times == (0..<30).map { $0 })
    #expect(outcome.statistics.recoveries == 1 && outcome.statistics.bytesCopied == 0)
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

  @Test("frames that the next encoder does not take are named, and it goes on")
  func refusedFrames() async throws {
    let other = try Harness.device()
    let small = VideoSize(width: 160, height: 96)
    let (run, _) = try await openLost(policy: RecoveryRun.policy) { loss throws(EncoderError) in
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
    #expect((outcome.times.dropLast() + dropped) == (0..<Int64(5 + dropped.count)).map { $0 })
  }

  @Test("a change that the driver refuses is no failure of the device")
  func refusedChange() async throws {
    let device = try Harness.device()
    let run = try await RecoveryRun.open(on: .virtual(device))
    try await run.encode(0..<5)
    let told = try await encoderError {
      try await run.encoder.changeInput(size: VideoSize(width: 16000, height: 16000))
    }
    #expect(told != nil)
    try await run.encode(5..<10)
    let outcome = try await run.finish()
    #expect(outcome.times == (0..<10).map { $0 } && outcome.statistics.recoveries == 0)
  }

  @Test("every counter of two encoders is added")
  func counters() {
    var one = EncoderStatistics()
    one.framesIn = 1
    one.framesDropped.noBuffer = 2
    one.framesDropped.displaced = 3
    one.framesDropped.late = 4
    one.framesDropped.rateReduced = 5
    one.framesDropped.ended = 6
    one.framesDropped.refused = 7
    one.overruns = 8
    one.packetsOut = 9
    one.keyFrames = 10
    one.framesSkipped = 11
    one.corruptPackets = 12
    one.bytesOut = 13
    one.bytesCopied = 14
    one.deviceRequests = 15
    one.waits = 16
    one.drains = 17
    one.recoveries = 18
    one.framesLost = 19
    one.keyFrameBytes = 20
    let present: Set = ["framesInFlight", "framesWaiting", "packetsWaiting", "frameRateDivisor"]
    compare(one.following(one), one, except: present)
    compare(one.following(one).framesDropped, one.framesDropped, except: [])
  }

  /// Whether every number is twice as large; what is new is to be set above, or is no counter.
  private func compare<Value>(_ sum: Value, _ one: Value, except present: Set<String>) {
    for (after, before) in zip(Mirror(reflecting: sum).children, Mirror(reflecting: one).children) {
      guard let after = after.value as? Int, let single = before.value as? Int else { continue }
      let name = before.label ?? ""
      guard !present.contains(name) else { continue }
      #expect(single > 0 && after == 2 * single, "\(name)")
    }
  }

  @Test("a dropped encoder ends its recovery and its reader")
  func dropped() async throws {
    let device = try Harness.device()
    var encoder: RecoveringEncoder? = try await H264Encoder.open(
      RecoveryRun.configuration(), on: .virtual(device), recovery: Self.slow)
    let reader = Harness.collect(try #require(encoder).packets)
    device.inject(
      .failing(.dequeuePacket, with: Self.lost, at: 2),
      .failing(.open, with: Self.lost, times: .max))
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

  @Test("pictures in buffers of the lost device are named")
  func lentBuffers() async throws {
    let device = try Harness.device(nullDelay: 2)
    let run = try await RecoveryRun.open(on: .virtual(device))
    let stale = LentBuffer(try await run.encoder.nextInputBuffer())
    device.inject(.failing(.dequeuePacket, with: Self.lost, at: 4))
    for time in Int64(0)..<20 {
      var buffer = try await run.encoder.nextInputBuffer()
      _ = buffer.withMutableBytes(ofPlane: 0) { bytes in
        bytes.storeBytes(of: UInt8(time), toByteOffset: 0, as: UInt8.self)
      }
      try await run.encoder.encode(
        buffer, presentationTime: time, duration: 1, options: FrameOptions())
    }
    try await run.encoder.encode(
      stale.take(), presentationTime: 99, duration: 1, options: FrameOptions())
    let outcome = try await run.finish()
    let lostTimes = outcome.events.compactMap { event -> Int64? in
      guard case .frameLost(let time) = event else { return nil }
      return time
    }
    #expect(lostTimes.contains(99) && lostTimes.count > 1)
    #expect((outcome.times + lostTimes).sorted() == (0..<20).map { $0 } + [99])
    #expect(outcome.statistics.framesLost == lostTimes.count)
    #expect(outcome.statistics.recoveries == 1)
  }

  @Test("an opening that hangs is not waited for")
  func hangingReplacement() async throws {
    let (run, _) = try await openLost(
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
    device.inject(.failing(.queueFrame, with: Self.lost, at: 12))
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

  @Test("latencies and bitrates count what every encoder made")
  func measuresSpanARecovery() async throws {
    let isSlow = Locked(true)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      let mustSleep = isSlow.withLock { isSlow in
        defer { isSlow = false }
        return isSlow
      }
      if mustSleep { DeviceThread.sleep(.milliseconds(150)) }
      return result
    }
    let run = try await RecoveryRun.open(on: transport.selector)
    try await run.encode(0..<8)
    try await run.encoder.drain()
    transport.device.inject(.failing(.queueFrame, with: .inputOutput))
    try await run.encode(8..<12)
    let outcome = try await run.finish()
    let statistics = outcome.statistics
    #expect(statistics.recoveries == 1 && statistics.packetsOut == 12)
    #expect(try #require(statistics.latency).maximum >= .milliseconds(150))
    // Twelve pictures at 25 per second.
    let rate = Double(statistics.bytesOut * 8) * 25 / 12
    #expect(abs(Double(try #require(statistics.averageBitrate)) - rate) <= 1)
  }
}
