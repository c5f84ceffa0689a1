import TestSupport
import V4L2Encoder
import VirtualV4L2Device

/// The encoder of a random run, from its opening to its end, and those who read its packets.
struct RandomSubject: Sendable {
  let encoder: any VideoEncoder
  let account: FrameAccount
  private let reader: Task<Void, Never>
  private let readersOfCopies: [BroadcastReader]

  static func open(_ plan: RandomPlan, on device: VirtualDevice) async throws -> RandomSubject {
    let account = FrameAccount()
    let encoder: any VideoEncoder =
      switch plan.codec {
      case .hevc: try await open(HEVC.self, plan, on: device, account.observer)
      default: try await open(H264.self, plan, on: device, account.observer)
      }
    guard let capacity = plan.broadcastCapacity else {
      return RandomSubject(
        encoder: encoder, account: account, reader: account.read(encoder.packets),
        readersOfCopies: [])
    }
    let broadcast = PacketBroadcast()
    let policies: [PacketBroadcast.Policy] = [
      .wait(capacity: capacity, patience: .seconds(9)), .dropToNextKeyFrame(capacity: capacity),
    ]
    let readers = policies.map { BroadcastReader($0, of: broadcast) }
    return RandomSubject(
      encoder: encoder, account: account,
      reader: feed(broadcast, encoder.packets, notedIn: account), readersOfCopies: readers)
  }

  private static func open<Codec: CodecTag>(
    _: Codec.Type, _ plan: RandomPlan, on device: VirtualDevice, _ observer: EncoderObserver
  ) async throws -> any VideoEncoder {
    let selector = DeviceSelector.virtual(device)
    guard plan.recovers else {
      return try await V4L2VideoEncoder<Codec>.open(
        plan.configuration, on: selector, observer: observer)
    }
    return try await V4L2VideoEncoder<Codec>.open(
      plan.configuration, on: selector,
      recovery: RecoveryPolicy(attempts: 4, firstPause: .milliseconds(5), limit: .seconds(15)),
      observer: observer)
  }

  private static func feed(
    _ broadcast: PacketBroadcast,
    _ packets: some AsyncSequence<EncodedPacket, EncoderError> & Sendable,
    notedIn account: FrameAccount
  ) -> Task<Void, Never> {
    let packets = NotedPackets(packets, in: account)
    // Its error is noted.
    return Task { try? await broadcast.run(packets) }
  }

  /// Waits for the readers to come to the end; what those of a broadcast should not have seen.
  func readToTheEnd() async -> [String] {
    await reader.value
    var contradictions: [String] = []
    for reader in readersOfCopies {
      contradictions += await reader.contradictions(packets: account.timesFromKeyFrame)
    }
    return contradictions
  }
}

/// A reader of a broadcast who pauses now and then.
private struct BroadcastReader: Sendable {
  private let policy: PacketBroadcast.Policy
  private let packets: PacketBroadcast.Reader
  private let reading: Task<[EncodedPacket], Never>

  init(_ policy: PacketBroadcast.Policy, of broadcast: PacketBroadcast) {
    self.policy = policy
    let packets = broadcast.subscribe(policy)
    self.packets = packets
    reading = Task {
      var all: [EncodedPacket] = []
      do throws(EncoderError) {
        for try await packet in packets {
          all.append(packet)
          if all.count.isMultiple(of: 5) { try? await Task.sleep(for: .milliseconds(2)) }
        }
      } catch {
        // Whoever feeds the broadcast is told as well.
      }
      return all
    }
  }

  /// What does not add up at the end of the session.
  ///
  /// - Parameter times: the times of all packets from the first key frame on, in their order.
  /// - Returns: one line for each contradiction.
  func contradictions(packets times: [Int64]) async -> [String] {
    let read = await reading.value
    let statistics = packets.statistics
    var found: [String] = []
    if statistics.packetsQueued != read.count {
      found.append("\(policy): \(read.count) packets read, \(statistics)")
    }
    if statistics.packetsQueued + statistics.packetsDropped != times.count {
      found.append("\(policy): \(times.count) packets came, \(statistics)")
    }
    if case .wait = policy, statistics.packetsDropped > 0 {
      found.append("\(policy): \(statistics.packetsDropped) packets dropped")
    }
    var place = times.startIndex
    for packet in read {
      guard let next = times[place...].firstIndex(of: packet.presentationTime) else {
        found.append("\(policy): \(packet.presentationTime) is out of order")
        break
      }
      if next > place, !packet.isKeyFrame {
        found.append("\(policy): behind a gap \(packet.presentationTime) is no key frame")
      }
      place = next + 1
    }
    return found
  }
}
