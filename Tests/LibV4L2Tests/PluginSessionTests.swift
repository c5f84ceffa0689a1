import Foundation
import TestSupport
import Testing
import V4L2Encoder

/// The library on devices behind libv4l2, in one process.
@Suite(.needsPluginNamespace, .serialized, .timeLimit(.minutes(3)))
struct PluginSessionTests {
  /// How many tests there are here.
  static let count = 6

  private static let size = VideoSize(width: 320, height: 192)

  private static func configuration() -> EncoderConfiguration {
    var configuration = EncoderConfiguration(
      size: size, inputFormat: .i420, frameRate: Rational(25),
      rateControl: .constant(bitrate: 1_000_000))
    configuration.timeBase = Rational(1, 25)
    return configuration
  }

  private static func frame(_ time: Int64) throws -> VideoFrame {
    let memory = FrameMemory(byteCount: size.width * size.height * 3 / 2) { bytes in
      for offset in stride(from: 0, to: bytes.byteCount, by: 16) {
        bytes.storeBytes(
          of: UInt8(truncatingIfNeeded: time &* 3 &+ 40), toByteOffset: offset, as: UInt8.self)
      }
    }
    return try VideoFrame(format: .i420, size: size, memory: memory, presentationTime: time)
  }

  private static func collect(_ packets: PacketSequence) -> Task<[EncodedPacket], any Error> {
    Task {
      var all: [EncodedPacket] = []
      for try await packet in packets { all.append(packet) }
      return all
    }
  }

  @Test("drains and goes on, and every frame becomes a packet", arguments: PluginNode.allCases)
  func drains(node: PluginNode) async throws {
    let directory = try TemporaryDirectory()
    let encoder = try await H264Encoder.open(
      Self.configuration(), on: .path(try node.make(in: directory)))
    let reader = Self.collect(encoder.packets)
    for round in 0..<10 {
      for index in 0..<7 { try await encoder.encode(Self.frame(Int64(round * 7 + index))) }
      try await encoder.drain()
      #expect(encoder.statistics.packetsOut == (round + 1) * 7)
    }
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<70).map(Int64.init))
    #expect((0..<10).allSatisfy { packets[$0 * 7].isKeyFrame && packets[$0 * 7].hasParameterSets })
  }

  @Test("key frames come on demand", arguments: PluginNode.allCases)
  func keyFrames(node: PluginNode) async throws {
    let directory = try TemporaryDirectory()
    let encoder = try await H264Encoder.open(
      Self.configuration(), on: .path(try node.make(in: directory)))
    let reader = Self.collect(encoder.packets)
    for index in 0..<30 {
      try await encoder.encode(
        Self.frame(Int64(index)), options: FrameOptions(forceKeyFrame: index == 17))
    }
    try await encoder.drain()
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.count == 30)
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0, 17])
  }

  @Test("opens, encodes and closes in eight tasks at once", arguments: PluginNode.allCases)
  func eightAtOnce(node: PluginNode) async throws {
    let directory = try TemporaryDirectory()
    let path = try node.make(in: directory)
    let before = try await Self.holdingsBefore()
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask {
          var packetCount = 0
          for _ in 0..<4 {
            let encoder = try await H264Encoder.open(Self.configuration(), on: .path(path))
            let reader = Self.collect(encoder.packets)
            for index in 0..<5 { try await encoder.encode(Self.frame(Int64(index))) }
            try await encoder.drain()
            await encoder.close()
            packetCount += try await reader.value.count
          }
          return packetCount
        }
      }
      for try await packetCount in group { #expect(packetCount == 20) }
    }
    try await Self.eventuallyHolds(before)
  }

  @Test("closing amid frames gives everything back", arguments: PluginNode.allCases)
  func closesAmidFrames(node: PluginNode) async throws {
    let directory = try TemporaryDirectory()
    let path = try node.make(in: directory)
    let before = try await Self.holdingsBefore()
    for _ in 0..<10 {
      let encoder = try await H264Encoder.open(Self.configuration(), on: .path(path))
      for index in 0..<3 { try await encoder.encode(Self.frame(Int64(index))) }
      await encoder.close()
    }
    try await Self.eventuallyHolds(before)
  }

  @Test("the seventeenth device is refused in words, and possible again after one was closed")
  func seventeenth() async throws {
    let directory = try TemporaryDirectory()
    let path = try PluginNode.polled.make(in: directory)
    var encoders: [H264Encoder] = []
    for _ in 0..<16 {
      encoders.append(try await H264Encoder.open(Self.configuration(), on: .path(path)))
    }
    do {
      _ = try await H264Encoder.open(Self.configuration(), on: .path(path))
      Issue.record("a seventeenth device was opened")
    } catch {
      #expect(error.code == .deviceBusy)
      #expect(error.description.contains("libv4l2 serves 16 devices per process"), "\(error)")
    }
    await encoders.removeLast().close()
    encoders.append(try await H264Encoder.open(Self.configuration(), on: .path(path)))
    for encoder in encoders { await encoder.close() }
  }

  @Test(
    "a plugin that never returns from DQBUF stalls the session, not the program",
    arguments: [PluginNode.polled, .blocking])
  func hangs(node: PluginNode) async throws {
    let directory = try TemporaryDirectory()
    let path = try node.make(in: directory, "hangs-after=6")
    var configuration = Self.configuration()
    configuration.deadlines.progress = .seconds(1)
    let encoder = try await H264Encoder.open(configuration, on: .path(path))
    let reader = Self.collect(encoder.packets)
    do {
      for index in 0..<100 { try await encoder.encode(Self.frame(Int64(index))) }
      Issue.record("all frames were taken")
    } catch {
      #expect((error as? EncoderError)?.code == .deviceStalled, "\(error)")
    }
    await encoder.close()
    do {
      _ = try await reader.value
      Issue.record("the packets ended without an error")
    } catch {
      #expect((error as? EncoderError)?.code == .deviceStalled, "\(error)")
    }
  }

  // MARK: - What the process holds

  private struct Holdings: Hashable {
    var descriptors: Int
    var threads: Int
    var mappings: Int
  }

  /// Descriptors, threads of the device and mappings of its memory.
  private static func holdings() throws -> Holdings {
    let files = FileManager.default
    let threads = try files.contentsOfDirectory(atPath: "/proc/self/task").count { task in
      let name = try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)
      return name?.hasPrefix("v4l2") == true
    }
    let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
    return Holdings(
      descriptors: try files.contentsOfDirectory(atPath: "/proc/self/fd").count,
      threads: threads,
      mappings: maps.split(separator: "\n").count { $0.contains("virtual-v4l2-encoder") })
  }

  /// For the first task that sleeps the Swift runtime opens descriptors of its own, and keeps them.
  private static func holdingsBefore() async throws -> Holdings {
    try await Task.sleep(for: .milliseconds(1))
    return try holdings()
  }

  /// Threads end a moment after `close` returned.
  private static func eventuallyHolds(_ expected: Holdings) async throws {
    try await eventually(within: .seconds(20), "the process holds what it held before") {
      try Self.holdings() == expected
    }
  }
}
