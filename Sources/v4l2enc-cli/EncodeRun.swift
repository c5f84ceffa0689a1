internal import V4L2Encoder

/// One encoding: a task that feeds frames and a task that writes packets, each on its own thread.
final class EncodeRun: Sendable {
  /// What became of it.
  struct Result: Sendable {
    var framesIn = 0
    /// What ended it early, the most telling first.
    var errors: [CommandError] = []
  }

  private let encoder: any VideoEncoder
  private let codec: VideoCodec
  private let source: any FrameSource
  private let writer: PacketWriter
  private let reports: PacketReports
  private let console: Console
  private let signals: Signals
  private let stop: StopRequest
  private let events: EncodeEvents
  private let watch: StallWatch
  private let tally: EncodeTally
  private let parameters = Locked(SequenceParameterSet?.none)

  init(
    _ encoder: any VideoEncoder, of job: EncodeJob, from source: any FrameSource,
    into tally: EncodeTally, as plan: EncodePlan
  ) {
    self.encoder = encoder
    self.codec = job.codec
    self.source = source
    self.writer = job.writer
    self.reports = job.reports
    self.console = job.console
    self.signals = job.signals
    self.stop = job.stop
    self.events = job.events
    self.tally = tally
    watch = StallWatch(
      plan.configuration.deadlines, frameRate: source.description.frameRate,
      recovery: plan.recovery)
  }

  /// Encodes until the input ends, a limit is reached, a stop is asked for or something fails.
  func run(limit: Int?) async throws(CommandError) -> Result {
    let reader = try WorkerThread()
    let output = try WorkerThread()
    defer {
      reader.stop()
      output.stop()
    }
    let writing = Task(executorPreference: output) { await self.write() }
    // Whatever is known first: a feeder inside a request that never returns is left behind.
    let (ends, end) = AsyncStream.makeStream(of: Result.self)
    let feeding = Task(executorPreference: reader) { end.yield(await self.feed(limit: limit)) }
    watch.begin(encoder.negotiated.path, input: source.description.mappedFile) { [watch] error in
      end.yield(Result(framesIn: watch.framesIn, errors: [error]))
    }
    // A device that is looked for is not waited for: what has come out is all there is.
    let onStop = stop.whenRaised { [events] in if events.isRecovering { feeding.cancel() } }
    let onRecovery = events.whenRecovering { [stop] in if stop.isRaised { feeding.cancel() } }
    defer {
      stop.forget(onStop)
      events.forget(onRecovery)
    }
    // A failed writer ends the feeding: there is nowhere for packets to go.
    let guarding = Task(executorPreference: output) {
      if await writing.value != nil {
        self.stop.raise()
        feeding.cancel()
      }
    }
    var iterator = ends.makeAsyncIterator()
    var result = await iterator.next() ?? Result(framesIn: watch.framesIn)
    watch.end()
    await close(afterStall: result.errors.contains { $0.code == .timedOut })
    let writeError = await writing.value
    await guarding.value
    if let writeError {
      // The feeder only noticed that the writer was gone, or met the same failure of the device.
      result.errors.removeAll { $0.code == .software || $0.code == writeError.code }
      result.errors.insert(writeError, at: 0)
    }
    return result
  }

  /// A device that stands still is not waited for: the end of the process gives it back.
  private func close(afterStall isStalled: Bool) async {
    guard isStalled else { return await encoder.close() }
    Task.detached { [encoder] in await encoder.close() }
  }

  /// What the first key frame says of the stream.
  var streamParameters: SequenceParameterSet? { parameters.withLock { $0 } }

  private func feed(limit: Int?) async -> Result {
    var result = Result()
    var isInputAtFault = false
    do {
      while result.framesIn < limit ?? .max, !stop.isRaised {
        guard let frame = try await source.next(Int64(result.framesIn)) else { break }
        watch.callBegins()
        do {
          try await encoder.encode(frame)
          watch.callEnded(accepted: true)
        } catch {
          watch.callEnded(accepted: false)
          throw error
        }
        result.framesIn += 1
      }
    } catch {
      isInputAtFault = error is CommandError
      result.errors.append(Self.commandError(error))
    }
    // After damaged input, what came before it is still to be finished; after a device failure
    // this fails again, with nothing new to say.
    watch.callBegins()
    defer { watch.callEnded(accepted: false) }
    do { try await encoder.drain() } catch {
      if result.errors.isEmpty { result.errors.append(CommandError(error)) }
    }
    // Frames wait for the encoder until then, and with them what a mapped file has of them.
    do { try source.verify() } catch {
      // It knows more than what was noticed on the way.
      if isInputAtFault { result.errors.removeAll { $0.code == error.code } }
      result.errors.insert(error, at: 0)
    }
    return result
  }

  private func write() async -> CommandError? {
    do {
      try await write(encoder.packets)
      return nil
    } catch {
      return error
    }
  }

  private func write<Packets: AsyncSequence<EncodedPacket, EncoderError>>(
    _ packets: Packets
  ) async throws(CommandError) {
    var iterator = packets.makeAsyncIterator()
    var isDescribed = codec == .fwht
    while let packet = try await Self.next(&iterator) {
      if !isDescribed, packet.hasParameterSets {
        isDescribed = true
        let set = SequenceParameterSet.first(in: packet.bytes, codec: codec)
        parameters.withLock { $0 = set }
      }
      watch.packetCame()
      try writer.write(packet)
      let (index, status) = tally.add(packet, wantsStatus: console.showsStatus)
      reports.add(packet, index: index, of: source)
      watch.packetIsWritten()
      signals.noteProgress()
      if let status { console.status(status) }
    }
  }

  private static func next<Iterator: AsyncIteratorProtocol>(
    _ iterator: inout Iterator
  ) async throws(CommandError) -> EncodedPacket?
  where Iterator.Element == EncodedPacket, Iterator.Failure == EncoderError {
    do { return try await iterator.next(isolation: nil) } catch { throw CommandError(error) }
  }

  private static func commandError(_ error: any Error) -> CommandError {
    switch error {
    case let error as CommandError: error
    case let error as EncoderError: CommandError(error)
    default: CommandError(.software, "\(error)")
    }
  }
}
