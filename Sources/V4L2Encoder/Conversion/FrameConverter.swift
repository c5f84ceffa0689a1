/// Moves pictures from one raw format into another, in one pass over memory.
///
/// Made once per session; converting a frame allocates nothing and may run on several threads at
/// once.
package struct FrameConverter: Sendable {
  /// The way samples go.
  enum Method: Hashable, Sendable {
    case copy
    case planarToPlanar
    case planarToSemiplanar
    case planarToPacked
    case semiplanarToPlanar
    case semiplanarSwap
    case semiplanarToPacked
    case planar422ToPlanar
    case planar422ToSemiplanar
    case planar422ToPacked
    case packedToPlanar
    case packedToSemiplanar
    case packedSwap
    case monoToPlanar
    case monoToSemiplanar
    case monoToPacked
    case rgb
  }

  let source: PixelFormatInfo
  let target: PixelFormatInfo
  let size: VideoSize
  let method: Method
  /// How colours are computed; nil where libyuv does it.
  let matrix: ColorMatrix?
  let isFullRange: Bool
  let strips: StripGeometry
  let scratch: ScratchPool

  /// Whether the picture arrives as it is: the formats differ at most in where planes lie.
  package var isPassThrough: Bool { method == .copy }

  /// What happens to colours, such as `RGB to Y'CbCr: BT.709, limited range`; nil when samples are
  /// only moved.
  package let conversion: String?

  /// Prepares a conversion.
  ///
  /// - Throws: `unsupported` when there is no way from the one format to the other,
  ///   `invalidConfiguration` for an impossible size.
  package init(
    from: PixelFormat, to: PixelFormat, size: VideoSize, color: ColorDescription
  ) throws(EncoderError) {
    guard let source = from.info, let target = to.info,
      let method = Self.method(from: from, to: to)
    else {
      throw EncoderError(
        .unsupported,
        "frames in \(from.info?.name ?? from.description) cannot be converted to "
          + "\(to.info?.name ?? to.description)")
    }
    let dimensions = 1...RasterLayout.largestDimension
    guard dimensions.contains(size.width), dimensions.contains(size.height) else {
      throw EncoderError(.invalidConfiguration, "a picture cannot be \(size)")
    }
    self.source = source
    self.target = target
    self.size = size
    self.method = method
    let resolved = color.resolvedMatrix(for: size)
    self.isFullRange = color.range == .full
    self.matrix =
      method == .rgb ? resolved.weights(isFullRange: isFullRange) : nil
    self.conversion = Self.describe(
      method, from: source, to: target, matrix: resolved, isFullRange: isFullRange)
    self.strips = StripGeometry(size: size)
    self.scratch = ScratchPool(byteCount: strips.byteCount)
  }

  /// Converts one picture.
  ///
  /// Only the samples of the picture are written, never what lies beside or below it.
  ///
  /// - Parameters:
  ///   - source: a picture in the source format and of the size given at the start.
  ///   - target: room for it in the target format.
  @unsafe package func convert(from source: PlanePointers, to target: PlanePointers) {
    if method == .rgb {
      unsafe convertRGB(from: source, to: target)
    } else if Self.needsStrips(method) {
      unsafe convertStrips(from: source, to: target)
    } else {
      unsafe movePlanes(from: source, to: target)
    }
  }
}

extension FrameConverter {
  /// Whether there is a way from one format to the other.
  package static func canConvert(from source: PixelFormat, to target: PixelFormat) -> Bool {
    method(from: source, to: target) != nil
  }

  /// The format among a driver's that suits these frames best.
  ///
  /// The frames' own format first, then those that keep its chroma, then the cheapest; of equals
  /// the one the driver names first.
  package static func preferredTarget(
    for source: PixelFormat, among offered: [PixelFormat]
  ) -> PixelFormat? {
    // Formats that differ in alpha alone cost the same to fill, but a driver may encode alpha.
    if source.info != nil, offered.contains(source) { return source }
    var best: (format: PixelFormat, cost: Int)?
    for format in offered {
      guard let cost = cost(from: source, to: format), cost < best?.cost ?? .max else { continue }
      best = (format, cost)
    }
    return best?.format
  }

  static func cost(from source: PixelFormat, to target: PixelFormat) -> Int? {
    guard let method = method(from: source, to: target), let from = source.info,
      let to = target.info
    else { return nil }
    let work =
      switch method {
      case .copy: 0
      case .planarToPlanar, .monoToPlanar, .monoToSemiplanar: 1
      case .semiplanarSwap, .packedSwap, .planar422ToPacked: 2
      case .planarToSemiplanar, .semiplanarToPlanar, .packedToPlanar, .planar422ToPlanar: 3
      case .packedToSemiplanar, .planar422ToSemiplanar: 4
      case .planarToPacked, .monoToPacked: 5
      case .semiplanarToPacked: 6
      case .rgb:
        switch to.arrangement {
        case .planar: 3
        case .semiplanar: 4
        case .packed, .rgb, .mono: 5
        }
      }
    let losesChroma =
      from.chroma == .yuv422 && to.chroma != .yuv422 || from.chroma != .mono && to.chroma == .mono
    return work + (losesChroma ? 100 : 0)
  }

