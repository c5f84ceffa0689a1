/// How the samples of a raw format are arranged in memory.
package struct PixelFormatInfo: Hashable, Sendable {
  /// Which samples stand where.
  package enum Arrangement: Hashable, Sendable {
    /// A plane each of luma and the two kinds of chroma.
    case planar(crFirst: Bool)
    /// A plane of luma and one of chroma pairs.
    case semiplanar(crFirst: Bool)
    /// One plane of two lumas and two chromas per pair of pixels.
    case packed(lumaFirst: Bool)
    /// One plane of red, green and blue.
    case rgb(RGBOrder)
    /// One plane of luma and no chroma.
    case mono
  }

  /// The bytes of one RGB pixel as they lie in memory; `x` is alpha or unused.
  package enum RGBOrder: Hashable, Sendable {
    case rgb, bgr, bgrx, xrgb
  }

  /// How many pixels share a chroma sample.
  package enum Chroma: Hashable, Sendable {
    case yuv420, yuv422, rgb, mono
  }

  /// The shape of one colour plane.
  package struct ColorPlane: Hashable, Sendable {
    /// Pixels of a row that share one group of samples.
    package let horizontalSubsampling: Int
    /// Rows of pixels that share one row of samples.
    package let verticalSubsampling: Int
    /// Bytes of one group of samples.
    package let bytesPerGroup: Int

    /// Bytes of one row of a picture of this width, without padding.
    package func rowBytes(width: Int) -> Int {
      (width + horizontalSubsampling - 1) / horizontalSubsampling * bytesPerGroup
    }

    /// Rows of a picture of this height.
    package func rows(height: Int) -> Int {
      (height + verticalSubsampling - 1) / verticalSubsampling
    }
  }

  /// The name people use, also on the command line.
  package let name: String
  /// Which samples stand where.
  package let arrangement: Arrangement
  /// How many pixels share a chroma sample.
  package let chroma: Chroma
  /// The colour planes in the format's order.
  package let planes: [ColorPlane]
  /// How many pieces of memory a driver uses: one, or one per colour plane of the M formats.
  package let memoryPlanes: Int
  /// The format with the same planes in one piece of memory.
  package let contiguous: PixelFormat

  /// Whether pairs of pixels share chroma.
  package var requiresEvenWidth: Bool { chroma == .yuv420 || chroma == .yuv422 }
  /// Whether pairs of rows share chroma.
  package var requiresEvenHeight: Bool { chroma == .yuv420 }
}

extension PixelFormat {
  /// What the library knows about the format; nil for compressed and for foreign formats.
  package var info: PixelFormatInfo? { formatTable[self] }

  /// The format with this name, as used on the command line.
  package static func named(_ name: String) -> PixelFormat? {
    formatTable.first { $0.value.name == name }?.key
  }

  /// Every raw format the library knows, in alphabetical order of the names.
  package static var allRaw: [PixelFormat] {
    formatTable.sorted { $0.value.name < $1.value.name }.map(\.key)
  }
}

private let formatTable: [PixelFormat: PixelFormatInfo] = {
  typealias Plane = PixelFormatInfo.ColorPlane
  func plane(_ horizontal: Int, _ vertical: Int, _ bytes: Int) -> Plane {
    Plane(
      horizontalSubsampling: horizontal, verticalSubsampling: vertical, bytesPerGroup: bytes)
  }
  let full = plane(1, 1, 1)
  let quarter = plane(2, 2, 1)
  var table: [PixelFormat: PixelFormatInfo] = [:]
  func add(
    _ format: PixelFormat, _ name: String, _ arrangement: PixelFormatInfo.Arrangement,
    _ chroma: PixelFormatInfo.Chroma, _ planes: [Plane], separateMemoryOf: PixelFormat? = nil
  ) {
    table[format] = PixelFormatInfo(
      name: name, arrangement: arrangement, chroma: chroma, planes: planes,
      memoryPlanes: separateMemoryOf == nil ? 1 : planes.count,
      contiguous: separateMemoryOf ?? format)
  }
  let planar420 = [full, quarter, quarter]
  let semiplanar420 = [full, plane(2, 2, 2)]
  add(.i420, "i420", .planar(crFirst: false), .yuv420, planar420)
  add(.yv12, "yv12", .planar(crFirst: true), .yuv420, planar420)
  add(.nv12, "nv12", .semiplanar(crFirst: false), .yuv420, semiplanar420)
  add(.nv21, "nv21", .semiplanar(crFirst: true), .yuv420, semiplanar420)
  add(.i420m, "i420m", .planar(crFirst: false), .yuv420, planar420, separateMemoryOf: .i420)
  add(.yv12m, "yv12m", .planar(crFirst: true), .yuv420, planar420, separateMemoryOf: .yv12)
  add(
    .nv12m, "nv12m", .semiplanar(crFirst: false), .yuv420, semiplanar420, separateMemoryOf: .nv12)
  add(.nv21m, "nv21m", .semiplanar(crFirst: true), .yuv420, semiplanar420, separateMemoryOf: .nv21)
  let halfWidth = plane(2, 1, 1)
  add(.i422, "i422", .planar(crFirst: false), .yuv422, [full, halfWidth, halfWidth])
  add(.yuyv, "yuyv", .packed(lumaFirst: true), .yuv422, [plane(2, 1, 4)])
  add(.uyvy, "uyvy", .packed(lumaFirst: false), .yuv422, [plane(2, 1, 4)])
  add(.rgb24, "rgb24", .rgb(.rgb), .rgb, [plane(1, 1, 3)])
  add(.bgr24, "bgr24", .rgb(.bgr), .rgb, [plane(1, 1, 3)])
  add(.bgra, "bgra", .rgb(.bgrx), .rgb, [plane(1, 1, 4)])
  add(.bgrx, "bgrx", .rgb(.bgrx), .rgb, [plane(1, 1, 4)])
  add(.argb, "argb", .rgb(.xrgb), .rgb, [plane(1, 1, 4)])
  add(.grey, "grey", .mono, .mono, [full])
  return table
}()
