/// Decodes the JPEG pictures in a camera's buffers into memory that is used again and again.
struct JPEGReader: Sendable {
  /// What became of a picture.
  enum Outcome {
    case decoded(FrameMemory)
    case undecodable(String)
    /// Every piece of memory is in a frame that somebody holds.
    case noRoom
  }

  private let decoder: JPEGDecoder
  private let pool: FrameMemoryPool

  /// The decoded pictures' colour planes.
  var planes: [PlaneLayout] { decoder.layout.planes }
  /// The decoded pictures' format.
  var format: PixelFormat { decoder.format }

  init(decoder: JPEGDecoder, frames: Int) {
    self.decoder = decoder
    self.pool = FrameMemoryPool(byteCount: decoder.layout.byteCount, capacity: frames)
  }

  /// Decodes the bytes of the first plane that the driver filled.
  func read(_ range: Range<Int>, of buffer: MappedBuffer) -> Outcome {
    guard range.lowerBound >= 0, range.upperBound <= buffer.planeLengths[0] else {
      return .undecodable("the driver says that it ends beyond its buffer")
    }
    guard let memory = pool.take() else { return .noRoom }
    let bytes = unsafe UnsafeRawBufferPointer(
      start: buffer.address(ofPlane: 0) + range.lowerBound, count: range.count)
    if let reason = unsafe decoder.decode(bytes, to: memory.mutableStart) {
      return .undecodable(reason)
    }
    return .decoded(memory)
  }
}
