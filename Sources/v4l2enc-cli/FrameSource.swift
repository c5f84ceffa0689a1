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
  /// What the colours mean, if the input says so.
  var color: ColorDescription?
  /// The file whose frames are read only while they are encoded, if there is one.
  var mappedFile: String?
  /// Where the frames are.
  var memory = InputMemory.copied
  /// The unit of the frames' times in seconds; nil where times are frame numbers.
  var timeBase: Rational?
  /// What the user should know, in words.
  var remarks: [String] = []
}

/// Where a frame stands in its camera's count.
struct FrameOrigin: Hashable, Sendable {
  /// The driver's number of the frame.
  var sequence: UInt32
  /// Frames that the camera lost between the one before and this one.
  var lostBefore: Int
  /// Whether the driver marked it as spoiled.
  var isSpoiled = false
}

/// Where raw frames come from; read by one task.
protocol FrameSource: AnyObject, Sendable {
  /// What is known before the first frame.
  var description: SourceDescription { get }

  /// The next frame; nil at the end, or when a stop was asked for.
  ///
  /// Sources without times of their own give it its number in this run as its time.
  nonisolated(nonsending) func next(_ number: Int64) async throws(CommandError) -> VideoFrame?

  /// Throws if frames lost bytes after they were handed out; asked when all have been encoded.
  func verify() throws(CommandError)

  /// Where the frame of this time stands in its camera's count; nil for what is no camera.
  func origin(of time: Int64) -> FrameOrigin?
}

extension FrameSource {
  // The frames of most sources are copies of their own.
  func verify() throws(CommandError) {}

  func origin(of time: Int64) -> FrameOrigin? { nil }
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
