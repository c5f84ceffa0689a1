internal import V4L2Encoder

/// The built-in pictures, as functions of the place; the same on every machine.
enum TestPicture: String, CaseIterable, Sendable {
  /// Eight colour bars of 75 % over a ramp of grey; every frame is the same.
  case bars
  /// A pattern that moves two pixels per frame, down and to the right.
  case motion

  /// One pixel, ITU-R BT.601 or BT.709 limited range.
  struct Sample: Hashable {
    var luma: UInt8
    var blue: UInt8
    var red: UInt8
  }

  /// After how many columns and rows the moving pattern repeats; the two have few common
  /// multiples, so that 65,280 frames pass before one comes again.
  static let period = (width: 512, height: 510)

  /// How far beyond the frame the canvas reaches.
  var margin: VideoSize {
    switch self {
    case .bars: VideoSize(width: 0, height: 0)
    case .motion: VideoSize(width: Self.period.width, height: Self.period.height)
    }
  }

  /// Where on the canvas frame `number` begins; always even, so that it suits 4:2:0.
  func origin(of number: Int64) -> (x: Int, y: Int) {
    switch self {
    case .bars: return (0, 0)
    case .motion:
      // The window moves up and left, so the picture moves down and right.
      let (width, height) = (Int64(Self.period.width), Int64(Self.period.height))
      return (
        Int((width - 2 * number % width) % width), Int((height - 2 * number % height) % height)
      )
    }
  }

  /// An earlier row of the canvas that is the same, an even number of rows away.
  func twin(ofRow y: Int, frame: VideoSize) -> Int? {
    switch self {
    case .bars:
      let isSame = y >= 2 && Self.isRamp(y, frame) == Self.isRamp(y - 2, frame)
      return isSame ? y - 2 : nil
    case .motion: return y >= Self.period.height ? y - Self.period.height : nil
    }
  }

  /// The pixel of a canvas for frames of this size.
  func sample(x: Int, y: Int, frame: VideoSize) -> Sample {
    switch self {
    case .bars: Self.bar(x: x, y: y, frame: frame)
    case .motion: Self.pattern(x: x % Self.period.width, y: y % Self.period.height)
    }
  }

  private static let colors: [Sample] = [
    Sample(luma: 180, blue: 128, red: 128), Sample(luma: 162, blue: 44, red: 142),
    Sample(luma: 131, blue: 156, red: 44), Sample(luma: 112, blue: 72, red: 58),
    Sample(luma: 84, blue: 184, red: 198), Sample(luma: 65, blue: 100, red: 212),
    Sample(luma: 35, blue: 212, red: 114), Sample(luma: 16, blue: 128, red: 128),
  ]

  private static func isRamp(_ y: Int, _ frame: VideoSize) -> Bool { y >= frame.height / 4 * 3 }

  private static func bar(x: Int, y: Int, frame: VideoSize) -> Sample {
    if isRamp(y, frame) {
      return Sample(
        luma: UInt8(16 + 219 * min(x, frame.width - 1) / max(frame.width - 1, 1)), blue: 128,
        red: 128)
    }
    return colors[min(x * colors.count / frame.width, colors.count - 1)]
  }

  private static func pattern(x: Int, y: Int) -> Sample {
    // Waves of different lengths, all of which end with the period, and a field of small squares.
    let wave = triangle(3 * x, period.width) + triangle(5 * y, period.height)
    let square = ((x / 16) &* 7 &+ (y / 15) &* 13) % 5 * 8
    // No brighter, darker or more colourful than what RGB can hold as well.
    return Sample(
      luma: UInt8(64 + wave * 48 / 256 + square),
      blue: UInt8(104 + triangle(2 * x, period.width) * 48 / 255),
      red: UInt8(104 + triangle(2 * y, period.height) * 48 / 255))
  }

  /// A wave from 0 to 255 and back.
  private static func triangle(_ place: Int, _ length: Int) -> Int {
    let phase = place % length
    return 255 * min(phase, length - phase) / (length / 2)
  }
}
