internal import V4L2Encoder

/// Reads the numbers people write: bitrates, frame rates, sizes.
enum Quantities {
  /// What the library takes.
  static let bitrates = ConfigurationCheck.bitrates
  /// Frames per second that the library takes.
  static let frameRates = 0.001...1000.0

  /// Bits per second: `4M`, `2.5M`, `500k`, or plain.
  static func bitrate(_ text: String, for option: String) throws(CommandError) -> Int {
    let units: [Character: Int] = ["k": 1000, "K": 1000, "M": 1_000_000]
    var digits = text[...]
    var factor = 1
    if let last = digits.last, let unit = units[last] {
      factor = unit
      digits = digits.dropLast()
    }
    guard let number = decimal(digits, scale: factor) else {
      throw CommandError(.usage, "\(option) \(text): write bit/s, such as 4M, 500k or 64000")
    }
    guard bitrates.contains(number) else {
      throw CommandError(
        .usage,
        "\(option) \(text): a bitrate is \(bitrates.lowerBound) to \(bitrates.upperBound) bit/s, "
          + "such as 4M")
    }
    return number
  }

  /// Frames per second: `25`, `30000/1001` or `29.97`.
  static func frameRate(_ text: String) throws(CommandError) -> Rational {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    var rate: Rational?
    if parts.count == 2, let numerator = count(parts[0]), let denominator = count(parts[1]) {
      rate = Rational(numerator, denominator)
    } else if parts.count == 1, let thousandths = decimal(parts[0], scale: 1000) {
      let divisor = greatestCommonDivisor(thousandths, 1000)
      rate = Rational(thousandths / max(divisor, 1), 1000 / max(divisor, 1))
    }
    guard let rate else {
      throw CommandError(.usage, "--fps \(text): write frames per second, such as 25 or 30000/1001")
    }
    let limit = 1_000_000
    guard (1...limit).contains(rate.numerator), (1...limit).contains(rate.denominator) else {
      throw CommandError(
        .usage, "--fps \(text): both numbers must be from 1 to \(limit), such as 25 or 30000/1001")
    }
    guard frameRates.contains(rate.value) else {
      throw CommandError(.usage, "--fps \(text): a frame rate is from 1/1000 to 1000")
    }
    return rate
  }

  /// Columns and rows: `1280x720`.
  static func size(
    _ text: String, for option: String = "--size"
  ) throws(CommandError) -> VideoSize {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false)
    guard parts.count == 2, let width = count(parts[0]), let height = count(parts[1]) else {
      throw CommandError(.usage, "\(option) \(text): write columns and rows, such as 1280x720")
    }
    let size = VideoSize(width: width, height: height)
    if let problem = problem(of: size) {
      throw CommandError(.usage, "\(option) \(text): \(problem)")
    }
    return size
  }

  /// Why no picture has this size; nil when one can.
  static func problem(of size: VideoSize) -> String? {
    guard size.width > 0, size.height > 0 else { return "a picture has at least one pixel" }
    let limit = 16_384
    guard size.width <= limit, size.height <= limit else {
      return "no H.264 or HEVC encoder takes more than \(limit) columns or rows"
    }
    return nil
  }

  /// The path of a file; `-`, which means a stream elsewhere, is none.
  static func file(_ text: String, for option: String) throws(CommandError) -> String {
    guard text != "-" else { throw CommandError(.usage, "\(option) -: name a file") }
    return try name(text, for: option)
  }

  /// The name of a file or a device.
  static func name(_ text: String, for option: String) throws(CommandError) -> String {
    guard !text.isEmpty else {
      throw CommandError(.usage, "\(option): the name is empty; has a variable no value?")
    }
    return text
  }

  /// A whole number in a range.
  static func integer(
    _ text: String, for option: String, in range: ClosedRange<Int>
  ) throws(CommandError) -> Int {
    guard let number = Int(text), range.contains(number) else {
      let bounds =
        range.upperBound == Int(Int32.max)
        ? "\(range.lowerBound) or more" : "\(range.lowerBound) to \(range.upperBound)"
      throw CommandError(.usage, "\(option) \(text): write a whole number, \(bounds)")
    }
    return number
  }

  /// Digits only: no sign, no blank, and no more than fit.
  static func count(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
  }

  /// A decimal number times `scale`, a power of ten; nil when it is none or does not come out
  /// whole.
  static func decimal(_ text: Substring, scale: Int) -> Int? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let whole = count(parts[0]) else { return nil }
    let (scaled, overflow) = whole.multipliedReportingOverflow(by: scale)
    guard !overflow else { return nil }
    guard parts.count == 2 else { return scaled }
    var fraction = 0
    var place = scale
    for digit in parts[1] {
      guard let value = digit.wholeNumberValue, digit.isASCII, place % 10 == 0 else { return nil }
      place /= 10
      fraction += value * place
    }
    return parts[1].isEmpty ? nil : scaled + fraction
  }

  private static func greatestCommonDivisor(_ left: Int, _ right: Int) -> Int {
    right == 0 ? left : greatestCommonDivisor(right, left % right)
  }
}
