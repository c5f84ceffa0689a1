internal import V4L2Encoder

/// The file of `--stats`: a line of JSON per stream, per packet, and per period.
///
/// Lines of packets wait until they are flushed, so that no packet costs a write.
final class StatisticsFile: Sendable {
  let file: LineFile
  private let timeBase: Rational
  private let started = MonotonicTime.now
  private let lastLoad = Locked(HostLoad.current)

  /// Opens the file without touching what an existing one holds.
  init(_ path: String, timeBase: Rational) throws(CommandError) {
    self.timeBase = timeBase
    file = try LineFile(path)
  }

  /// Says what an encoder is that begins to write a stream.
  func begin(_ encoder: any VideoEncoder, as plan: EncodePlan) {
    let record = StreamRecord(encoder.negotiated, plan)
    file.write(JSON.object([(StatisticsLine.stream, record.json)]).text)
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
}
