/// Writes frames into the driver's buffers, in one pass.
package struct FrameWriter: Sendable {
  private let converter: FrameConverter
  package let layout: DriverLayout
  private let inputFormat: PixelFormat
  private let frameSize: VideoSize
  private let reader = DMABUFReader()
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
    switch frame.storage {
    case .memory(let memory, let offset):
      unsafe converter.convert(
        from: PlanePointers(frame: memory.start + offset, planes: frame.planes),
        to: PlanePointers(driver: layout) { plane in unsafe buffer.address(ofPlane: plane) })
    case .dmabuf(let image):
      try write(image, of: frame, into: buffer)
    }
  }

  private func write(
    _ image: DMABUFImage, of frame: VideoFrame, into buffer: MappedBuffer
  ) throws(EncoderError) {
    var mappings: [DMABUFReader.Mapping] = []
    do throws(Errno) {
      for plane in image.planes { mappings.append(try reader.mapping(of: plane.descriptor)) }
    } catch {
      throw EncoderError(
        .invalidFrame, operation: "mmap", errno: error, "a DMABUF frame cannot be read")
    }
    for (index, mapping) in mappings.enumerated() {
      let plane = image.planes[index]
      let bytes = RasterLayout.byteCount(
        ofPlane: index, of: frame.format, size: frame.size, bytesPerLine: plane.bytesPerLine)
      guard let bytes, plane.offset <= mapping.byteCount, bytes <= mapping.byteCount - plane.offset
      else {
        throw EncoderError(
          .invalidFrame,
          "plane \(index) of a \(frame.format) \(frame.size) frame ends beyond its DMABUF")
      }
    }
    let descriptors = Set(image.planes.map(\.descriptor))
    for descriptor in descriptors { reader.synchronize(descriptor, begin: true) }
    defer { for descriptor in descriptors { reader.synchronize(descriptor, begin: false) } }
    let start = { (index: Int) -> UnsafeMutableRawPointer? in
      guard mappings.indices.contains(index) else { return nil }
      return unsafe mappings[index].start + image.planes[index].offset
    }
    guard let first = unsafe start(0) else { return }
    let lines = image.planes.map(\.bytesPerLine) + [0, 0]
    unsafe converter.convert(
      from: PlanePointers(first, lines[0], start(1), lines[1], start(2), lines[2]),
      to: PlanePointers(driver: layout) { plane in unsafe buffer.address(ofPlane: plane) })
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
