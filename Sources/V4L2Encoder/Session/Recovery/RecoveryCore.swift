/// Where an encoder with recovery stands; no I/O and no clock.
struct RecoveryCore {
  enum Phase {
    case working
    case recovering
    case failed(EncoderError)
    case closed
  }

  /// One of the encoders, counted from zero.
  struct Numbered {
    let number: Int
    let encoder: any VideoEncoder
  }

  /// Somebody who waits for a recovery.
  struct Waiter {
    let identity: UInt64
    /// Whether an encoder with packets is enough, or frames must be welcome too.
    let isReader: Bool
    /// Resumed with an error for whoever is not to wait any longer.
    let suspension: Suspension<EncoderError?>
  }

  /// What a caller may do.
  enum Admission { case encoder(Numbered), wait, refuse(EncoderError) }

  /// What the reader may do.
  enum Reading { case stream(Numbered), wait, end, failed(EncoderError) }

  private(set) var phase = Phase.working
  /// The encoder that is open; nil between two.
  private(set) var current: Numbered?
  /// The encoders whose packets are not all read, the open one last.
  private(set) var streams: [Numbered]
  /// What the next encoder begins with: what was in force at the last one's end.
  private(set) var configuration: EncoderConfiguration
  /// What the encoders that are gone have counted.
  private var earlier = EncoderStatistics()
  /// What they have measured; nil before a recovery.
  private(set) var earlierTelemetry: PacketTelemetry?
  private var report: NegotiationReport
  private var recoveries = 0
  private var framesLost = 0

  private var attempts = 0
  /// How many packets had come out at the last attempt.
  private var packetsBefore = 0
  /// What the open encoder failed with before it had all frames of the former one.
  private var earlyFailure: EncoderError?

  /// The encoders whose first packet is still to be marked.
  private var unmarked: [Int] = []
  /// Whether decode times may still lie before those of the former encoder.
  private var isBehind = false
  private var lastDecodeTime: Int64?

  private var waiters: [Waiter] = []
  private var lastIdentity: UInt64 = 0
  /// The recovery that is under way.
  var work: Task<Void, Never>?

  init(_ encoder: any VideoEncoder, _ configuration: EncoderConfiguration) {
    let first = Numbered(number: 0, encoder: encoder)
    current = first
    streams = [first]
    report = encoder.negotiated
    self.configuration = configuration
  }

  // MARK: - Callers and the reader

  /// Whether an encoder takes frames.
  func isWorking(_ number: Int) -> Bool {
    guard case .working = phase else { return false }
    return current?.number == number
  }

  var admission: Admission {
    switch phase {
    case .working: current.map { .encoder($0) } ?? .wait
    case .recovering: .wait
    case .failed(let error): .refuse(error)
    case .closed: .refuse(EncoderError(.closed, "the encoder is closed"))
    }
  }

  var reading: Reading {
    if let stream = streams.first { return .stream(stream) }
    switch phase {
    case .working, .closed: return .end
    case .recovering: return .wait
    case .failed(let error): return .failed(error)
    }
  }

  /// Marks the first packet of an encoder, and keeps decode times rising where the former encoder's
  /// packets had come further than its frames.
  mutating func deliver(_ packet: EncodedPacket, from number: Int) -> EncodedPacket {
    var packet = packet
    if let index = unmarked.firstIndex(of: number) {
      unmarked.remove(at: index)
      packet.isDiscontinuity = true
      isBehind = true
    }
    if isBehind, let lastDecodeTime {
      if packet.decodeTime > lastDecodeTime {
        isBehind = false
      } else {
        packet.decodeTime = max(
          packet.decodeTime, min(lastDecodeTime &+ 1, packet.presentationTime))
      }
    }
    lastDecodeTime = packet.decodeTime
    return packet
  }

  /// The packets of an encoder are all read.
  mutating func streamEnded(_ number: Int) {
    streams.removeAll { $0.number == number }
    unmarked.removeAll { $0 == number }
  }

  // MARK: - Recovery

  /// An encoder failed; true when that begins a recovery.
  mutating func failed(_ number: Int, _ error: EncoderError) -> Bool {
    guard number == current?.number else { return false }
    switch phase {
    case .working:
      phase = .recovering
      return true
    case .recovering:
      earlyFailure = earlyFailure ?? error
      return false
    case .failed, .closed: return false
    }
  }

