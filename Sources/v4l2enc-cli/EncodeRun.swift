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
  private let source: any FrameSource
  private let writer: PacketWriter
  private let reports: PacketReports
  private let console: Console
  private let signals: Signals
  private let stop: StopRequest
  private let meter: Locked<Meter>

  init(
    _ encoder: any VideoEncoder, from source: any FrameSource, to writer: PacketWriter,
    reports: PacketReports, expectedFrames: Int?, console: Console, signals: Signals,
    stop: StopRequest
  ) {
    self.encoder = encoder
    self.source = source
    self.writer = writer
    self.reports = reports
    self.console = console
    self.signals = signals
    self.stop = stop
    meter = Locked(Meter(frameRate: source.description.frameRate, expectedFrames: expectedFrames))
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
    let feeding = Task(executorPreference: reader) { await self.feed(limit: limit) }
    // A failed writer ends the feeding: there is nowhere for packets to go.
    let watching = Task {
      if await writing.value != nil {
        self.stop.raise()
        feeding.cancel()
      }
    }
    var result = await feeding.value
    await encoder.close()
    let writeError = await writing.value
    await watching.value
    if let writeError {
      // The feeder only noticed that the writer was gone, or met the same failure of the device.
      result.errors.removeAll { $0.code == .software || $0.code == writeError.code }
      result.errors.insert(writeError, at: 0)
    }
    return result
  }

  /// The summary of what was done so far.
  func summary(framesIn: Int) -> String {
    let skipped = encoder.statistics.framesSkipped
    return meter.withLock { $0.summary(framesIn: framesIn, skipped: skipped) }
  }

  /// Packets written so far.
  var packetsWritten: Int { meter.withLock { $0.packets } }

  private func feed(limit: Int?) async -> Result {
    var result = Result()
    do {
      while result.framesIn < limit ?? .max, !stop.isRaised {
        guard let frame = try source.next(Int64(result.framesIn)) else { break }
        try await encoder.encode(frame)
        result.framesIn += 1
      }
    } catch {
      result.errors.append(Self.commandError(error))
    }
    if result.framesIn == 0, result.errors.isEmpty, !stop.isRaised {
      result.errors.append(CommandError(.badData, "the input has no frame to encode"))
    }
    // After damaged input, what came before it is still to be finished; after a device failure
    // this fails again, with nothing new to say.
    do { try await encoder.drain() } catch {
      if result.errors.isEmpty { result.errors.append(CommandError(error)) }
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
    while let packet = try await Self.next(&iterator) {
      try writer.write(packet)
      let (index, status) = meter.withLock { meter in
        meter.add(packet)
        return (meter.packets - 1, console.showsStatus ? meter.status() : nil)
      }
      reports.add(packet, index: index)
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
