internal import V4L2Encoder

/// The first line of a YUV4MPEG2 file, as the mjpegtools manual `yuv4mpeg(5)` describes it.
struct Y4MHeader: Hashable {
  var size: VideoSize
  var format: PixelFormat
  /// Nil when the header says "unknown".
  var frameRate: Rational?
  /// Width and height of a pixel; nil when the header says "unknown" or nothing.
  var pixelAspect: Rational?
  var isInterlaced = false
  var colorRange: ColorDescription.Range?

  static let magic = "YUV4MPEG2"
  /// Longer lines are damage; real ones have less than a hundred bytes.
  static let longestLine = 4096

  /// Reads the line without its end; parameters may come in any order.
  init(_ line: [UInt8], name: String) throws(CommandError) {
    guard line.allSatisfy({ (0x20...0x7e).contains($0) }) else {
      throw Self.damaged(name, "there are bytes in it that are no text")
    }
    var words = String(decoding: line, as: UTF8.self).split(separator: " ")[...]
    guard words.popFirst() == Self.magic[...] else {
      throw Self.damaged(name, "it does not begin with \(Self.magic)")
    }
    var width, height: Int?
    var chroma = "420"
    var frameRate: Rational?
    var interlacing = "?"
    for word in words {
      let value = word.dropFirst()
      switch word.first {
      case "W": width = try Self.positive(value, word, name)
      case "H": height = try Self.positive(value, word, name)
      case "F": frameRate = try Self.ratio(value, word, name)
      case "A": pixelAspect = try Self.ratio(value, word, name)
      case "I": interlacing = String(value)
      case "C": chroma = String(value)
      case "X": colorRange = Self.colorRange(value) ?? colorRange
      default: throw Self.damaged(name, "\(word) is no parameter of a y4m header")
      }
    }
    guard let width, let height else {
      throw Self.damaged(name, "the size is missing (W and H)")
    }
    guard ["p", "?", "t", "b", "m"].contains(interlacing) else {
      throw Self.damaged(name, "I\(interlacing) is no kind of interlacing")
    }
    size = VideoSize(width: width, height: height)
    if let problem = Quantities.problem(of: size) {
      throw CommandError(.badData, "\(name): a picture of \(size): \(problem)")
    }
    format = try Self.format(of: chroma, name)
    self.frameRate = frameRate
    isInterlaced = ["t", "b", "m"].contains(interlacing)
  }

  private static func damaged(_ name: String, _ problem: String) -> CommandError {
    CommandError(.badData, "\(name): the y4m header is damaged: \(problem)")
  }

  private static func positive(
    _ text: Substring, _ word: Substring, _ name: String
  ) throws(CommandError) -> Int {
    guard let number = Quantities.count(text), number > 0 else {
      throw damaged(name, "\(word) is no size")
    }
    return number
  }

  /// A ratio of two numbers; nil for "unknown", which is 0:0.
  private static func ratio(
    _ text: Substring, _ word: Substring, _ name: String
  ) throws(CommandError) -> Rational? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let numerator = Quantities.count(parts[0]),
      let denominator = Quantities.count(parts[1])
    else { throw damaged(name, "\(word) is no ratio such as F25:1") }
    let limit = 1_000_000_000
    guard numerator > 0, denominator > 0 else { return nil }
    guard numerator <= limit, denominator <= limit else {
      throw damaged(name, "\(word) has numbers beyond \(limit)")
    }
    return Rational(numerator, denominator)
  }

  private static func colorRange(_ text: Substring) -> ColorDescription.Range? {
    switch text.uppercased() {
    case "COLORRANGE=FULL": .full
    case "COLORRANGE=LIMITED": .limited
    default: nil
    }
  }

  private static func format(of chroma: String, _ name: String) throws(CommandError) -> PixelFormat
  {
    switch chroma {
    case "420", "420jpeg", "420mpeg2", "420paldv": .i420
    case "422": .i422
    case "mono": .grey
    default:
      throw CommandError(
        .badData,
        "\(name): y4m chroma C\(chroma) is not supported (420, 420jpeg, 420mpeg2, 420paldv, 422 "
          + "and mono are); convert it, such as with ffmpeg -i IN -pix_fmt yuv420p OUT.y4m")
    }
  }
}
