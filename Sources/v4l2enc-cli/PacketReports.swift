internal import V4L2Encoder

/// The files that have a line per packet: `--stats` and `--save-pts`.
///
/// What waits in memory is written at the end of every period, so that a command that is killed
/// leaves all but its last period.
struct PacketReports: Sendable {
  private let times: LineFile?
  private let statistics: StatisticsFile?
  private let follower: StatisticsFollower?
  private let timeBase: Rational

  init(_ options: EncodeOptions, timeBase: Rational) throws(CommandError) {
    self.timeBase = timeBase
    let times = try options.timesPath.map { path throws(CommandError) in try LineFile(path) }
    var statistics: StatisticsFile?
    do throws(CommandError) {
      statistics = try options.statisticsPath.map { path throws(CommandError) in
        try StatisticsFile(path, timeBase: timeBase)
      }
      let isEmpty = times == nil && statistics == nil
      follower = isEmpty ? nil : try StatisticsFollower(every: options.reportPeriod)
    } catch {
      times?.removeIfUnused()
      statistics?.file.removeIfUnused()
      throw error
    }
    self.times = times
    self.statistics = statistics
  }

  /// Whether the files are on a disk, whose writes do not wait for anybody.
  var areRegular: Bool { lineFiles.allSatisfy(\.isRegular) }

  private var lineFiles: [LineFile] { [times, statistics?.file].compactMap(\.self) }

  /// The files with the options that name them.
  var files: [(option: String, role: String, file: FileIdentity?)] {
    [
      ("--save-pts", "the file of --save-pts", times?.identity),
      ("--stats", "the file of --stats", statistics?.file.identity),
    ]
  }

  /// Empties the files and writes what they begin with.
  func begin() {
    for file in lineFiles { file.begin() }
    times?.write("# timestamp format v2")
  }

  /// Removes what was created for nothing.
  func removeIfUnused() {
    for file in lineFiles { file.removeIfUnused() }
  }

  /// An encoder begins to write a stream; the task that follows it ends when it is cancelled.
  func follow(_ encoder: any VideoEncoder, as plan: EncodePlan) -> Task<Void, Never>? {
    statistics?.begin(encoder, as: plan)
    return follower?.follow(encoder) {
      statistics?.sample($0)
      flush()
    }
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
    for file in lineFiles { file.flush() }
  }

  /// Has what is pending written by the thread that writes in every period; a reader who pauses
  /// holds up neither the caller nor any task.
  func flushBeside() { follower?.run { self.flush() } }

  /// Writes what is pending; the first failure, if there was one.
  ///
  /// Nothing that `follow` started may run any more.
  func finish() -> CommandError? {
    follower?.stop()
    let failures = lineFiles.map { $0.finish() }
    return failures.compactMap(\.self).first
  }
}
