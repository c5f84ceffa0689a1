import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// The hand-over of packets: what it keeps, and whom it wakes.
@Suite(.timeLimit(.minutes(1))) struct MailboxTests {
  private func packet(_ time: Int64, _ data: PacketData) -> EncodedPacket {
    EncodedPacket(
      AccessUnit(codec: .h264, data: data, isKeyFrame: false, hasParameterSets: false),
      presentationTime: time, decodeTime: time, duration: 1, isCorrupt: false,
      isTimeInferred: false, latency: .zero)
  }

  /// A reference that does not keep its object alive.
  private struct Trace {
    weak var data: PacketData?
  }

  @Test("a mailbox that is never empty keeps none of the packets that were taken")
  func takenPacketsAreReleased() async throws {
    let capacity = 4
    let mailbox = PacketMailbox(capacity: capacity) {}
    var traces: [Trace] = []
    func deliver(_ time: Int64) {
      let data = PacketData(copying: [UInt8(truncatingIfNeeded: time)])
      traces.append(Trace(data: data))
      mailbox.deliver(packet(time, data))
    }
    deliver(0)
    deliver(1)
    for time in Int64(2)..<2000 {
      #expect(try await mailbox.next()?.presentationTime == time - 2)
      deliver(time)
      #expect(traces[Int(time) - 2].data == nil)
    }
    #expect(traces.count { $0.data != nil } == 2)
  }

  @Test func packetsComeInOrderWhereverTheyLieInTheRing() async throws {
    let mailbox = PacketMailbox(capacity: 3) {}
    var (delivered, taken) = (Int64(0), Int64(0))
    for round in 0..<30 {
      for _ in 0...(round % 3) {
        #expect(mailbox.hasRoom())
        mailbox.deliver(packet(delivered, PacketData(copying: [0])))
        delivered += 1
      }
      #expect(mailbox.hasRoom() == (round % 3 < 2))
      while taken < delivered {
        #expect(try await mailbox.next()?.presentationTime == taken)
        taken += 1
      }
    }
  }

  @Test func roomIsAnnouncedOnceToWhoeverMissedIt() async throws {
    let announcements = Locked(0)
    let mailbox = PacketMailbox(capacity: 2) { announcements.withLock { $0 += 1 } }
    for time in Int64(0)..<2 { mailbox.deliver(packet(time, PacketData(copying: [0]))) }
    #expect(!mailbox.hasRoom())
    _ = try await mailbox.next()
    _ = try await mailbox.next()
    #expect(announcements.withLock { $0 } == 1)
    #expect(mailbox.hasRoom())
  }

  @Test("every reader hears of the end, however many wait", arguments: 1...10)
  func everyReaderEnds(round: Int) async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    let starts = [Gate(), Gate(), Gate()]
    let readers = starts.map { start in
      Task { () -> Int in
        start.open()
        var count = 0
        for try await _ in encoder.packets { count += 1 }
        return count
      }
    }
    try await eventually("every reader has started") { starts.allSatisfy(\.isOpenNow) }
    try await encoder.encode(Harness.frame(0))
    try await encoder.drain()
    await encoder.close()
    var count = 0
    for reader in readers {
      count += try await withDeadline(.seconds(10), "a reader") { try await reader.value }
    }
    #expect(count == 1)
  }

  @Test func packetsThatAreOutCanBeReadAfterTheEnd() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.keyFrameInterval = 1 }, on: .virtual(Harness.device()))
    for time in Int64(0)..<4 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    await encoder.close()
    var times: [Int64] = []
    for try await packet in encoder.packets { times.append(packet.presentationTime) }
    #expect(times == [0, 1, 2, 3])
  }
}
