import Testing

@testable import V4L2Encoder

@Suite struct PendingFramesTests {
  private func table(_ times: [Int64]) -> (PendingFrames, [Int64]) {
    var frames = PendingFrames()
    let keys = times.map {
      frames.insert(
        presentationTime: $0, duration: 1, microseconds: $0, begun: .now, handedOver: .now)
    }
    return (frames, keys)
  }

  @Test func keysAreUniqueRisingAndNeverZero() {
    let (_, keys) = table([0, 0, 5, 3, -7, .max, 9, .min, 10])
    #expect(keys.first == 1)
    #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 })
    // The kernel stores nanoseconds in 64 bits: one wild time must not use up its range.
    #expect(keys.allSatisfy { $0 < Int64.max / 2000 })
  }

  @Test("keys advance as the times do", arguments: [0, 1_790_000_000_000_000, -5] as [Int64])
  func keysFollowTheTimes(start: Int64) {
    let (_, keys) = table([0, 40_000, 80_000, 80_000, 120_000].map { start + $0 })
    #expect(keys == [1, 40_001, 80_001, 80_002, 120_002])
  }

  @Test func matchReturnsTheCallersTime() {
    var (frames, keys) = table([100, 200, 300])
    let match = frames.match(key: keys[0], reorderDepth: 0)
    #expect(match?.frame.presentationTime == 100)
    #expect(match?.skippedCount == 0)
    #expect(frames.count == 2)
  }

  @Test func framesPassedOverAreSkipped() {
    var (frames, keys) = table([100, 200, 300, 400])
    expectEqual(frames.match(key: keys[2], reorderDepth: 0)?.skippedCount, 2)
    expectEqual(frames.takeSkipped()?.presentationTime, 100)
    expectEqual(frames.takeSkipped()?.presentationTime, 200)
    expectEqual(frames.match(key: keys[3], reorderDepth: 0)?.skippedCount, 0)
    #expect(frames.isEmpty)
  }

  @Test func reorderedFramesAreNotSkipped() {
    var (frames, keys) = table([0, 1, 2, 3])
    expectEqual(frames.match(key: keys[0], reorderDepth: 2)?.skippedCount, 0)
    expectEqual(frames.match(key: keys[3], reorderDepth: 2)?.skippedCount, 0)
    expectEqual(frames.match(key: keys[1], reorderDepth: 2)?.frame.presentationTime, 1)
    expectEqual(frames.match(key: keys[2], reorderDepth: 2)?.frame.presentationTime, 2)
  }

  @Test func unknownKeyMatchesNothing() {
    var (frames, _) = table([7])
    expectEqual(frames.match(key: 0, reorderDepth: 0)?.frame.key, nil)
    #expect(frames.count == 1)
    expectEqual(frames.matchOldest()?.presentationTime, 7)
  }
}

@Suite struct InputPoolTests {
  @Test func everyBufferIsHandedOutOnce() {
    var pool = InputPool(count: 3)
    expectEqual([pool.reserve(), pool.reserve(), pool.reserve()], [0, 1, 2])
    expectEqual(pool.reserve(), nil)
  }

  @Test func onlyTheDriversBuffersComeBackFromIt() throws {
    var pool = InputPool(count: 2)
    let reserved = pool.reserve()
    let index = try #require(reserved)
    expectEqual(pool.returnedByDriver(index), false)
    pool.handToDriver(index)
    #expect(pool.heldByDriver == 1)
    expectEqual(pool.returnedByDriver(1 - index), false)
    expectEqual(pool.returnedByDriver(99), false)
    expectEqual(pool.returnedByDriver(index), true)
    #expect(pool.heldByDriver == 0)
  }

  @Test func aRefusedBufferIsFreeAgain() throws {
    var pool = InputPool(count: 1)
    let reserved = pool.reserve()
    let index = try #require(reserved)
    pool.handToDriver(index)
    pool.takeBackFromDriver(index)
    pool.release(index)
    #expect(pool.heldByDriver == 0)
    expectEqual(pool.reserve(), index)
  }

  @Test func streamOffFreesTheDriversBuffersButNotALoan() throws {
    var pool = InputPool(count: 2)
    let reserved = (pool.reserve(), pool.reserve())
    let queued = try #require(reserved.0)
    let lent = try #require(reserved.1)
    pool.handToDriver(queued)
    pool.driverStopped()
    expectEqual(pool.reserve(), queued)
    expectEqual(pool.reserve(), nil)
    pool.release(lent)
    expectEqual(pool.reserve(), lent)
  }
}

@Suite struct PacketMailboxTests {
  private func packet(_ time: Int64) -> EncodedPacket {
    EncodedPacket(
      AccessUnit(
        codec: .h264, data: PacketData(copying: [0, 0, 0, 1]), isKeyFrame: false,
        hasParameterSets: false),
      presentationTime: time, decodeTime: time, duration: 1, isCorrupt: false,
      isTimeInferred: false, latency: .zero)
  }

  @Test func deliversInOrderThenEnds() async throws {
    let mailbox = PacketMailbox(capacity: 4) {}
    for time in Int64(0)..<3 { mailbox.deliver(packet(time)) }
    mailbox.finish(.success(()))
    var times: [Int64] = []
    for try await packet in PacketSequence(mailbox) { times.append(packet.presentationTime) }
    #expect(times == [0, 1, 2])
  }

  @Test func whatIsInsideComesBeforeTheFailure() async {
    let mailbox = PacketMailbox(capacity: 4) {}
    mailbox.deliver(packet(5))
    mailbox.finish(.failure(EncoderError(.deviceLost, "gone")))
    mailbox.finish(.success(()))
    var times: [Int64] = []
    do throws(EncoderError) {
      for try await packet in PacketSequence(mailbox) { times.append(packet.presentationTime) }
      Issue.record("the failure was lost")
    } catch {
      #expect(error.code == .deviceLost)
    }
    #expect(times == [5])
  }

  @Test func roomIsAnnouncedOnceAfterItWasMissing() async throws {
    let announcements = Locked(0)
    let mailbox = PacketMailbox(capacity: 1) { announcements.withLock { $0 += 1 } }
    #expect(mailbox.hasRoom())
    mailbox.deliver(packet(1))
    #expect(!mailbox.hasRoom())
    #expect(try await mailbox.next()?.presentationTime == 1)
    #expect(announcements.withLock { $0 } == 1)
    #expect(mailbox.hasRoom())
    mailbox.deliver(packet(2))
    _ = try await mailbox.next()
    #expect(announcements.withLock { $0 } == 1)
  }

  @Test func aCancelledReaderEnds() async throws {
    let mailbox = PacketMailbox(capacity: 1) {}
    let reader = Task { try await mailbox.next() }
    reader.cancel()
    #expect(try await reader.value == nil)
  }
}
