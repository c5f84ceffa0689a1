internal import V4L2Encoder

/// The file of `--stats`: a line of JSON per stream, per packet, and per period.
///
/// Lines of packets wait for the end of the period, so that no packet costs a write.
final class StatisticsFile: Sendable {
  private let file: LineFile
  private let timeBase: Rational
  private let follower: StatisticsFollower
  private let started = MonotonicTime.now
  private let lastLoad = Locked(HostLoad.current)

  /// Opens the file without touching what an existing one holds.
  init(_ path: String, every period: Duration, timeBase: Rational) throws(CommandError) {
    self.timeBase = timeBase
    file = try LineFile(path)
    do throws(CommandError) {
      follower = try StatisticsFollower(every: period)
    } catch {
      file.removeIfUnused()
      throw error
    }
  }

  /// Which file this is.
  var identity: FileIdentity? { file.identity }

  /// Cuts off what the file held.
  func begin() { file.begin() }

  /// Removes a file that was created for nothing.
  func removeIfUnused() { file.removeIfUnused() }

  /// Writes what an encoder is, and a sample in every period until the task is cancelled.
  func follow(_ encoder: any VideoEncoder, as plan: EncodePlan) -> Task<Void, Never> {
    let record = StreamRecord(encoder.negotiated, plan)
    file.write(JSON.object([(StatisticsLine.stream, record.json)]).text)
    return follower.follow(encoder) { statistics in
      self.sample(statistics)
      self.file.flush()
    }
  }

  /// Adds what an encoder and the machine are doing.
  func sample(_ statistics: EncoderStatistics) {
    let load = HostLoad.current
    let earlier = lastLoad.withLock { last in
      defer { last = load }
      return last
    }
    let record = SampleRecord(statistics, load, since: earlier, at: MonotonicTime.now - started)
    file.write(JSON.object([(StatisticsLine.sample, record.json)]).text)
  }

  /// Adds a packet.
  func add(_ packet: EncodedPacket, index: Int, _ origin: FrameOrigin?) {
    file.write(PacketText.json(packet, index: index, timeBase, origin))
  }

  /// Writes what is pending.
  func flush() { file.flush() }

  /// Writes what is pending; the first failure, if there was one.
  ///
  /// Nothing that `follow` started may run any more.
  func finish() -> CommandError? {
    follower.stop()
    return file.finish()
  }
}
