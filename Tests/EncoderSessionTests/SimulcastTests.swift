import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// The same frames in several sizes at once.
@Suite(.timeLimit(.minutes(3))) struct SimulcastTests {
  private static let sizes = [
    VideoSize(width: 1280, height: 720), VideoSize(width: 640, height: 360),
    VideoSize(width: 320, height: 180),
  ]
  private static let names = ["high", "middle", "low"]
  private static let layers = zip(names, sizes).map { name, size in
    SimulcastLayer(
      name, size: size, rateControl: .constant(bitrate: 500_000 + size.width * size.height * 3))
  }
  private static let small = [
    SimulcastLayer("a", size: Harness.size, rateControl: .constant(bitrate: 1_000_000)),
    SimulcastLayer(
      "b", size: VideoSize(width: 160, height: 96), rateControl: .constant(bitrate: 500_000)),
    SimulcastLayer(
      "c", size: VideoSize(width: 80, height: 48), rateControl: .constant(bitrate: 200_000)),
  ]

  /// What is told of the layers.
  private final class Log: Sendable {
    private let entries = Locked<[(String, SimulcastEvent)]>([])
    var all: [(layer: String, event: SimulcastEvent)] { entries.withLock { $0 } }
    func append(_ layer: String, _ event: SimulcastEvent) {
      entries.withLock { $0.append((layer, event)) }
    }
    var failures: [String] {
      all.compactMap { entry in
        if case .layerFailed = entry.event { return entry.layer }
        return nil
      }
    }
    func dropped(from layer: String) -> [Int64] {
      all.compactMap { entry in
        guard entry.layer == layer, case .frameDropped(let time, _) = entry.event else {
          return nil
        }
        return time
      }
    }
  }

  private static func collect(_ stream: SimulcastStream) -> Task<[EncodedPacket], any Error> {
    func read(_ encoder: some VideoEncoder) -> Task<[EncodedPacket], any Error> {
      let packets = encoder.packets
      return Task {
        var all: [EncodedPacket] = []
        for try await packet in packets { all.append(packet) }
        return all
      }
    }
    return read(stream.encoder)
  }

  private static func keys(_ packets: [EncodedPacket]) -> [Int64] {
    packets.filter(\.isKeyFrame).map(\.presentationTime)
  }

  @Test("three layers are decoded as what they were made of, with key frames at the same frames")
  func threeLayers() async throws {
    let source = try await MediaTools.pictures(.bigBuckBunny, frames: 20)
    let (one, other) = (try VirtualDevice(), try VirtualDevice())
    let configuration = Harness.configuration {
      $0.size = Self.sizes[0]
      $0.color = .usual(for: Self.sizes[0])
    }
    let log = Log()
    let simulcast = try await SimulcastEncoder.open(
      H264.self, configuration, layers: Self.layers,
      on: { $0.name == "low" ? .virtual(other) : .virtual(one) },
      event: { log.append($0, $1) })
    #expect(one.openHandleCount == 2 && other.openHandleCount == 1)
    let readers = simulcast.streams.map { Self.collect($0) }
    try await withDeadline(.seconds(120), "20 frames in three layers") {
      for time in 0..<20 {
        if time == 5 { simulcast.requestKeyFrame() }
        try await simulcast.encode(
          VideoFrame(
            format: .i420, size: Self.sizes[0], memory: FrameMemory(copying: source.frame(time)),
            presentationTime: Int64(time)))
        // Drivers give a key frame on demand to the next frame they take.
        if time == 4 { try await simulcast.drain() }
      }
      try await simulcast.drain()
    }
    #expect(log.all.isEmpty)
    for statistics in simulcast.statistics {
      #expect(statistics.framesDropped == 0 && statistics.failure == nil)
      #expect(statistics.encoder.framesIn == 20 && statistics.encoder.packetsOut == 20)
    }
    await simulcast.close()
    let directory = try TemporaryDirectory()
    for (layer, reader) in zip(Self.layers, readers) {
      let packets = try await reader.value
      #expect(packets.map(\.presentationTime) == (0..<20).map { $0 })
      #expect(Self.keys(packets) == [0, 5, 15], "\(layer.name)")
      let stream = try directory.write(packets.flatMap(\.data.array), to: "\(layer.name).h264")
      let decoded = try await MediaTools.decode(stream: stream, in: directory)
      #expect(decoded.width == layer.size.width && decoded.height == layer.size.height)
      let scaled = try PlanarVideo(
        path: await MediaTools.decode(
          .bigBuckBunny, frames: 20, size: (layer.size.width, layer.size.height)),
        width: layer.size.width, height: layer.size.height)
      let quality = try decoded.lumaPSNR(against: scaled)
      #expect(quality.overall >= 30, "\(layer.name): \(quality.overall) dB")
    }
  }

  @Test("each size is made once, of the next larger one, in memory that is used again")
  func scaling() throws {
    let (large, half, small) = (Harness.size, Self.small[1].size, Self.small[2].size)
    let plan = try ScalingPlan(
      from: large, .bgrx, color: .bt709, to: [small, large, half, small], capacity: 9)
    // Conversion, half, small; two layers share a picture.
    #expect(plan.stepOfLayer == [2, 0, 1, 2])
    let frame = try Harness.frame(7, format: .bgrx)
    var pictures: [VideoFrame?] = []
    var identities: Set<UInt64> = []
    for _ in 0..<50 {
      try plan.scale(frame, for: 0b1111, into: &pictures)
      #expect(pictures.map { $0?.size } == [large, half, small])
      #expect(pictures.allSatisfy { $0?.format == .nv12 && $0?.presentationTime == 7 })
      for case .memory(let memory, _)? in pictures.map({ $0?.storage }) {
        identities.insert(memory.identity)
      }
    }
    // Under the thread sanitizer other memory takes its place (see `isSoleHolder`).
    #if !V4L2ENC_TSAN
    #expect(identities.count <= 6, "\(identities.count) pieces of memory for three sizes")
    #endif
    try plan.scale(frame, for: 0b0100, into: &pictures)
    #expect(pictures.map { $0 == nil } == [false, false, true])
    try plan.scale(frame, for: 0b0010, into: &pictures)
    #expect(pictures.map { $0 == nil } == [false, true, true])
    let asItIs = try ScalingPlan(from: large, .nv12, color: .bt709, to: [large], capacity: 3)
    #expect(asItIs.stepOfLayer == [nil])
  }

  @Test("a layer that stands still leaves frames out, alone, and comes into step again")
  func slowLayer() async throws {
    let gate = Gate()
    let slow = BentTransport(try Harness.device(), isSilent: { !gate.isOpenNow })
    defer { gate.open() }
    let device = try Harness.device()
    let log = Log()
    let simulcast = try await SimulcastEncoder.open(
      H264.self,
      Harness.configuration {
        $0.admission = .dropNewest
        $0.deadlines.progress = .seconds(60)
      }, layers: Self.small, on: { $0.name == "b" ? slow.selector : .virtual(device) },
      event: { log.append($0, $1) })
    let readers = simulcast.streams.map { Self.collect($0) }
    let awaited = Locked(["a", "c"])
    try await withDeadline(.seconds(60), "50 frames") {
      for time in Int64(0)..<50 {
        if time == 30 {
          gate.open()
          try await simulcast.drain()
          awaited.withLock { $0 = ["a", "b", "c"] }
        }
        let before = simulcast.statistics.map(\.encoder.packetsOut)
        try await simulcast.encode(Harness.frame(time))
        // As fast as the layers that work, so that they lose nothing.
        try await eventually(within: .seconds(20), "frame \(time)") {
          let names = awaited.withLock { $0 }
          return zip(simulcast.statistics, before).allSatisfy {
            !names.contains($0.name) || $0.encoder.packetsOut > $1
          }
        }
      }
      try await simulcast.drain()
    }
    await simulcast.close()
    let dropped = log.dropped(from: "b")
    #expect(dropped.count > 5 && dropped.allSatisfy { $0 < 30 })
    #expect(simulcast.statistics.map(\.framesDropped) == [0, dropped.count, 0])
    #expect(log.all.count == dropped.count)
    for (layer, reader) in zip(Self.small, readers) {
      let packets = try await reader.value
      let missing = layer.name == "b" ? Set(dropped) : []
      #expect(packets.map(\.presentationTime) == (0..<50).filter { !missing.contains($0) })
      let keys = Self.keys(packets)
      // Out of step from the first drop on; since frame 30, where an interval begins, no more.
      #expect(keys.filter { $0 >= 30 } == [30, 40], "\(layer.name): \(keys)")
      if layer.name != "b" { #expect(keys == [0, 10, 20, 30, 40]) }
    }
  }

  @Test("a layer that fails leaves the others alone; without any the failure is thrown")
  func failingLayers() async throws {
    let devices = try Self.small.map { _ in try Harness.device() }
    let log = Log()
    let simulcast = try await SimulcastEncoder.open(
      H264.self, Harness.configuration { $0.admission = .wait }, layers: Self.small,
      on: { layer in
        .virtual(devices[Self.small.firstIndex { $0.name == layer.name } ?? 0])
      }, event: { log.append($0, $1) })
    let readers = simulcast.streams.map { Self.collect($0) }
    devices[1].inject(.failing(.dequeuePacket, with: Errno(rawValue: ENODEV), at: 5))
    try await withDeadline(.seconds(60), "30 frames") {
      for time in Int64(0)..<30 { try await simulcast.encode(Harness.frame(time)) }
      try await simulcast.drain()
    }
    #expect(log.failures == ["b"])
    #expect(simulcast.statistics.map { $0.failure?.code } == [nil, .deviceLost, nil])
    // Once it is known to have failed, a layer is not said to lose each frame.
    #expect(log.dropped(from: "b").count < 25)
    for index in [0, 2] {
      #expect(simulcast.statistics[index].encoder.packetsOut == 30)
      devices[index].inject(.failing(.queueFrame, with: Errno(rawValue: ENODEV)))
    }
    let error = try await withDeadline(.seconds(60), "the end") {
      try await encoderError {
        for time in Int64(30)..<60 { try await simulcast.encode(Harness.frame(time)) }
      }
    }
    #expect(error?.code == .deviceLost)
    try await eventually("every failure is told") { Set(log.failures) == ["a", "b", "c"] }
    #expect(log.failures.count == 3)
    await simulcast.close()
    for reader in readers {
      let end = try await encoderError { _ = try await reader.value }
      #expect(end?.code == .deviceLost)
    }
  }

  @Test("a layer whose encoder keeps frames until their packets are out loses none")
  func keepingLayer() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.size = Self.small[1].size
        $0.keyFrameInterval = 10
      }, on: .virtual(Harness.device(nullDelay: 3)), recovery: RecoveryRun.policy)
    let log = Log()
    let stream = SimulcastStream("kept", encoder)
    let simulcast = try SimulcastEncoder(
      size: Harness.size, format: .i420, streams: [stream], admission: .wait,
      event: { log.append($0, $1) })
    let reader = Self.collect(stream)
    try await withDeadline(.seconds(30), "30 frames") {
      for time in Int64(0)..<30 { try await simulcast.encode(Harness.frame(time)) }
      try await simulcast.drain()
    }
    await simulcast.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<30).map { $0 })
    #expect(log.all.isEmpty)
  }

  @Test("what cannot be a simulcast is refused by name")
  func refusals() async throws {
    let device = try Harness.device()
    func refusal(
      _ layers: [SimulcastLayer], _ change: (inout EncoderConfiguration) -> Void = { _ in }
    ) async throws -> EncoderError? {
      try await encoderError {
        _ = try await SimulcastEncoder.open(
          H264.self, Harness.configuration(change), layers: layers, on: { _ in .virtual(device) })
      }
    }
    #expect(try await refusal([])?.message.contains("without layers") == true)
    let twice = [Self.small[0], Self.small[0]]
    #expect(try await refusal(twice)?.message.contains("same name") == true)
    #expect(try await refusal(Self.small) { $0.admission = .fail }?.code == .invalidConfiguration)
    let budget = try await refusal(Self.small) { $0.latencyBudget = .seconds(1) }
    #expect(budget?.message.contains("latencyBudget") == true)
    let huge = SimulcastLayer(
      "huge", size: VideoSize(width: 8704, height: 4352), rateControl: .constant(bitrate: 9_000_000)
    )
    let error = try await refusal([Self.small[0], huge])
    #expect(error?.code == .unsupported && error?.message.hasPrefix("layer huge: ") == true)
    try await eventually("every device is given back") { device.openHandleCount == 0 }
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.inputFormat = .nv12 }, on: .virtual(device))
    let mismatch = try await encoderError {
      _ = try SimulcastEncoder(
        size: Harness.size, format: .i420, streams: [SimulcastStream("x", encoder)])
    }
    #expect(mismatch?.code == .invalidConfiguration && mismatch?.message.contains("x") == true)
    await encoder.close()
    let choosy = try await H264Encoder.open(
      Harness.configuration { $0.admission = .dropNewest }, on: .virtual(device))
    let drops = try await encoderError {
      _ = try SimulcastEncoder(
        size: Harness.size, format: .i420, streams: [SimulcastStream("x", choosy)])
    }
    #expect(drops?.message.contains("drops frames of its own") == true)
    await choosy.close()
  }

  @Test("after its end a simulcast takes nothing, and nothing of it stays")
  func closing() async throws {
    let device = try Harness.device()
    let log = Log()
    do {
      let simulcast = try await SimulcastEncoder.open(
        H264.self, Harness.configuration { $0.admission = .dropNewest }, layers: Self.small,
        on: { _ in .virtual(device) }, event: { log.append($0, $1) })
      let wrong = try await encoderError {
        try await simulcast.encode(Harness.frame(0, size: Self.small[1].size))
      }
      #expect(wrong?.code == .invalidFrame)
      try await simulcast.encode(Harness.frame(0))
      await simulcast.close()
      let error = try await encoderError { try await simulcast.encode(Harness.frame(1)) }
      #expect(error?.code == .closed)
      #expect(log.failures == [])
    }
    do {
      let dropped = try await SimulcastEncoder.open(
        H264.self, Harness.configuration(), layers: Self.small, on: { _ in .virtual(device) })
      try await dropped.encode(Harness.frame(0))
    }
    try await eventually("every device is given back") { device.openHandleCount == 0 }
  }
}