  private static func method(from source: PixelFormat, to target: PixelFormat) -> Method? {
    guard let from = source.info, let to = target.info else { return nil }
    // Alpha or unused, the fourth byte is never looked at.
    if from.contiguous == to.contiguous
      || from.arrangement == to.arrangement
        && from.chroma == to.chroma
    {
      return .copy
    }
    // An encoder's planar 4:2:2 and RGB are reached by copies only.
    switch (from.arrangement, to.arrangement) {
    case (.planar, .planar) where to.chroma == .yuv420:
      return from.chroma == .yuv420 ? .planarToPlanar : .planar422ToPlanar
    case (.planar, .semiplanar):
      return from.chroma == .yuv420 ? .planarToSemiplanar : .planar422ToSemiplanar
    case (.planar, .packed): return from.chroma == .yuv420 ? .planarToPacked : .planar422ToPacked
    case (.semiplanar, .planar) where to.chroma == .yuv420: return .semiplanarToPlanar
    case (.semiplanar, .semiplanar): return .semiplanarSwap
    case (.semiplanar, .packed): return .semiplanarToPacked
    case (.packed, .planar) where to.chroma == .yuv420: return .packedToPlanar
    case (.packed, .semiplanar): return .packedToSemiplanar
    case (.packed, .packed): return .packedSwap
    case (.mono, .planar) where to.chroma == .yuv420: return .monoToPlanar
    case (.mono, .semiplanar): return .monoToSemiplanar
    case (.mono, .packed): return .monoToPacked
    case (.rgb, .planar) where to.chroma == .yuv420: return .rgb
    case (.rgb, .semiplanar), (.rgb, .packed): return .rgb
    case (.planar, _), (.semiplanar, _), (.packed, _), (.rgb, _), (.mono, _): return nil
    }
  }

  private static func needsStrips(_ method: Method) -> Bool {
    switch method {
    case .semiplanarToPacked, .planar422ToSemiplanar, .packedToSemiplanar, .monoToPacked, .rgb: true
    case .copy, .planarToPlanar, .planarToSemiplanar, .planarToPacked, .semiplanarToPlanar,
      .semiplanarSwap, .planar422ToPlanar, .planar422ToPacked, .packedToPlanar, .packedSwap,
      .monoToPlanar, .monoToSemiplanar:
      false
    }
  }

  private static func describe(
    _ method: Method, from: PixelFormatInfo, to: PixelFormatInfo,
    matrix: ColorDescription.Matrix, isFullRange: Bool
  ) -> String? {
    if method == .rgb {
      return "RGB to Y'CbCr: \(matrix.name), \(isFullRange ? "full" : "limited") range"
    }
    switch (from.chroma, to.chroma) {
    case (.yuv422, .yuv420): return "4:2:2 to 4:2:0: pairs of chroma rows averaged"
    case (.yuv420, .yuv422): return "4:2:0 to 4:2:2: chroma rows repeated"
    case (.mono, .yuv420), (.mono, .yuv422): return "grey to Y'CbCr: neutral chroma added"
    default: return nil
    }
  }
}

extension ColorDescription {
  /// The matrix in force: the stated one, else that of the primaries, else the usual one.
  fileprivate func resolvedMatrix(for size: VideoSize) -> Matrix {
    guard matrix == .unspecified else { return matrix }
    switch primaries {
    case .bt709, .sRGB: return .bt709
    case .smpte170m, .bt470bg: return .bt601
    case .bt2020: return .bt2020
    case .unspecified: return ColorDescription.usual(for: size).matrix
    }
  }
}

extension ColorDescription.Matrix {
  fileprivate var name: String {
    switch self {
    case .unspecified, .bt709: "BT.709"
    case .bt601: "BT.601"
    case .bt2020: "BT.2020"
    }
  }

  /// The weights, unless libyuv knows the matrix.
  fileprivate func weights(isFullRange: Bool) -> ColorMatrix? {
    switch self {
    case .bt601: nil
    case .unspecified, .bt709: ColorMatrix(red: 0.2126, blue: 0.0722, isFullRange: isFullRange)
    case .bt2020: ColorMatrix(red: 0.2627, blue: 0.0593, isFullRange: isFullRange)
    }
  }
}
