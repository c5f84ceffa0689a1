internal import V4L2Encoder

/// What an input says of its frames.
struct SourceDescription: Hashable, Sendable {
  var size: VideoSize
  var format: PixelFormat
  var frameRate: Rational
  /// Which numbers are black and white, if the input says so.
  var colorRange: ColorDescription.Range?
  /// Width and height of a pixel, if the input says so.
  var pixelAspect: Rational?
  /// How many frames there are, if that is known before reading them.
  var frameCount: Int?
  /// What the user should know, in words.
  var remarks: [String] = []
}

/// Where raw frames come from; read by one task.
protocol FrameSource: AnyObject, Sendable {
  /// What is known before the first frame.
  var description: SourceDescription { get }

  /// The next frame with its number as its time; nil at the end, or when a stop was asked for.
  func next(_ number: Int64) throws(CommandError) -> VideoFrame?
}

/// Finds out what an input is.
enum FrameSources {
  private static let defaultRate = Rational(30)

  /// Opens what `encode` names as its input.
  static func open(
    _ options: EncodeOptions, stop: StopRequest
  ) throws(CommandError) -> any FrameSource {
    guard let input = options.input else {
      throw CommandError(
        .usage, "which input? write v4l2enc encode INPUT -o OUTPUT (INPUT may be - or test:bars)")
    }
    if input.hasPrefix("test:") {
      return try TestSource(
        named: String(input.dropFirst(5)), options: options, defaultRate: defaultRate)
    }
    let name = input == "-" ? "standard input" : input
    let bytes = try InputFile.open(input, stop: stop)
    if try bytes.isAtEnd() {
      throw CommandError(.badData, "\(name) is empty; it has no frame to encode")
    }
    if try bytes.startsWith(Array("YUV4MPEG2".utf8)) {
      return try Y4MSource(bytes, name: name, options: options, defaultRate: defaultRate)
    }
    return try RawSource(bytes, name: name, options: options, defaultRate: defaultRate)
  }
}