  /// The number of the next attempt, counted from the last packet; nil when there are no more.
  mutating func nextAttempt(atMost limit: Int) -> Int? {
    guard case .recovering = phase else { return nil }
    if earlier.packetsOut > packetsBefore { attempts = 0 }
    packetsBefore = earlier.packetsOut
    guard attempts < limit else { return nil }
    attempts += 1
    return attempts
  }

  /// Another encoder is open; false when nobody wants it any more.
  mutating func adopt(_ encoder: any VideoEncoder, number: Int) -> Bool {
    guard case .recovering = phase else { return false }
    let next = Numbered(number: number, encoder: encoder)
    current = next
    streams.append(next)
    report = encoder.negotiated
    earlyFailure = nil
    unmarked.append(number)
    return true
  }

  /// The open encoder has all frames of the former one.
  mutating func finishRecovery() throws(EncoderError) {
    guard case .recovering = phase else {
      throw EncoderError(.closed, "the encoder was closed during its recovery")
    }
    if let earlyFailure { throw earlyFailure }
    phase = .working
    recoveries += 1
  }

  /// An encoder is closed for good.
  mutating func retire(_ encoder: any VideoEncoder, _ statistics: EncoderStatistics) {
    configuration = encoder.configuration
    report = encoder.negotiated
    var statistics = statistics
    statistics.framesDropped.ended = 0
    statistics.framesWaiting = 0
    earlier = statistics.following(earlier)
    if let measured = encoder.measured {
      earlierTelemetry = earlierTelemetry.map { measured.following($0) } ?? measured
    }
    current = nil
  }

  mutating func lost(_ count: Int) { framesLost += count }

  /// The next encoder does not take a frame that the former one took.
  mutating func refused() { earlier.framesDropped.refused += 1 }

  /// There will be no other encoder.
  mutating func giveUp(_ error: EncoderError) {
    guard case .recovering = phase else { return }
    phase = .failed(error)
  }

  /// Nobody wants an encoder any more; the open one and the work that must end.
  mutating func close() -> (Numbered?, Task<Void, Never>?) {
    phase = .closed
    return (current, work)
  }

  // MARK: - Numbers

  /// What is counted apart from what the open encoder has counted, which comes with it.
  var counted: (sum: EncoderStatistics, current: Numbered?) {
    var sum = earlier
    if let earlierTelemetry { sum.measure(earlierTelemetry) }
    sum.recoveries = recoveries
    sum.framesLost = framesLost
    switch phase {
    case .working, .recovering: sum.hasEnded = false
    case .failed, .closed: sum.hasEnded = true
    }
    return (sum, current)
  }

  var configurationInForce: EncoderConfiguration {
    current?.encoder.configuration ?? configuration
  }
  var negotiated: NegotiationReport { current?.encoder.negotiated ?? report }

  // MARK: - Waiters

  mutating func makeIdentity() -> UInt64 {
    lastIdentity += 1
    return lastIdentity
  }

  /// Enters a waiter unless there is nothing to wait for.
  mutating func enter(_ waiter: Waiter) -> Bool {
    guard case .recovering = phase, !(waiter.isReader && !streams.isEmpty) else { return false }
    waiters.append(waiter)
    return true
  }

  mutating func takeWaiter(_ identity: UInt64) -> Waiter? {
    guard let index = waiters.firstIndex(where: { $0.identity == identity }) else { return nil }
    return waiters.remove(at: index)
  }

  /// Takes out who need not wait any longer.
  mutating func takeReadyWaiters() -> [Waiter] {
    guard case .recovering = phase else {
      defer { waiters = [] }
      return waiters
    }
    return streams.isEmpty ? [] : takeWaiters { $0.isReader }
  }

  mutating func takeCallers() -> [Waiter] { takeWaiters { !$0.isReader } }

  private mutating func takeWaiters(where isTaken: (Waiter) -> Bool) -> [Waiter] {
    let taken = waiters.filter(isTaken)
    waiters.removeAll(where: isTaken)
    return taken
  }
}
