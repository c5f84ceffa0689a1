/// Where the colour planes of one picture begin and how far their rows are apart.
///
/// Stored inline, so that making one per frame allocates nothing. Planes a format does not have
/// point to the first one and have stride zero.
@unsafe package struct PlanePointers {
  /// Luma, or the only plane.
  package var first: UnsafeMutablePointer<UInt8>
  /// The first kind of chroma, or both.
  package var second: UnsafeMutablePointer<UInt8>
  /// The second kind of chroma.
  package var third: UnsafeMutablePointer<UInt8>
  /// Bytes from row to row of the first plane.
  package var firstStride: Int
  /// Bytes from row to row of the second plane.
  package var secondStride: Int
  /// Bytes from row to row of the third plane.
  package var thirdStride: Int

  /// Planes at these addresses; `nil` for those the format does not have.
  package init(
    _ first: UnsafeMutableRawPointer, _ firstStride: Int,
    _ second: UnsafeMutableRawPointer? = nil, _ secondStride: Int = 0,
    _ third: UnsafeMutableRawPointer? = nil, _ thirdStride: Int = 0
  ) {
    unsafe self.first = first.assumingMemoryBound(to: UInt8.self)
    unsafe self.second = (second ?? first).assumingMemoryBound(to: UInt8.self)
    unsafe self.third = (third ?? first).assumingMemoryBound(to: UInt8.self)
    unsafe self.firstStride = firstStride
    unsafe self.secondStride = secondStride
    unsafe self.thirdStride = thirdStride
  }

  /// The planes of a frame that begins at `base`; they are only read.
  package init(frame base: UnsafeRawPointer, planes: [PlaneLayout]) {
    let start = unsafe UnsafeMutableRawPointer(mutating: base)
    unsafe self.init(start, 0)
    for index in 0..<min(planes.count, 3) {
      let plane = unsafe start.advanced(by: planes[index].offset)
      unsafe set(
        index, plane.assumingMemoryBound(to: UInt8.self), stride: planes[index].bytesPerLine)
    }
  }

  /// The planes of a driver's buffer whose memory planes begin where `memoryPlane` says.
  package init(
    driver layout: DriverLayout, memoryPlane: (Int) -> UnsafeMutableRawPointer
  ) {
    unsafe self.init(memoryPlane(0), 0)
    for index in 0..<min(layout.planes.count, 3) {
      let plane = layout.planes[index]
      let start = unsafe memoryPlane(plane.memoryPlane).advanced(by: plane.offset)
      unsafe set(index, start.assumingMemoryBound(to: UInt8.self), stride: plane.bytesPerLine)
    }
  }

  /// Where a plane begins, counted from zero.
  package subscript(index: Int) -> UnsafeMutablePointer<UInt8> {
    switch index {
    case 0: unsafe first
    case 1: unsafe second
    default: unsafe third
    }
  }

  private mutating func set(_ index: Int, _ start: UnsafeMutablePointer<UInt8>, stride: Int) {
    switch index {
    case 0: unsafe (first, firstStride) = (start, stride)
    case 1: unsafe (second, secondStride) = (start, stride)
    default: unsafe (third, thirdStride) = (start, stride)
    }
  }

  /// The same planes with the two kinds of chroma exchanged.
  var swappingChroma: PlanePointers {
    var result = unsafe self
    unsafe (result.second, result.secondStride) = (third, thirdStride)
    unsafe (result.third, result.thirdStride) = (second, secondStride)
    return unsafe result
  }
}
