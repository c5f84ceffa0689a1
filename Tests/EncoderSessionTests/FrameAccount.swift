import V4L2Encoder

/// What became of every frame of one session, from all that the session says.
///
/// Each frame is one of these: a packet, skipped, dropped for want of room, refused by `encode`, or
/// lost when the session failed or was closed over it.
final class FrameAccount: Sendable {
  private struct Book {
    var accepted: Set<Int64> = []
    var refused: Set<Int64> = []
    var packets: [(time: Int64, decodeTime: Int64)] = []
    var skipped: [Int64] = []
    var dropped: [Int64] = []
    var readerIsPaused = false
    var failure: EncoderError?
    var isOver = false
  }

  private let book = Locked(Book())

  var observer: EncoderObserver {
    EncoderObserver(event: { event in
      self.book.withLock { book in
        switch event {
        case .frameSkipped(let time): book.skipped.append(time)
        case .frameDropped(let time, _): book.dropped.append(time)
        default: break
        }
      }
    })
  }

  func accept(_ time: Int64) { _ = book.withLock { $0.accepted.insert(time) } }
  func refuse(_ time: Int64) { _ = book.withLock { $0.refused.insert(time) } }
  func pauseReader(_ isPaused: Bool) { book.withLock { $0.readerIsPaused = isPaused } }

  /// The error that the reader was told, if the session failed.
  var failure: EncoderError? { book.withLock { $0.failure } }
  /// Whether the reader has come to the end.
  var isOver: Bool { book.withLock { $0.isOver } }

  /// Reads packets in a task of its own until they end, slowly while the reader is paused.
  func read(_ packets: PacketSequence) -> Task<Void, Never> {
    Task {
      do throws(EncoderError) {
        for try await packet in packets {
          book.withLock { $0.packets.append((packet.presentationTime, packet.decodeTime)) }
          while book.withLock({ $0.readerIsPaused }) {
            try? await Task.sleep(for: .milliseconds(2))
          }
        }
      } catch {
        book.withLock { $0.failure = error }
      }
      book.withLock { $0.isOver = true }
    }
  }

  /// What does not add up at the end of the session.
  ///
  /// - Parameters:
  ///   - statistics: what the encoder has counted.
  ///   - lossIsExplained: whether the session failed, or was closed over frames.
  ///   - orderIsKnown: whether frames were queued in the order of their times.
  /// - Returns: one line for each contradiction.
  func contradictions(
    _ statistics: EncoderStatistics, lossIsExplained: Bool, orderIsKnown: Bool
  ) -> [String] {
    let book = book.withLock { $0 }
    var found: [String] = []
    func check(_ isRight: Bool, _ text: @autoclosure () -> String) {
      if !isRight { found.append(text()) }
    }
    let out = book.packets.map(\.time)
    let settled = out + book.skipped + book.dropped
    check(Set(settled).count == settled.count, "a frame came out twice: \(settled.sorted())")
    let unasked = Set(settled).subtracting(book.accepted)
    check(unasked.isEmpty, "fates of frames that were not accepted: \(unasked.sorted())")
    let missing = book.accepted.subtracting(settled)
    check(missing.isEmpty || lossIsExplained, "frames without a fate: \(missing.sorted())")
    check(
      book.accepted.isDisjoint(with: book.refused),
      "accepted and refused: \(book.accepted.intersection(book.refused).sorted())")
    check(!orderIsKnown || out == out.sorted(), "packets out of order: \(out)")
    check(
      zip(book.packets, book.packets.dropFirst()).allSatisfy { $0.decodeTime <= $1.decodeTime }
        || !orderIsKnown, "decode times go back: \(book.packets)")
    check(book.packets.allSatisfy { $0.decodeTime <= $0.time }, "decoded after it is shown")
    check(
      statistics.framesIn + statistics.framesDropped.total == book.accepted.count,
      "\(statistics.framesIn) frames and \(statistics.framesDropped) counted, "
        + "\(book.accepted.count) accepted")
    check(
      statistics.framesDropped.total == book.dropped.count,
      "\(statistics.framesDropped) counted, \(book.dropped.count) drops told")
    // A packet may be ready just when the reader is told of a failure.
    check(
      statistics.packetsOut == out.count || (lossIsExplained && statistics.packetsOut > out.count),
      "\(statistics.packetsOut) packets counted, \(out.count) read")
    check(
      statistics.framesSkipped == book.skipped.count,
      "\(statistics.framesSkipped) skips counted, \(book.skipped.count) told")
    return found
  }
}

extension FrameAccount {
  /// Encodes a picture and notes whether it was accepted.
  func encode<Codec: CodecTag>(
    _ time: Int64, with encoder: V4L2VideoEncoder<Codec>, asKeyFrame isKeyFrame: Bool = false
  ) async throws {
    try await note(time) {
      try await encoder.encode(
        Harness.frame(time), options: FrameOptions(forceKeyFrame: isKeyFrame))
    }
  }

  func note(_ time: Int64, _ encode: () async throws -> Void) async throws {
    do {
      try await encode()
      accept(time)
    } catch {
      refuse(time)
      throw error
    }
  }
}
