import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// One encoder's packets for several readers.
@Suite(.timeLimit(.minutes(1))) struct BroadcastTests {
  /// Packets that the test hands over one by one, every fifth of them a key frame.
  private struct Feed {
    let mailbox = PacketMailbox(capacity: 1000) {}
    var packets: PacketSequence { PacketSequence(mailbox) }

    func deliver(_ times: Range<Int64>) {
      for time in times {
        let unit = AccessUnit(
          codec: .h264, data: PacketData(copying: [UInt8(truncatingIfNeeded: time)]),
          isKeyFrame: time % 5 == 0, hasParameterSets: false)
        mailbox.deliver(
          EncodedPacket(
            unit, presentationTime: time, decodeTime: time, duration: 1, isCorrupt: false,
            isTimeInferred: false, latency: .zero))
      }
    }

    func end(_ completion: Result<Void, EncoderError> = .success(())) {
      mailbox.finish(completion)
    }

    /// Runs a broadcast in a task of its own.
    func run(_ broadcast: PacketBroadcast) -> Task<Void, any Error> {
      Task { try await broadcast.run(packets) }
    }
  }

  private func times(_ reader: PacketBroadcast.Reader) async throws -> [Int64] {
    try await withDeadline(.seconds(20), "a reader") {
      var times: [Int64] = []
      for try await packet in reader { times.append(packet.presentationTime) }
      return times
    }
  }

  @Test func everyReaderGetsTheSameBytesWithoutACopy() async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    let readers = [
      broadcast.subscribe(.wait(capacity: 30)),
      broadcast.subscribe(.dropToNextKeyFrame(capacity: 30)),
    ]
    feed.deliver(0..<20)
    feed.end()
    try await broadcast.run(feed.packets)
    var data: [[ObjectIdentifier]] = []
    for reader in readers {
      var identities: [ObjectIdentifier] = []
      var packets: [EncodedPacket] = []
      for try await packet in reader {
        packets.append(packet)
        identities.append(ObjectIdentifier(packet.data))
      }
      #expect(packets.map(\.presentationTime) == Array(0..<20))
      data.append(identities)
    }
    #expect(data[0] == data[1])
  }

  @Test func aReaderThatDropsLosesUpToTheNextKeyFrameAndHoldsUpNobody() async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    // Packets are offered in the order of the subscriptions: what the second has, the first had.
    let slow = broadcast.subscribe(.dropToNextKeyFrame(capacity: 3))
    let fast = broadcast.subscribe(.wait(capacity: 100))
    let running = feed.run(broadcast)
    feed.deliver(0..<12)
    try await eventually("all are handed out") { fast.statistics.packetsQueued == 12 }
    #expect(slow.statistics.packetsWaiting == 3)
    #expect(slow.statistics.packetsDropped == 9 && slow.statistics.gaps == 1)
    var iterator = slow.makeAsyncIterator()
    for time in Int64(0)..<3 { #expect(try await iterator.next()?.presentationTime == time) }
    feed.deliver(12..<17)
    feed.end()
    try await running.value
    var rest: [Int64] = []
    while let packet = try await iterator.next() { rest.append(packet.presentationTime) }
    #expect(rest == [15, 16])
    #expect(slow.statistics.packetsDropped == 12 && slow.statistics.gaps == 1)
    #expect(try await times(fast) == Array(0..<17))
    #expect(fast.statistics.packetsDropped == 0)
  }

  @Test func aReaderThatMustLoseNothingHoldsUpTheEncoderUntilItReads() async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    let recording = broadcast.subscribe(.wait(capacity: 4, patience: .seconds(60)))
    let stream = broadcast.subscribe(.dropToNextKeyFrame(capacity: 100))
    let running = feed.run(broadcast)
    feed.deliver(0..<20)
    feed.end()
    // The fifth packet is out of the encoder and waits; whoever needs not wait has it.
    try await eventually("the recording is full") { stream.statistics.packetsQueued == 5 }
    #expect(feed.mailbox.waitingCount == 15)
    #expect(try await times(recording) == Array(0..<20))
    try await running.value
    #expect(try await times(stream) == Array(0..<20))
  }

  @Test func patienceEndsForTheReaderThatIsTooSlowAlone() async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    let stuck = broadcast.subscribe(.wait(capacity: 2, patience: .milliseconds(50)))
    let other = broadcast.subscribe(.wait(capacity: 100))
    feed.deliver(0..<10)
    feed.end()
    try await withDeadline(.seconds(20), "the broadcast") { try await broadcast.run(feed.packets) }
    #expect(try await times(other) == Array(0..<10))
    var seen: [Int64] = []
    let error = try await encoderError {
      for try await packet in stuck { seen.append(packet.presentationTime) }
    }
    #expect(seen == [0, 1])
    #expect(error?.code == .consumerStalled)
    #expect(error?.message.contains("dropToNextKeyFrame") == true)
  }

  @Test func lateReadersStartAtAKeyFrameAndMayAskForOne() async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    let first = broadcast.subscribe(.wait(capacity: 100), requestsKeyFrames: true)
    #expect(!broadcast.takeKeyFrameRequest())
    let running = feed.run(broadcast)
    feed.deliver(0..<7)
    try await eventually("seven are out") { first.statistics.packetsQueued == 7 }
    let silent = broadcast.subscribe(.wait(capacity: 100))
    #expect(!broadcast.takeKeyFrameRequest())
    let asking = broadcast.subscribe(.wait(capacity: 100), requestsKeyFrames: true)
    #expect(broadcast.takeKeyFrameRequest())
    #expect(!broadcast.takeKeyFrameRequest())
    // As when the frame it was taken for is refused.
    broadcast.putBackKeyFrameRequest()
    #expect(broadcast.takeKeyFrameRequest())
    #expect(!broadcast.takeKeyFrameRequest())
    feed.deliver(7..<12)
    feed.end()
    try await running.value
    #expect(try await times(silent) == [10, 11])
    #expect(try await times(asking) == [10, 11])
    #expect(asking.statistics.packetsDropped == 0)
  }

  @Test func afterALossAKeyFrameIsAskedForOnceEverythingIsRead() async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    let reader = broadcast.subscribe(.dropToNextKeyFrame(capacity: 2), requestsKeyFrames: true)
    let running = feed.run(broadcast)
    feed.deliver(0..<3)
    try await eventually("one is lost") { reader.statistics.packetsDropped == 1 }
    #expect(!broadcast.takeKeyFrameRequest())
    var iterator = reader.makeAsyncIterator()
    for _ in 0..<2 { _ = try await iterator.next() }
    #expect(broadcast.takeKeyFrameRequest())
    #expect(!broadcast.takeKeyFrameRequest())
    feed.deliver(3..<6)
    feed.end()
    try await running.value
    #expect(try await iterator.next()?.presentationTime == 5)
  }

  @Test("a reader that goes away is forgotten", arguments: ["break", "dropped", "cancelled"])
  func readersThatGo(how: String) async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    let other = broadcast.subscribe(.wait(capacity: 100))
    // Were it remembered, the broadcast would wait for it longer than the test may take.
    var reader: PacketBroadcast.Reader? = broadcast.subscribe(
      .wait(capacity: 1, patience: .seconds(600)))
    let running = feed.run(broadcast)
    feed.deliver(0..<10)
    try await eventually("it holds the others up") { other.statistics.packetsQueued == 2 }
    switch how {
    case "break":
      if let reader { for try await _ in reader { break } }
    case "cancelled":
      if let reader {
        let task = Task { for try await _ in reader {} }
        try await eventually("it has read all") { reader.statistics.packetsQueued == 10 }
        task.cancel()
        try await task.value
      }
    default: reader = nil
    }
    feed.deliver(10..<30)
    feed.end()
    try await withDeadline(.seconds(20), "the broadcast") { try await running.value }
    #expect(other.statistics.packetsQueued == 30)
    _ = reader
  }

  @Test func errorsReachEveryReaderBehindItsPackets() async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    let readers = [
      broadcast.subscribe(.wait(capacity: 9)),
      broadcast.subscribe(.dropToNextKeyFrame(capacity: 9)),
    ]
    feed.deliver(0..<3)
    feed.end(.failure(EncoderError(.deviceLost, "gone")))
    let failure = try await encoderError { try await broadcast.run(feed.packets) }
    #expect(failure?.code == .deviceLost)
    for reader in readers + [broadcast.subscribe(.wait(capacity: 1))] {
      var count = 0
      let error = try await encoderError { for try await _ in reader { count += 1 } }
      #expect(error?.code == .deviceLost)
      #expect(count == reader.statistics.packetsQueued)
    }
    let again = try await encoderError { try await broadcast.run(feed.packets) }
    #expect(again?.code == .invalidConfiguration)
  }

  @Test("readers hear when the feeding is cancelled", arguments: [true, false])
  func cancelledFeeding(isHeldUp: Bool) async throws {
    let (feed, broadcast) = (Feed(), PacketBroadcast())
    let reader = broadcast.subscribe(.wait(capacity: 2, patience: .seconds(600)))
    let witness = broadcast.subscribe(.dropToNextKeyFrame(capacity: 9))
    let running = feed.run(broadcast)
    let count: Int64 = isHeldUp ? 3 : 2
    feed.deliver(0..<count)
    try await eventually("they are out") { witness.statistics.packetsQueued == Int(count) }
    running.cancel()
    try await withDeadline(.seconds(20), "the broadcast") { try await running.value }
    for reader in [reader, witness] {
      let error = try await encoderError { for try await _ in reader {} }
      #expect(error?.code == .cancelled)
    }
  }

  @Test func aBroadcastThatNeverRunsEndsItsReaders() async throws {
    let reader = PacketBroadcast().subscribe(.wait(capacity: 1))
    let error = try await encoderError { for try await _ in reader {} }
    #expect(error?.code == .closed)
  }

  @Test func anEncoderIsRecordedAndStreamedWithAKeyFrameForWhoeverJoins() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.keyFrameInterval = 1000 }, on: .virtual(Harness.device()))
    let broadcast = PacketBroadcast()
    let recording = broadcast.subscribe(.wait(capacity: 8))
    let running = Task { try await broadcast.run(encoder.packets) }
    let recorded = Task { try await times(recording) }
    func encode(_ range: Range<Int64>) async throws {
      for time in range {
        let options = FrameOptions(forceKeyFrame: broadcast.takeKeyFrameRequest())
        try await encoder.encode(Harness.frame(time), options: options)
      }
      try await encoder.drain()
    }
    try await encode(0..<20)
    try await eventually("they are out") { recording.statistics.packetsQueued == 20 }
    let stream = broadcast.subscribe(.dropToNextKeyFrame(capacity: 50), requestsKeyFrames: true)
    try await encode(20..<40)
    await encoder.close()
    try await running.value
    #expect(try await recorded.value == Array(0..<40))
    #expect(try await times(stream) == Array(20..<40))
  }
}
