/// Bits over the time that frames last: of everything, and of about the last second.
struct BitrateWindow {
  private static let slicesPerSecond = 8
  /// The bits of the last eighths of a second, in a ring.
  private var slices = [Double](repeating: 0, count: slicesPerSecond)
  /// The slice that fills now, counted from the start.
  private var newest = 0
  /// Seconds of video so far.
  private var position = 0.0
  private var total = 0.0

  /// Adds a frame, whose bits are spread over the time it lasts; a skipped one has none.
  mutating func add(bits: Double, lasting seconds: Double) {
    total += bits
    guard seconds > 0, seconds.isFinite else {
      slices[place] += bits
      return
    }
    let density = bits / seconds
    let end = position + seconds
    // Of a very long frame only the last second counts.
    if seconds > 2, end < 1e12 {
      position = end - 1
      newest = Int(position * Double(Self.slicesPerSecond))
      slices = slices.map { _ in 0 }
    }
    while position < end {
      let boundary = Double(newest + 1) / Double(Self.slicesPerSecond)
      let stop = min(boundary, end)
      slices[place] += density * (stop - position)
      position = stop
      guard stop == boundary else { return }
      newest += 1
      slices[place] = 0
    }
  }

  private var place: Int { newest % Self.slicesPerSecond }

  /// Bit/s of everything; nil before there was any time.
  var average: Int? { position > 0 ? Self.rate(total, position) : nil }

  /// Bit/s of the last second, or of everything while that is less.
  var recent: Int? {
    let first = max(0, newest - Self.slicesPerSecond + 1)
    let span = position - Double(first) / Double(Self.slicesPerSecond)
    return span > 0 ? Self.rate(slices.reduce(0, +), span) : nil
  }

  private static func rate(_ bits: Double, _ seconds: Double) -> Int? {
    Int(exactly: (bits / seconds).rounded())
  }
}
