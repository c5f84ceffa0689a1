import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Latencies, bitrates and what else is measured of packets.
@Suite(.timeLimit(.minutes(1))) struct TelemetryTests {
  @Test func bitratesAreThoseOfTheLastSecondAndOfEverything() {
    var window = BitrateWindow()
    #expect(window.average == nil && window.recent == nil)
    for _ in 0..<100 { window.add(bits: 1000, lasting: 0.04) }
    #expect(window.average == 25_000 && window.recent == 25_000)
    for _ in 0..<50 { window.add(bits: 3000, lasting: 0.04) }
    #expect(window.recent == 75_000)
    #expect(window.average == 41_667)
    // A key frame moves the last second while it is in it.
    window.add(bits: 53_000, lasting: 0.04)
    for _ in 0..<10 { window.add(bits: 3000, lasting: 0.04) }
    #expect((120_000...135_000).contains(window.recent ?? 0))
    for _ in 0..<25 { window.add(bits: 3000, lasting: 0.04) }
    #expect(window.recent == 75_000)
    // Skipped frames last as well.
    for _ in 0..<25 { window.add(bits: 0, lasting: 0.04) }
    #expect(window.recent == 0)
  }

  @Test("frames that last long have a bitrate too", arguments: [0.5, 1, 1.5, 2.5, 3600])
  func longFrames(seconds: Double) {
    var window = BitrateWindow()
    window.add(bits: 1e9, lasting: 0.01)
    for _ in 0..<4 { window.add(bits: 1000 * seconds, lasting: seconds) }
    #expect(window.recent == 1000)
    window.add(bits: 10, lasting: 0)
    #expect((window.recent ?? 0) > 1000)
  }

  @Test func anEncoderMeasuresItsPackets() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.packetCapacity = 64 }, on: .virtual(Harness.device()))
    #expect(encoder.statistics.latency == nil && encoder.statistics.averageBitrate == nil)
    for time in Int64(0)..<25 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    let waiting = encoder.statistics
    #expect(waiting.packetsWaiting == 25 && waiting.targetBitrate == 1_000_000)
    #expect(!waiting.hasEnded)
    _ = try await encoder.update(DynamicSettings(bitrate: 500_000))
    #expect(encoder.statistics.targetBitrate == 500_000)
    await encoder.close()

    var packets: [EncodedPacket] = []
    for try await packet in encoder.packets { packets.append(packet) }
    let statistics = encoder.statistics
    #expect(statistics.packetsWaiting == 0 && statistics.hasEnded)
    // 25 frames at 25 frames per second.
    #expect(statistics.averageBitrate == statistics.bytesOut * 8)
    let keyFrames = packets.filter(\.isKeyFrame)
    #expect(statistics.keyFrameBytes == keyFrames.reduce(0) { $0 + $1.byteCount })
    #expect(statistics.meanKeyFrameBytes == statistics.keyFrameBytes / keyFrames.count)
    let latency = try #require(statistics.latency)
    let sorted = packets.map(\.latency).sorted()
    func isNearly(_ measured: Duration, _ exact: Duration) -> Bool {
      abs((measured - exact).inNanoseconds) <= exact.inNanoseconds / 32 + 2000
    }
    #expect(isNearly(latency.median, sorted[12]))
    #expect(isNearly(latency.percentile95, sorted[23]))
    #expect(isNearly(latency.percentile99, sorted[24]))
    #expect(isNearly(latency.maximum, sorted[24]))
  }

  @Test func theDevicesTimeIsToldFromTheRest() async throws {
    // The device keeps back three frames, each of which comes 15 ms or more after the one before.
    let device = try VirtualDevice(.init(h264: .null, nullDelay: 3))
    let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<20 {
      try await encoder.encode(Harness.frame(time))
      try await Task.sleep(for: .milliseconds(15))
    }
    try await encoder.drain()
    await encoder.close()
    let packets = try await reader.value
    let statistics = encoder.statistics
    let device95 = try #require(statistics.deviceLatency).percentile95
    let added = try #require(statistics.addedLatency)
    #expect(packets.count == 20)
    #expect(device95 >= .milliseconds(43), "\(device95)")
    #expect(added.median < .milliseconds(43), "\(added)")
    let slowest = try #require(statistics.latency).maximum
    #expect(try #require(statistics.deviceLatency).maximum <= slowest)
    #expect(added.maximum <= slowest)
  }

  @Test func updatesComeUntilTheEncoderEnds() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    let seen = Locked<[EncoderStatistics]>([])
    let updates = Task {
      for await statistics in encoder.statisticsUpdates(every: .milliseconds(5)) {
        seen.withLock { $0.append(statistics) }
      }
    }
    for time in Int64(0)..<5 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    try await eventually("there is an update") { seen.withLock { !$0.isEmpty } }
    await encoder.close()
    try await withDeadline(.seconds(20), "the updates") { await updates.value }
    let all = seen.withLock { $0 }
    #expect(all.count >= 2)
    #expect(all.last?.hasEnded == true && all.dropLast().allSatisfy { !$0.hasEnded })
    #expect(all.last?.packetsOut == 5)
    #expect(try await reader.value.count == 5)
  }

  @Test func updatesEndWithTheTaskThatReadsThem() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    let updates = Task {
      for await _ in encoder.statisticsUpdates(every: .seconds(3600)) {}
    }
    updates.cancel()
    try await withDeadline(.seconds(20), "the updates") { await updates.value }
    await encoder.close()
  }

  @Test("a packet's latency counts the time its frame waited for a buffer")
  func latencyIncludesWaiting() async throws {
    let gate = Gate()
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      takesFrameBack(request, argument) && !gate.isOpenNow
        ? -EAGAIN : device.perform(request, argument)
    }
    let encoder = try await Harness.openHasty(transport) {
      $0.inputBuffers = 2
      $0.deadlines.progress = .seconds(10)
    }
    let reader = Harness.collect(encoder.packets)
    let feeder = Task {
      for time in Int64(0)..<Int64(encoder.negotiated.inputBuffers + 1) {
        try await encoder.encode(Harness.frame(time))
      }
    }
    try await eventually("the last frame waits") { encoder.waitingCallers == 1 }
    let start = MonotonicTime.now
    try await eventually("a measurable wait") { MonotonicTime.now - start > .milliseconds(150) }
    let waited = MonotonicTime.now - start
    gate.open()
    try await feeder.value
    try await encoder.drain()
    await encoder.close()
    let last = try await reader.value.last
    #expect(last.map { $0.latency >= waited } == true)
  }
}
