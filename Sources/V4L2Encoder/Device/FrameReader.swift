/// Reads frames wherever they lie.
struct FrameReader: Sendable {
  private let mappings = DMABUFReader()

  /// Calls `body` with the planes of a frame, which are only valid meanwhile.
  ///
  /// - Throws: `invalidFrame` when a DMABUF cannot be read or is too short.
  @unsafe func read(
    _ frame: VideoFrame, _ body: (PlanePointers) -> Void
  ) throws(EncoderError) {
    switch frame.storage {
    case .memory(let memory, let offset):
      unsafe body(PlanePointers(frame: memory.start + offset, planes: frame.planes))
    case .dmabuf(let image):
      try unsafe read(image, of: frame, body)
    }
  }

  @unsafe private func read(
    _ image: DMABUFImage, of frame: VideoFrame, _ body: (PlanePointers) -> Void
  ) throws(EncoderError) {
    var mapped: [DMABUFReader.Mapping] = []
    do throws(Errno) {
      for plane in image.planes { mapped.append(try mappings.mapping(of: plane.descriptor)) }
    } catch {
      throw EncoderError(
        .invalidFrame, operation: "mmap", errno: error, "a DMABUF frame cannot be read")
    }
    for (index, mapping) in mapped.enumerated() {
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
    for descriptor in descriptors { mappings.synchronize(descriptor, begin: true) }
    defer { for descriptor in descriptors { mappings.synchronize(descriptor, begin: false) } }
    let start = { (index: Int) -> UnsafeMutableRawPointer? in
      guard mapped.indices.contains(index) else { return nil }
      return unsafe mapped[index].start + image.planes[index].offset
    }
    guard let first = unsafe start(0) else { return }
    let lines = image.planes.map(\.bytesPerLine) + [0, 0]
    unsafe body(PlanePointers(first, lines[0], start(1), lines[1], start(2), lines[2]))
  }
}

extension FrameReader {
  /// Scales a frame into memory that nobody else has seen yet.
  func scale(
    _ frame: VideoFrame, by scaler: PictureScaler, into memory: FrameMemory
  ) throws(EncoderError) {
    try unsafe read(frame) { planes in
      unsafe scaler.scale(from: planes, to: memory.mutableStart)
    }
  }
}
