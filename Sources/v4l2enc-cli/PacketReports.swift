internal import V4L2Encoder

/// The files that have a line per packet: `--stats` and `--save-pts`.
struct PacketReports: Sendable {
  private let times: LineFile?
  private let statistics: LineFile?
  private let timeBase: Rational

  init(_ options: EncodeOptions, timeBase: Rational) throws(CommandError) {
    self.timeBase = timeBase
    let times = try options.timesPath.map { path throws(CommandError) in try LineFile(path) }
    do throws(CommandError) {
      statistics = try options.statisticsPath.map { path throws(CommandError) in
        try LineFile(path)
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

  /// Adds the lines of one packet.
  func add(_ packet: EncodedPacket, index: Int, of source: any FrameSource) {
    times?.write(Self.milliseconds(packet.presentationTime, timeBase))
    guard let statistics else { return }
    let origin = source.origin(of: packet.presentationTime)
    statistics.write(Self.json(packet, index: index, timeBase, origin))
  }

  /// Writes what is pending; the first failure, if there was one.
  func finish() -> CommandError? {
    let failures = [times?.finish(), statistics?.finish()]
    return failures.compactMap { $0 }.first
  }

  /// A time in milliseconds with six decimals.
  static func milliseconds(_ time: Int64, _ timeBase: Rational) -> String {
    let units = Double(time) * Double(timeBase.numerator) * 1e9 / Double(timeBase.denominator)
    guard units.magnitude < 9e18 else { return "0.000000" }
    let nanoseconds = Int(units.rounded())
    let magnitude = Int(nanoseconds.magnitude)
    let digits = "\(magnitude / 1_000_000).\(Units.padded(magnitude % 1_000_000, 6))"
    return nanoseconds < 0 ? "-" + digits : digits
  }

  private static func json(
    _ packet: EncodedPacket, index: Int, _ timeBase: Rational, _ origin: FrameOrigin?
  ) -> String {
    var members: [(String, JSON)] = [
      ("index", .number(index)),
      ("pts", .number(Int(packet.presentationTime))),
      ("dts", .number(Int(packet.decodeTime))),
      ("duration", .number(Int(packet.duration))),
      ("pts_ms", .literal(milliseconds(packet.presentationTime, timeBase))),
      ("bytes", .number(packet.byteCount)),
      ("key", .boolean(packet.isKeyFrame)),
      ("parameter_sets", .boolean(packet.hasParameterSets)),
      ("corrupt", .boolean(packet.isCorrupt)),
      ("time_inferred", .boolean(packet.isTimeInferred)),
      ("latency_us", .number(packet.latency.inMicroseconds)),
      ("qp", packet.averageQuantizer.map { .literal(quantizer($0)) } ?? .null),
    ]
    if let origin {
      members.append(("sequence", .number(Int(origin.sequence))))
      members.append(("lost_before", .number(origin.lostBefore)))
      members.append(("spoiled", .boolean(origin.isSpoiled)))
    }
    return JSON.object(members).text
  }
}

extension PacketReports {
  /// A mean of quantizers with two decimals.
  static func quantizer(_ mean: Double) -> String {
    let hundredths = Int((mean * 100).rounded())
    let digits = "\(hundredths.magnitude / 100).\(Units.padded(Int(hundredths.magnitude) % 100, 2))"
    return hundredths < 0 ? "-" + digits : digits
  }
}

extension Duration {
  /// Whole microseconds.
  var inMicroseconds: Int { Int(inNanoseconds / 1000) }
}
