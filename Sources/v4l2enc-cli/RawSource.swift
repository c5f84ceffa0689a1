internal import V4L2Encoder

/// Raw frames one after the other, without any header.
final class RawSource: FrameSource {
  let description: SourceDescription
  private let bytes: any InputBytes
  private let name: String
  private let layout: RasterLayout

  init(
    _ bytes: any InputBytes, name: String, options: EncodeOptions, defaultRate: Rational
  ) throws(CommandError) {
    guard let size = options.size else {
      throw CommandError(
        .usage,
        "\(name) has no y4m header, so it is raw video, whose size must be given: --size 1280x720")
    }
    let format = options.format ?? .i420
    let layout = try RasterLayout.ofFrames(format, size, stride: options.stride)
    var description = SourceDescription(
      size: size, format: format, frameRate: options.frameRate ?? defaultRate)
    if options.frameRate == nil { description.remarks.append("\(defaultRate) fps (default)") }
    if options.format == nil { description.remarks.append("i420 (default)") }
    if let remaining = bytes.remaining {
      guard remaining >= layout.byteCount else {
        throw CommandError(
          .badData,
          "\(name) has \(remaining) bytes, but one \(size) frame of \(RawFormats.name(of: format)) "
            + "has \(layout.byteCount); check --size and --format")
      }
      description.frameCount = remaining / layout.byteCount
    }
    if bytes.isMapped { description.mappedFile = name }
    self.bytes = bytes
    self.name = name
    self.layout = layout
    self.description = description
  }

  func verify() throws(CommandError) { try bytes.verify() }

  func next(_ number: Int64) throws(CommandError) -> VideoFrame? {
    switch try bytes.frame(byteCount: layout.byteCount) {
    case .whole(let memory, let offset):
      return try description.frame(memory, at: offset, layout, number)
    case .end, .stopped: return nil
    case .truncated(let count):
      throw CommandError(
        .badData,
        "\(name) ends within a frame: its last \(count) bytes are no whole frame of "
          + "\(layout.byteCount) bytes and were left out; check --size and --format",
        severity: .warning)
    }
  }
}

extension RasterLayout {
  /// The layout of a frame as it lies in a file.
  ///
  /// - Parameters:
  ///   - format: how the pixels are laid out.
  ///   - size: the size of the picture.
  ///   - stride: bytes from row to row of the first plane; nil when rows follow each other. The
  ///     other planes are padded by the same number of columns.
  /// - Returns: the layout.
  /// - Throws: when there is no such layout.
  static func ofFrames(
    _ format: PixelFormat, _ size: VideoSize, stride: Int? = nil
  ) throws(CommandError) -> RasterLayout {
    let layout = try unpadded(format, size)
    guard let stride, let row = layout.planes.first?.bytesPerLine else { return layout }
    // The rows of a wider picture; two pixels tell how many bytes a pixel has.
    let pair = try unpadded(format, VideoSize(width: 2, height: 2)).planes[0].bytesPerLine
    guard stride >= row, stride.isMultiple(of: pair) else {
      throw CommandError(
        .usage,
        "--stride \(stride): a row of \(size) \(RawFormats.name(of: format)) has \(row) bytes; "
          + "give at least as many, and a multiple of \(pair)")
    }
    return try unpadded(format, VideoSize(width: stride / pair * 2, height: size.height))
  }

  private static func unpadded(
    _ format: PixelFormat, _ size: VideoSize
  ) throws(CommandError) -> RasterLayout {
    do { return try packed(format, size: size) } catch { throw CommandError(error) }
  }
}

extension SourceDescription {
  /// A frame of this source whose planes lie as `layout` says.
  func frame(
    _ memory: FrameMemory, at offset: Int, _ layout: RasterLayout, _ number: Int64
  ) throws(CommandError) -> VideoFrame {
    do {
      return try VideoFrame(
        format: format, size: size, memory: memory, offset: offset, planes: layout.planes,
        presentationTime: number, duration: 1)
    } catch {
      throw CommandError(error)
    }
  }
}
