internal import Glibc

/// Reads frames of mapped files past their mapping: planes that only move come straight into the
/// driver's buffer, chroma that is interleaved there through memory that stays in the cache.
///
/// A page of a mapping costs a fault, and being unmapped. Where the page cache has the file in small
/// pieces that is more than the kernel's copying, and otherwise no less.
struct FileFrameReader: Sendable {
  private let converter: FrameConverter
  /// How frames must lie in their file: without gaps, so that one request brings everything.
  private let planes: [PlaneLayout]
  /// What follows each other in the file, in bytes, by where it goes.
  private let pieces: [Int]
  /// Holds both planes of chroma; nil when all planes only move.
  private let chroma: ScratchPool?

  /// Nil when frames do not get into the driver's buffer like this.
  ///
  /// - Throws: `invalidFrame` for frames that cannot be.
  init?(
    for converter: FrameConverter, inputFormat: PixelFormat, layout: DriverLayout
  ) throws(EncoderError) {
    let frame = try RasterLayout.packed(inputFormat, size: converter.size)
    let ends = frame.planes.dropFirst().map(\.offset) + [frame.byteCount]
    let counts = zip(frame.planes, ends).map { $1 - $0.offset }
    let moved: Int
    switch converter.method {
    case .copy:
      moved = counts.count
      pieces = counts
      chroma = nil
    case .planarToSemiplanar:
      moved = 1
      pieces = [counts[0], counts[1] + counts[2]]
      chroma = ScratchPool(byteCount: counts[1] + counts[2])
    case .planarToPlanar, .planarToPacked, .semiplanarToPlanar, .semiplanarSwap,
      .semiplanarToPacked, .planar422ToPlanar, .planar422ToSemiplanar, .planar422ToPacked,
      .packedToPlanar, .packedToSemiplanar, .packedSwap, .monoToPlanar, .monoToSemiplanar,
      .monoToPacked, .rgb:
      return nil
    }
    // What lies beside the picture in the driver's rows is not ours to write.
    let isTight = zip(frame.planes, layout.planes).prefix(moved).allSatisfy {
      $0.bytesPerLine == $1.bytesPerLine
    }
    guard isTight else { return nil }
    self.converter = converter
    self.planes = frame.planes
  }

  /// Brings a frame into a driver's buffer; false when it must be read where it is in memory, which
  /// also says what the file lacks.
  @unsafe func read(_ frame: VideoFrame, into target: PlanePointers) -> Bool {
    guard case .memory(let memory, let offset) = frame.storage, let file = memory.file,
      frame.planes == planes
    else { return false }
    guard let chroma else {
      return unsafe read(file, at: offset, target.first, target.second, target.third)
    }
    var isRead = false
    unsafe chroma.withPiece { scratch in
      isRead = unsafe read(file, at: offset, target.first, scratch, scratch)
      guard isRead else { return }
      let (second, third) = (planes[1], planes[2])
      unsafe converter.weaveChroma(
        from: PlanePointers(
          target.first, target.firstStride, scratch, second.bytesPerLine,
          scratch + (third.offset - second.offset), third.bytesPerLine),
        to: target)
    }
    return isRead
  }

  @unsafe private func read(
    _ file: Int32, at offset: Int, _ first: UnsafeMutablePointer<UInt8>,
    _ second: UnsafeMutablePointer<UInt8>, _ third: UnsafeMutablePointer<UInt8>
  ) -> Bool {
    unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 3) { vectors in
      var byteCount = 0
      for (index, count) in pieces.enumerated() {
        let start = unsafe index == 0 ? first : index == 1 ? second : third
        unsafe vectors.initializeElement(
          at: index, to: iovec(iov_base: UnsafeMutableRawPointer(start), iov_len: count))
        byteCount += count
      }
      return unsafe preadv(file, vectors.baseAddress, Int32(pieces.count), offset) == byteCount
    }
  }
}
