internal import V4L2Encoder

/// Frames of a YUV4MPEG2 file or pipe.
final class Y4MSource: FrameSource {
  let description: SourceDescription
  private let bytes: any InputBytes
  private let name: String
  private let layout: RasterLayout

  init(
    _ bytes: any InputBytes, name: String, options: EncodeOptions, defaultRate: Rational
  ) throws(CommandError) {
    guard case .line(let line) = try bytes.line(limit: Y4MHeader.longestLine) else {
      throw CommandError(.badData, "\(name): the y4m header is damaged: its line has no end")
    }
    let header = try Y4MHeader(line, name: name)
    let layout = try RasterLayout.ofFrames(header.format, header.size)
    try Self.checkAgreement(header, options, name)
    var description = SourceDescription(
      size: header.size, format: header.format,
      frameRate: options.frameRate ?? header.frameRate ?? defaultRate,
      colorRange: header.colorRange)
    description.pixelAspect = header.pixelAspect
    if options.frameRate == nil, header.frameRate == nil {
      description.remarks.append("\(defaultRate) fps (default: the y4m header names none)")
    }
    if header.isInterlaced {
      description.remarks.append("the input is interlaced; it is encoded as progressive pictures")
    }
    // Frame headers may have parameters, so this is how many there can be at most; files without
    // any, which are nearly all, have exactly so many.
    description.frameCount = bytes.remaining.map { $0 / (layout.byteCount + 6) }
    if bytes.isMapped { description.mappedFile = name }
    self.bytes = bytes
    self.name = name
    self.layout = layout
    self.description = description
  }

  func verify() throws(CommandError) { try bytes.verify() }

  func next(_ number: Int64) throws(CommandError) -> VideoFrame? {
    switch try bytes.line(limit: Y4MHeader.longestLine) {
    case .end, .stopped: return nil
    case .unterminated:
      throw CommandError(.badData, "\(name): the header of frame \(number) is damaged: no line end")
    case .line(let line): try checkFrameHeader(line, number)
    }
    switch try bytes.frame(byteCount: layout.byteCount) {
    case .whole(let memory, let offset):
      return try description.frame(memory, at: offset, layout, number)
    case .stopped: return nil
    case .end: throw truncated(0)
    case .truncated(let count): throw truncated(count)
    }
  }

  private func truncated(_ count: Int) -> CommandError {
    CommandError(
      .badData,
      "\(name) ends within a frame: its last \(count) bytes are no whole frame of "
        + "\(layout.byteCount) bytes and were left out", severity: .warning)
  }

  private func checkFrameHeader(_ line: [UInt8], _ number: Int64) throws(CommandError) {
    if line.elementsEqual("FRAME".utf8) { return }
    let words = line.split(separator: 0x20, omittingEmptySubsequences: true)
    if let first = words.first, first.elementsEqual("FRAME".utf8) { return }
    // A size that changes has no way to be said in y4m: what comes is another stream's header.
    if let first = words.first, first.elementsEqual(Y4MHeader.magic.utf8) {
      let header = try Y4MHeader(line, name: name)
      throw CommandError(
        .badData,
        "\(name): a second y4m header (\(header.size)) follows frame \(number); "
          + "one encoded stream has one size, so encode the parts one by one")
    }
    throw CommandError(
      .badData,
      "\(name): frame \(number) does not begin with FRAME; the file is damaged, or its frames are "
        + "not \(description.size)")
  }

  private static func checkAgreement(
    _ header: Y4MHeader, _ options: EncodeOptions, _ name: String
  ) throws(CommandError) {
    if let size = options.size, size != header.size {
      throw CommandError(
        .usage, "--size \(size): the y4m header of \(name) says \(header.size); leave --size out")
    }
    if let stride = options.stride {
      throw CommandError(
        .usage, "--stride \(stride): the rows of y4m are never padded; leave --stride out")
    }
    if let format = options.format, format != header.format {
      throw CommandError(
        .usage,
        "--format \(RawFormats.name(of: format)): the y4m header of \(name) says "
          + "\(RawFormats.name(of: header.format)); leave --format out")
    }
  }
}
