/// Writes frames into the driver's buffers, in one pass.
package struct FrameWriter: Sendable {
  private let converter: FrameConverter
  package let layout: DriverLayout
  private let inputFormat: PixelFormat
  private let frameSize: VideoSize
  private let reader = FrameReader()
  package let rawFormat: PixelFormat
  package let visibleSize: VideoSize
  /// The bytes of each memory plane that are told to the driver: the whole plane, padding too.
  package let bytesUsed: PlaneByteCounts

  /// Prepares the way from frames to the planes of `rawFormat`, as the driver returned it.
  ///
  /// - Throws: `protocolViolation` when the driver's planes cannot hold the picture.
  package init(
    inputFormat: PixelFormat, frameSize: VideoSize, visibleSize: VideoSize,
    rawFormat: QueueFormat, color: ColorDescription
  ) throws(EncoderError) {
    self.inputFormat = inputFormat
    self.frameSize = frameSize
    self.visibleSize = visibleSize
    self.rawFormat = rawFormat.format
    let planeSizes = rawFormat.planes.map(\.byteCount)
    self.layout = try DriverLayout.driver(
      rawFormat.format, bufferSize: rawFormat.size,
      bytesPerLine: rawFormat.planes.map(\.bytesPerLine), planeSizes: planeSizes)
    self.bytesUsed = PlaneByteCounts(planeSizes)
    self.converter = try FrameConverter(
      from: inputFormat, to: rawFormat.format, size: visibleSize, color: color)
  }

  /// Whether samples are copied as they are.
  package var isPassThrough: Bool { converter.isPassThrough }
  /// How colours are converted; nil when samples are only moved.
  package var conversion: String? { converter.conversion }

  /// Refuses a frame that is not as configured.
  package func check(_ frame: VideoFrame) throws(EncoderError) {
    guard frame.format == inputFormat else {
      throw EncoderError(
        .invalidFrame, "the frame is \(frame.format), the encoder was opened for \(inputFormat)")
    }
    guard frame.size == frameSize else {
      throw EncoderError(
        .invalidFrame,
        "the frame is \(frame.size), the encoder was opened for \(frameSize); "
          + "open another encoder for another size")
    }
  }

  /// Converts or copies a checked frame into a buffer.
  ///
  /// - Throws: `invalidFrame` when a DMABUF cannot be read or is too short.
  package func write(
    _ frame: VideoFrame, into buffer: MappedBuffer
  ) throws(EncoderError) {
    try unsafe reader.read(frame) { planes in
      unsafe converter.convert(
        from: planes,
        to: PlanePointers(driver: layout) { plane in unsafe buffer.address(ofPlane: plane) })
    }
  }

  /// Why the driver cannot read frames that lie like this where they are; nil when it can.
  package func importRefusal(_ planes: [PlaneLayout]) -> String? {
    guard isPassThrough, inputFormat.contiguous == rawFormat.contiguous else {
      return "the driver takes \(rawFormat), not \(inputFormat)"
    }
    guard planes.count == layout.planes.count else {
      return "\(inputFormat) has \(layout.planes.count) planes, not \(planes.count)"
    }
    for (index, (ours, theirs)) in zip(planes, layout.planes).enumerated()
    where ours.offset != theirs.offset || ours.bytesPerLine != theirs.bytesPerLine {
      return "plane \(index) lies at \(ours.offset) with \(ours.bytesPerLine) bytes per line, "
        + "the driver wants \(theirs.offset) and \(theirs.bytesPerLine)"
    }
    return nil
  }
}

extension PixelFormat {
  /// The format with its planes in one piece of memory.
  var contiguous: PixelFormat { info?.contiguous ?? self }
}
