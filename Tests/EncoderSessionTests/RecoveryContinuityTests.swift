import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// What goes on across a recovery: readers, frames that were lent or lie elsewhere, counters.
@Suite(.timeLimit(.minutes(2))) struct RecoveryContinuityTests {
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
    device.inject(.failing(.dequeuePacket, with: .noDevice, at: 5))
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
    device.inject(.failing(.dequeuePacket, with: .noDevice, at: 6))
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

  @Test("pictures in buffers of the lost device are named")
  func lentBuffers() async throws {
    let device = try Harness.device(nullDelay: 2)
    let run = try await RecoveryRun.open(on: .virtual(device))
    let stale = LentBuffer(try await run.encoder.nextInputBuffer())
    device.inject(.failing(.dequeuePacket, with: .noDevice, at: 4))
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
