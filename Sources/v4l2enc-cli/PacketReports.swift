internal import V4L2Encoder

/// The files that have a line per packet: `--stats` and `--save-pts`.
struct PacketReports: Sendable {
  private let times: LineFile?
  private let statistics: StatisticsFile?
  private let timeBase: Rational

  init(_ options: EncodeOptions, timeBase: Rational) throws(CommandError) {
    self.timeBase = timeBase
    let times = try options.timesPath.map { path throws(CommandError) in try LineFile(path) }
    do throws(CommandError) {
      statistics = try options.statisticsPath.map { path throws(CommandError) in
        try StatisticsFile(path, every: options.reportPeriod, timeBase: timeBase)
      }
    } catch {
      times?.removeIfUnused()
      throw error
    }
    self.times = times
  }

  /// The files with the options that name them.
  var files: [(option: String, role: String, file: FileIdentity?)] {
    [
      ("--save-pts", "the file of --save-pts", times?.identity),
      ("--stats", "the file of --stats", statistics?.identity),
    ]
  }

  /// Empties the files and writes what they begin with.
  func begin() {
    times?.begin()
    statistics?.begin()
    times?.write("# timestamp format v2")
  }

  /// Removes what was created for nothing.
  func removeIfUnused() {
    times?.removeIfUnused()
    statistics?.removeIfUnused()
  }

  /// An encoder begins to write a stream; the task that follows it ends when it is cancelled.
  func follow(_ encoder: any VideoEncoder, as plan: EncodePlan) -> Task<Void, Never>? {
    statistics?.follow(encoder, as: plan)
  }

  /// An encoder has ended; nothing follows it any more.
  func ended(_ encoder: any VideoEncoder) { statistics?.sample(encoder.statistics) }

  /// Adds the lines of one packet.
  func add(_ packet: EncodedPacket, index: Int, of source: any FrameSource) {
    times?.write(PacketText.milliseconds(packet.presentationTime, timeBase))
    statistics?.add(packet, index: index, source.origin(of: packet.presentationTime))
  }

  /// Writes what is pending.
  func flush() {
    times?.flush()
    statistics?.flush()
  }

  /// Writes what is pending; the first failure, if there was one.
  ///
  /// Nothing that `follow` started may run any more.
  func finish() -> CommandError? {
    let failures = [times?.finish(), statistics?.finish()]
    return failures.compactMap { $0 }.first
  }
}
