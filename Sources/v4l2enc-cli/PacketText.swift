internal import V4L2Encoder

/// One packet as a line of `--stats`, and its numbers.
enum PacketText {
  /// The line of a packet.
  static func json(
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

  /// A time in milliseconds with six decimals.
  static func milliseconds(_ time: Int64, _ timeBase: Rational) -> String {
    let units = Double(time) * Double(timeBase.numerator) * 1e9 / Double(timeBase.denominator)
    guard units.magnitude < 9e18 else { return "0.000000" }
    let nanoseconds = Int(units.rounded())
    let magnitude = Int(nanoseconds.magnitude)
    let digits = "\(magnitude / 1_000_000).\(Units.padded(magnitude % 1_000_000, 6))"
    return nanoseconds < 0 ? "-" + digits : digits
  }

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
