extension EncoderConfiguration {
  /// One frame interval in units of the time base, at least 1.
  var interval: Int64 { interval(at: frameRate) }

  /// One interval of frames at this rate in units of the time base, at least 1.
  func interval(at frameRate: Rational) -> Int64 {
    let seconds = Double(frameRate.denominator) / Double(frameRate.numerator)
    let units = seconds * Double(timeBase.denominator) / Double(timeBase.numerator)
    return units.isFinite ? max(1, Int64(max(1, min(units.rounded(), 1e15)))) : 1
  }

  /// A time in microseconds, at the ends of the range where it is beyond.
  func microseconds(_ time: Int64) -> Int64 {
    let exact =
      Int128(time) * Int128(timeBase.numerator) * 1_000_000 / Int128(max(1, timeBase.denominator))
    return Int64(clamping: exact)
  }
}
