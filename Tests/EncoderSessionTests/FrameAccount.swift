import V4L2Encoder

/// What became of every frame of one session, from all that the session says.
///
/// Each frame is one of these: a packet, skipped, dropped for want of room, refused by `encode`, or
/// lost when the session failed or was closed over it. After a recovery, a picture in a buffer of
/// the device's own may be lost by name; after one that failed, the error has what is left.
final class FrameAccount: Sendable {
  private struct Book {
    var accepted: Set<Int64> = []
    var refused: Set<Int64> = []
    var packets: [(time: Int64, decodeTime: Int64)] = []
    var skipped: [Int64] = []
    var dropped: [Int64] = []
    var lost: [Int64] = []
    /// The place of the first key frame among the packets.
    var firstKeyFrame: Int?
    var readerIsPaused = false
    var failure: EncoderError?
    var recoveredFrom: [EncoderError] = []
    var isOver = false
  }

  private let book = Locked(Book())

  var observer: EncoderObserver {
    EncoderObserver(event: { event in
      self.book.withLock { book in
        switch event {
        case .frameSkipped(let time): book.skipped.append(time)
        case .frameDropped(let time, _): book.dropped.append(time)
        case .frameLost(let time): book.lost.append(time)
        case .recovering(let error): book.recoveredFrom.append(error)
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
  /// What the encoder was opened again for, once for each time that it failed.
  var recoveredFrom: [EncoderError] { book.withLock { $0.recoveredFrom } }
  /// Whether the reader has come to the end.
  var isOver: Bool { book.withLock { $0.isOver } }

  /// Reads packets in a task of its own until they end, slowly while the reader is paused.
  func read(
    _ packets: some AsyncSequence<EncodedPacket, EncoderError> & Sendable
  ) -> Task<Void, Never> {
    let packets = NotedPackets(packets, in: self)
    return Task {
      do throws(EncoderError) {
        for try await _ in packets {}
      } catch {
        // It is noted.
      }
    }
  }

  fileprivate func note(_ packet: EncodedPacket) async {
    book.withLock { book in
      book.packets.append((packet.presentationTime, packet.decodeTime))
      if book.firstKeyFrame == nil, packet.isKeyFrame {
        book.firstKeyFrame = book.packets.count - 1
      }
    }
    while book.withLock({ $0.readerIsPaused }) { try? await Task.sleep(for: .milliseconds(2)) }
  }

  fileprivate func noteEnd(_ failure: EncoderError?) {
    book.withLock { book in
      book.failure = failure
      book.isOver = true
    }
  }

  /// The times of the packets that were read, from the first key frame on.
  var timesFromKeyFrame: [Int64] {
    book.withLock { book in
      guard let first = book.firstKeyFrame else { return [] }
      return book.packets[first...].map(\.time)
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
    // The frames that a recovery gave up are in the error's hands.
    let notEncoded = book.failure?.framesNotEncoded.map(\.presentationTime) ?? []
    let settled = out + book.skipped + book.dropped + book.lost + notEncoded
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
    // A lent buffer that outlived its device is accepted, and lost before any encoder counts it.
    let counted = statistics.framesIn + statistics.framesDropped.total
    check(
      (book.accepted.count - book.lost.count...book.accepted.count).contains(counted),
      "\(statistics.framesIn) frames and \(statistics.framesDropped) counted, "
        + "\(book.accepted.count) accepted")
    check(
      statistics.framesDropped.total == book.dropped.count,
      "\(statistics.framesDropped) counted, \(book.dropped.count) drops told")
    check(
      statistics.packetsOut == out.count,
      "\(statistics.packetsOut) packets counted, \(out.count) read")
    check(
      statistics.framesLost == book.lost.count,
      "\(statistics.framesLost) losses counted, \(book.lost.count) told")
    check(
      statistics.framesSkipped == book.skipped.count,
      "\(statistics.framesSkipped) skips counted, \(book.skipped.count) told")
    return found
  }
}

extension FrameAccount {
  /// Encodes a picture as the encoder wants them, and notes whether it was accepted.
  func encode(
    _ time: Int64, with encoder: some VideoEncoder, asKeyFrame isKeyFrame: Bool = false
  ) async throws {
    let wanted = encoder.configuration
    try await note(time) {
      try await encoder.encode(
        Harness.frame(time, size: wanted.size, format: wanted.inputFormat),
        options: FrameOptions(forceKeyFrame: isKeyFrame))
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

/// Packets that are noted in an account on their way to whoever reads them.
struct NotedPackets<Base: AsyncSequence<EncodedPacket, EncoderError> & Sendable>: AsyncSequence,
  Sendable
{
  typealias Element = EncodedPacket
  typealias Failure = EncoderError

  private let base: Base
  private let account: FrameAccount

  init(_ base: Base, in account: FrameAccount) {
    self.base = base
    self.account = account
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: base.makeAsyncIterator(), account: account)
  }

  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var base: Base.AsyncIterator
    fileprivate let account: FrameAccount

    mutating func next() async throws(EncoderError) -> EncodedPacket? {
      try await next(isolation: nil)
    }

    mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(EncoderError) -> EncodedPacket? {
      do throws(EncoderError) {
        guard let packet = try await base.next(isolation: actor) else {
          account.noteEnd(nil)
          return nil
        }
        await account.note(packet)
        return packet
      } catch {
        account.noteEnd(error)
        throw error
      }
    }
  }
}
