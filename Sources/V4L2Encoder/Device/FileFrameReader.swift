internal import Glibc

/// Reads frames of mapped files past their mapping: planes that only move come straight into the
/// driver's buffer, chroma that is interleaved there through memory that stays in the cache.
///
/// A page of a mapping costs a fault, and being unmapped. Where the page cache has the file in
/// small pieces that is more than the kernel's copying, and otherwise no less.
struct FileFrameReader: Sendable {
  private let converter: FrameConverter
  /// How frames must lie in their file: without gaps, so that one request brings everything.
  private let frame: RasterLayout
  /// Holds both planes of chroma; nil when all planes only move.
  private let chroma: ScratchPool?

  /// Nil when frames do not get into the driver's buffer like this.
  ///
  /// - Throws: `invalidFrame` for frames that cannot be.
  init?(
    for converter: FrameConverter, inputFormat: PixelFormat, layout: DriverLayout
  ) throws(EncoderError) {
    let frame = try RasterLayout.packed(inputFormat, size: converter.size)
    let moved: Int
    switch converter.method {
    case .copy:
      moved = frame.planes.count
      chroma = nil
    case .planarToSemiplanar:
      moved = 1
      chroma = ScratchPool(byteCount: frame.byteCount - frame.planes[1].offset)
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
    self.frame = frame
  }

  /// Brings a frame into a driver's buffer; false when it must be read where it is in memory, which
  /// also says what the file lacks.
  @unsafe func read(_ frame: VideoFrame, into target: PlanePointers) -> Bool {
    guard case .memory(let memory, let offset) = frame.storage, let file = memory.file,
      frame.planes == self.frame.planes
    else { return false }
    guard let chroma else { return unsafe read(file, at: offset, into: target) }
    var isRead = false
    unsafe chroma.withPiece { scratch in
      let (second, third) = (frame.planes[1], frame.planes[2])
      let planes = unsafe PlanePointers(
        target.first, target.firstStride, scratch, second.bytesPerLine,
        scratch + (third.offset - second.offset), third.bytesPerLine)
      isRead = unsafe read(file, at: offset, into: planes)
      if isRead { unsafe converter.weaveChroma(from: planes, to: target) }
    }
    return isRead
  }

  /// Brings each plane to its place, with one request; false when it did not bring everything.
  @unsafe private func read(_ file: Int32, at offset: Int, into target: PlanePointers) -> Bool {
    let (planes, byteCount) = (frame.planes, frame.byteCount)
    return unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 3) { vectors in
      for (index, plane) in planes.enumerated() {
        let end = index + 1 < planes.count ? planes[index + 1].offset : byteCount
        let start = unsafe UnsafeMutableRawPointer(target[index])
        unsafe vectors.initializeElement(
          at: index, to: iovec(iov_base: start, iov_len: end - plane.offset))
      }
      return unsafe preadv(file, vectors.baseAddress, Int32(planes.count), offset) == byteCount
    }
  }
}
