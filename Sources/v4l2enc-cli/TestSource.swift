internal import V4L2Encoder

/// Frames of a built-in picture.
final class TestSource: FrameSource {
  let description: SourceDescription
  private let picture: TestPicture
  /// Painted when the first frame is asked for, which is when the device has agreed to the size.
  private let canvas = Locked(TestCanvas?.none)
  private let frames: Int

  private static let defaultSize = VideoSize(width: 1280, height: 720)
  private static let defaultSeconds = 10

  init(named name: String, options: EncodeOptions, defaultRate: Rational) throws(CommandError) {
    guard let picture = TestPicture(rawValue: name) else {
      let names = TestPicture.allCases.map(\.rawValue)
      throw CommandError(
        .noInput,
        "test:\(name): no such test picture\(Suggestion.sentence(for: name, in: names)); "
          + "there are test:bars and test:motion")
    }
    if let stride = options.stride {
      throw CommandError(
        .usage, "--stride \(stride) is about raw input; leave it out with test:\(name)")
    }
    let size = options.size ?? Self.defaultSize
    let format = options.format ?? .i420
    let rate = options.frameRate ?? defaultRate
    var description = SourceDescription(size: size, format: format, frameRate: rate)
    if options.size == nil { description.remarks.append("\(size) (default)") }
    frames = options.frames ?? max(1, Int(rate.value * Double(Self.defaultSeconds)))
    if options.frames == nil {
      description.remarks.append("\(frames) frames (default: \(Self.defaultSeconds) seconds)")
    }
    description.frameCount = frames
    self.picture = picture
    self.description = description
  }

  func next(_ number: Int64) throws(CommandError) -> VideoFrame? {
    guard number < frames else { return nil }
    let canvas = try paintedCanvas()
    let origin = picture.origin(of: number)
    do {
      return try VideoFrame(
        format: description.format, size: description.size, memory: canvas.memory,
        planes: canvas.planes(x: origin.x, y: origin.y), presentationTime: number, duration: 1)
    } catch {
      throw CommandError(error)
    }
  }

  private func paintedCanvas() throws(CommandError) -> TestCanvas {
    if let painted = canvas.withLock({ $0 }) { return painted }
    let new = try TestCanvas(picture, frame: description.size, format: description.format)
    canvas.withLock { $0 = new }
    return new
  }
}
