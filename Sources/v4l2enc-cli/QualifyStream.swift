internal import Synchronization
internal import V4L2Encoder

/// What the packets of a stream were like.
final class PacketFindings: Sendable {
  struct Counts: Sendable {
    /// Packets whose bytes are no picture that can be read.
    var unreadable = 0
    /// Packets that belong to no frame.
    var unmatched = 0
    fileprivate var hasBegun = false
  }

  private let state = Locked(Counts())

  /// What was found so far.
  var counts: Counts { state.withLock { $0 } }

  /// A packet came that belongs to no frame.
  func noteUnmatched() { state.withLock { $0.unmatched += 1 } }

  /// Looks at a packet of a stream of this size, whose quantizers were measured.
  func look(at packet: EncodedPacket, size: VideoSize) {
    state.withLock { counts in
      let isGood = Self.isReadable(packet) && (counts.hasBegun || Self.begins(packet, size))
      if !isGood { counts.unreadable += 1 }
      counts.hasBegun = true
    }
  }

  /// Whether every slice of the picture can be read; FWHT has none.
  private static func isReadable(_ packet: EncodedPacket) -> Bool {
    packet.codec == .fwht || packet.averageQuantizer != nil
  }

  /// Whether a decoder can start here, with pictures of this size.
  private static func begins(_ packet: EncodedPacket, _ size: VideoSize) -> Bool {
    guard packet.codec != .fwht else { return packet.isKeyFrame }
    let set = SequenceParameterSet.first(in: packet.bytes, codec: packet.codec)
    return packet.isKeyFrame && packet.hasParameterSets && set?.visibleSize == size
  }
}

/// The end of a step before its time: somebody wants the command to stop, or what was found is
/// enough.
final class StepEnd: Sendable {
  private let stop: StopRequest
  private let isEnough = Atomic(false)

  init(_ stop: StopRequest) { self.stop = stop }

  /// Whether the step is to end.
  var isRaised: Bool { stop.isRaised || isEnough.load(ordering: .relaxed) }

  /// Ends it.
  func raise() { isEnough.store(true, ordering: .relaxed) }
}

/// One stream of a step: the moving test picture at its frame rate, and a reader that looks at
/// every packet.
final class QualifyStream: Sendable {
  /// How it ended.
  struct Result: Sendable {
    var framesIn = 0
    /// Frames that were due and for which there was no time.
    var framesMissed = 0
    /// From the first frame to the last.
    var elapsed = Duration.zero
    /// What ended it early.
    var failure: CommandError?
    /// Whether a request to the device has not come back.
    var hangs = false

    /// Frames per second.
    var frameRate: Double {
      let seconds = Double(elapsed.inNanoseconds) / 1e9
      return framesIn > 1 && seconds > 0 ? Double(framesIn - 1) / seconds : 0
    }
  }

  let encoder: any VideoEncoder
  let findings: PacketFindings
  private let source: TestSource
  private let end: StepEnd
  private let watch: StallWatch

  /// Opens an encoder of its own.
  init(
    _ source: TestSource, _ plan: EncodePlan, on device: String, _ console: Console,
    _ end: StepEnd
  ) async throws(CommandError) {
    let findings = PacketFindings()
    let observer = EncoderObserver(level: .debug) { _, message in
      console.detail(message)
    } event: { event in
      if case .unmatchedPacket = event { findings.noteUnmatched() }
    }
    encoder = try await DeviceChoice.open(device, plan, observer: observer, console: console)
    self.findings = findings
    self.source = source
    self.end = end
    watch = StallWatch(plan.configuration.deadlines, frameRate: source.description.frameRate)
  }

  /// Encodes for this long, or until a stop is asked for or something fails.
  func run(for duration: Duration) async -> Result {
    let thread: WorkerThread
    do throws(CommandError) { thread = try WorkerThread() } catch {
      return Result(failure: error)
    }
    defer { thread.stop() }
    let (ends, said) = AsyncStream.makeStream(of: Result.self)
    let reading = Task { await self.read() }
    let feeding = Task(executorPreference: thread) {
      _ = said.yield(await self.feed(for: duration))
    }
    watch.begin(encoder.negotiated.path) { [watch] error in
      said.yield(Result(framesIn: watch.framesIn, failure: error, hangs: true))
    }
    var iterator = ends.makeAsyncIterator()
    var result = await iterator.next() ?? Result()
    watch.end()
    // What hangs is left behind; the end of the process gives it back.
    guard !result.hangs else { return result }
    await feeding.value
    await encoder.close()
    if let failure = await reading.value, result.failure == nil { result.failure = failure }
    return result
  }

  private func feed(for duration: Duration) async -> Result {
    var result = Result()
    let begun = MonotonicTime.now
    let interval = 1 / source.description.frameRate.value
    do {
      while !end.isRaised {
        let due = Duration.seconds(Double(result.framesIn) * interval)
        guard due < duration, MonotonicTime.now - begun < duration else { break }
        await wait(until: begun + due)
        guard let frame = try source.next(Int64(result.framesIn)) else { break }
        watch.callBegins()
        try await encoder.encode(frame)
        watch.callEnded(accepted: true)
        result.framesIn += 1
        result.elapsed = MonotonicTime.now - begun
      }
      if !end.isRaised {
        let due = Int((Double(duration.inNanoseconds) / 1e9 / interval).rounded(.up))
        result.framesMissed = max(0, due - result.framesIn)
      }
      watch.callBegins()
      try await encoder.drain()
    } catch let error as CommandError {
      result.failure = error
    } catch let error as EncoderError {
      result.failure = CommandError(error)
    } catch {
      result.failure = CommandError(.software, "\(error)")
    }
    watch.callEnded(accepted: false)
    return result
  }

  private func wait(until due: MonotonicTime) async {
    while !end.isRaised {
      let left = due - .now
      guard left > .zero else { return }
      try? await Task.sleep(for: min(left, .milliseconds(200)), tolerance: .zero)
    }
  }

  /// Looks at packets until the encoder is closed.
  private func read() async -> CommandError? { await read(encoder.packets) }

  private func read<Packets: AsyncSequence<EncodedPacket, EncoderError>>(
    _ packets: Packets
  ) async -> CommandError? {
    do throws(EncoderError) {
      for try await packet in packets {
        watch.packetCame()
        findings.look(at: packet, size: encoder.negotiated.visibleSize)
        watch.packetIsWritten()
      }
      return nil
    } catch {
      return CommandError(error)
    }
  }
}
