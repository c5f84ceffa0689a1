/// Turns full range Y'CbCr (JPEG: black and white are 0 and 255) into limited range (16 and 235,
/// chroma 16 to 240), by the equations of ITU-R BT.601 and ITU-T T.871, rounded to the nearest.
enum RangeConversion {
  /// Converts a picture in place.
  @unsafe static func limit(
    _ planes: PlanePointers, of info: PixelFormatInfo, size: VideoSize
  ) {
    for (index, plane) in info.planes.enumerated() {
      let (start, stride) =
        switch index {
        case 0: unsafe (planes.first, planes.firstStride)
        case 1: unsafe (planes.second, planes.secondStride)
        default: unsafe (planes.third, planes.thirdStride)
        }
      let count = plane.rowBytes(width: size.width)
      for row in 0..<plane.rows(height: size.height) {
        let samples = unsafe start + row * stride
        if index == 0 {
          unsafe scale(samples, count, by: 219, adding: 16 * 255)
        } else {
          // Chroma is scaled around its middle: 128 * 255 - 128 * 224.
          unsafe scale(samples, count, by: 224, adding: 128 * 31)
        }
      }
    }
  }

  /// Sixteen bits suffice, which is what lets the compiler use vectors: the greatest sum is 61,215.
  private static func scale(
    _ samples: UnsafeMutablePointer<UInt8>, _ count: Int, by factor: UInt16, adding offset: UInt16
  ) {
    for index in 0..<count {
      let sum = unsafe UInt16(samples[index]) &* factor &+ offset &+ 127
      unsafe samples[index] = UInt8(truncatingIfNeeded: sum / 255)
    }
  }
}
