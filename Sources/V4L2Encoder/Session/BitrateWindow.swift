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
  /// What came before the first frame, which another encoder made.
  private var earlier = Stretch()
  private var lastOfEarlier = Stretch()

  /// Bits over some time.
  private struct Stretch {
    var bits = 0.0
    var seconds = 0.0

    static func + (left: Stretch, right: Stretch) -> Stretch {
      Stretch(bits: left.bits + right.bits, seconds: left.seconds + right.seconds)
    }

    /// Bit/s; nil before there was any time.
    var rate: Int? { seconds > 0 ? Int(exactly: (bits / seconds).rounded()) : nil }
  }

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

  /// Lets this begin where the measures of an earlier encoder end.
  mutating func follow(_ other: BitrateWindow) {
    earlier = other.whole
    lastOfEarlier = other.last
  }

  private var whole: Stretch { earlier + Stretch(bits: total, seconds: position) }

  /// The last second, or everything while that is less.
  private var last: Stretch {
    let first = max(0, newest - Self.slicesPerSecond + 1)
    let own = Stretch(
      bits: slices.reduce(0, +),
      seconds: position - Double(first) / Double(Self.slicesPerSecond))
    // A part of the earlier second fills this one up while there is less of it.
    let missing = min(max(0, 1 - position), lastOfEarlier.seconds)
    guard missing > 0 else { return own }
    let density = lastOfEarlier.bits / lastOfEarlier.seconds
    return own + Stretch(bits: density * missing, seconds: missing)
  }

  /// Bit/s of everything; nil before there was any time.
  var average: Int? { whole.rate }

  /// Bit/s of the last second, or of everything while that is less.
  var recent: Int? { last.rate }
}
