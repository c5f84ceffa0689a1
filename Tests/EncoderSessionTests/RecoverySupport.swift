import Glibc
import TestSupport
import V4L2Encoder
import VirtualV4L2Device

/// One run of an encoder with recovery: what its reader got and what was reported.
final class RecoveryRun: Sendable {
  let encoder: RecoveringEncoder
  private let received = PacketList()
  private let reported: EventLog
  private let reader: Task<EncoderError?, Never>

  /// What an observer was told.
  final class EventLog: Sendable {
    private let log = Locked<[EncoderEvent]>([])
    var events: [EncoderEvent] { log.withLock { $0 } }
    var observer: EncoderObserver {
      EncoderObserver(event: { event in self.log.withLock { $0.append(event) } })
    }
  }

  private init(_ encoder: RecoveringEncoder, _ reported: EventLog) {
    self.encoder = encoder
    self.reported = reported
    let (packets, received) = (encoder.packets, received)
    reader = Task {
      do throws(EncoderError) {
        for try await packet in packets { received.append(packet) }
        return nil
      } catch {
        return error
      }
    }
  }

  /// Deadlines short enough to find out soon what hangs, and long enough that a busy machine does
  /// not pass for a device that hangs: each test counts the recoveries.
  static func configuration(
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) -> EncoderConfiguration {
    Harness.configuration {
      $0.deadlines.progress = .milliseconds(1500)
      $0.deadlines.setup = .seconds(4)
      change(&$0)
    }
  }

  /// Many quick attempts.
  static var policy: RecoveryPolicy { RecoveryPolicy(firstPause: .milliseconds(5)) }

  /// A policy that never comes to an end by itself.
  static let slow = RecoveryPolicy(
    attempts: 100, firstPause: .seconds(60), longestPause: .seconds(60), limit: .seconds(3600))

  static func open<Codec: CodecTag>(
    _ codec: Codec.Type = H264.self, on device: DeviceSelector,
    _ configuration: EncoderConfiguration = configuration(), policy: RecoveryPolicy = policy,
    onDeviceLost: RecoveringEncoder.Replacement? = nil
  ) async throws -> RecoveryRun {
    let events = EventLog()
    let encoder = try await V4L2VideoEncoder<Codec>.open(
      configuration, on: device, recovery: policy, observer: events.observer,
      onDeviceLost: onDeviceLost)
    return RecoveryRun(encoder, events)
  }

  /// Loses its device after five packets, and cannot open it again.
  static func openLost(
    policy: RecoveryPolicy, onDeviceLost: RecoveringEncoder.Replacement? = nil
  ) async throws -> (RecoveryRun, VirtualDevice) {
    let device = try Harness.device()
    let run = try await open(on: .virtual(device), policy: policy, onDeviceLost: onDeviceLost)
    device.inject(
      .failing(.dequeuePacket, with: .noDevice, at: 5),
      .failing(.open, with: .noDevice, times: .max))
    return (run, device)
  }

  func encode(_ times: Range<Int64>) async throws {
    for time in times { try await encoder.encode(Harness.frame(time)) }
  }

  /// Drains, closes and reads to the end.
  func finish() async throws -> Outcome {
    try await withDeadline(.seconds(50), "the end of the run") { [self] in
      try await encoder.drain()
      await encoder.close()
      let error = await reader.value
      return Outcome(
        packets: received.all, events: reported.events, statistics: encoder.statistics,
        error: error)
    }
  }

  /// What the reader ends with.
  func readerError() async throws -> EncoderError? {
    try await withDeadline(.seconds(50), "the reader's end") { [reader] in await reader.value }
  }

  var times: [Int64] { received.all.map(\.presentationTime) }
  var events: [EncoderEvent] { reported.events }

  struct Outcome: Sendable {
    var packets: [EncodedPacket]
    var events: [EncoderEvent]
    var statistics: EncoderStatistics
    var error: EncoderError?

    var times: [Int64] { packets.map(\.presentationTime) }
    /// Where another encoder's packets begin.
    var discontinuities: [Int] { packets.indices.filter { packets[$0].isDiscontinuity } }
    var recoveries: [EncoderRecovery] {
      events.compactMap { event in
        guard case .recovered(let recovery) = event else { return nil }
        return recovery
      }
    }
    var decodeTimesRise: Bool {
      zip(packets, packets.dropFirst()).allSatisfy { $0.decodeTime < $1.decodeTime }
        && packets.allSatisfy { $0.decodeTime <= $0.presentationTime }
    }
  }
}

extension Errno {
  /// What a device answers that is gone.
  static var noDevice: Errno { Errno(rawValue: ENODEV) }
}

/// A list that grows behind a lock.
private final class PacketList: Sendable {
  private let packets = Locked<[EncodedPacket]>([])
  var all: [EncodedPacket] { packets.withLock { $0 } }
  func append(_ packet: EncodedPacket) { packets.withLock { $0.append(packet) } }
}
