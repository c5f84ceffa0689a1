import TestSupport

@testable import V4L2Encoder

/// A picture in memory with padded lines and guard bytes around every row.
struct TestPicture {
  static let guardByte: UInt8 = 0xa5

  let format: PixelFormat
  let size: VideoSize
  let planes: [PlaneLayout]
  var bytes: [UInt8]
  /// Whether a byte belongs to a row of the picture.
  let isSample: [Bool]
  let halvesRows: Bool
  private let arrangement: PixelFormatInfo.Arrangement
  private let rgbOffsets: [Int]

  /// All guard bytes; lines are `padding` bytes longer than needed, planes lie apart.
  init(_ format: PixelFormat, _ size: VideoSize, padding: Int) {
    var planes: [PlaneLayout] = []
    var offset = 64 + padding
    for plane in format.info?.planes ?? [] {
      let line = plane.rowBytes(width: size.width) + padding
      planes.append(PlaneLayout(offset: offset, bytesPerLine: line))
      offset += line * plane.rows(height: size.height) + 64
    }
    self.format = format
    self.size = size
    self.planes = planes
    self.bytes = Array(repeating: Self.guardByte, count: offset)
    var isSample = Array(repeating: false, count: offset)
    for (plane, shape) in zip(planes, format.info?.planes ?? []) {
      for row in 0..<shape.rows(height: size.height) {
        let start = plane.offset + row * plane.bytesPerLine
        for index in start..<start + shape.rowBytes(width: size.width) { isSample[index] = true }
      }
    }
    self.isSample = isSample
    self.arrangement = format.info?.arrangement ?? .mono
    self.halvesRows = format.info?.chroma == .yuv420
    self.rgbOffsets =
      switch format {
      case .rgb24: [0, 1, 2]
      case .bgr24, .bgra, .bgrx: [2, 1, 0]
      default: [1, 2, 3]
      }
  }

  /// Random samples in every row, guard bytes elsewhere.
  static func random(
    _ format: PixelFormat, _ size: VideoSize, padding: Int, using generator: inout SeededGenerator
  ) -> TestPicture {
    var picture = TestPicture(format, size, padding: padding)
    for index in picture.bytes.indices where picture.isSample[index] {
      picture.bytes[index] = UInt8(truncatingIfNeeded: generator.next())
    }
    return picture
  }

  func byte(_ plane: Int, _ row: Int, _ column: Int) -> Double {
    Double(bytes[planes[plane].offset + row * planes[plane].bytesPerLine + column])
  }

  func luma(_ x: Int, _ y: Int) -> Double {
    switch arrangement {
    case .packed(let lumaFirst): byte(0, y, 2 * x + (lumaFirst ? 0 : 1))
    default: byte(0, y, x)
    }
  }

  /// Cb and Cr that belong to a pixel.
  func chroma(_ x: Int, _ y: Int) -> (cb: Double, cr: Double) {
    let row = halvesRows ? y / 2 : y
    switch arrangement {
    case .planar(let crFirst):
      let first = byte(1, row, x / 2)
      let second = byte(2, row, x / 2)
      return crFirst ? (second, first) : (first, second)
    case .semiplanar(let crFirst):
      let first = byte(1, row, x / 2 * 2)
      let second = byte(1, row, x / 2 * 2 + 1)
      return crFirst ? (second, first) : (first, second)
    case .packed(let lumaFirst):
      let start = x / 2 * 4 + (lumaFirst ? 1 : 0)
      return (byte(0, row, start), byte(0, row, start + 2))
    case .mono, .rgb: return (128, 128)
    }
  }

  func rgb(_ x: Int, _ y: Int) -> SIMD3<Double> {
    let start = x * (format == .rgb24 || format == .bgr24 ? 3 : 4)
    return SIMD3(
      byte(0, y, start + rgbOffsets[0]), byte(0, y, start + rgbOffsets[1]),
      byte(0, y, start + rgbOffsets[2]))
  }
}

/// Y'CbCr of an RGB pixel by the definition of the standards, in floating point.
struct ExactMatrix {
  let red: Double
  let blue: Double
  let isFullRange: Bool

  func luma(_ rgb: SIMD3<Double>) -> Double {
    let y = red * rgb[0] + (1 - red - blue) * rgb[1] + blue * rgb[2]
    return isFullRange ? y : 16 + y * 219 / 255
  }

  func chroma(_ rgb: SIMD3<Double>) -> (cb: Double, cr: Double) {
    let y = red * rgb[0] + (1 - red - blue) * rgb[1] + blue * rgb[2]
    let scale = isFullRange ? 1.0 : 224.0 / 255
    return (
      min(128 + (rgb[2] - y) / (1 - blue) / 2 * scale, 255),
      min(128 + (rgb[0] - y) / (1 - red) / 2 * scale, 255)
    )
  }
}
