internal import CLibYUV

/// Conversions that libyuv does in one go.
extension FrameConverter {
  var width: Int32 { Int32(truncatingIfNeeded: size.width) }
  var height: Int32 { Int32(truncatingIfNeeded: size.height) }
  var chromaWidth: Int32 { (width + 1) / 2 }
  var chromaHeight: Int32 { (height + 1) / 2 }

  /// The source's planes with Cb before Cr.
  @unsafe func ordered(_ planes: PlanePointers, of info: PixelFormatInfo) -> PlanePointers {
    guard case .planar(crFirst: true) = info.arrangement else { return unsafe planes }
    return unsafe planes.swappingChroma
  }

  @unsafe func movePlanes(from source: PlanePointers, to target: PlanePointers) {
    if method == .copy { return unsafe copyPlanes(from: source, to: target) }
    let from = unsafe ordered(source, of: self.source)
    let to = unsafe ordered(target, of: self.target)
    switch method {
    case .planarToPlanar:
      unsafe copyLuma(from, to)
      unsafe copy(
        from.second, from.secondStride, to.second, to.secondStride, chromaWidth, chromaHeight)
      unsafe copy(from.third, from.thirdStride, to.third, to.thirdStride, chromaWidth, chromaHeight)
    case .planarToSemiplanar:
      unsafe copyLuma(from, to)
      unsafe weaveChroma(from: source, to: target)
    case .semiplanarToPlanar:
      unsafe copyLuma(from, to)
      unsafe split(
        from.second, from.secondStride, to.second, to.secondStride, to.third, to.thirdStride,
        rows: chromaHeight)
    case .semiplanarSwap:
      unsafe copyLuma(from, to)
      unsafe SwapUVPlane(
        from.second, Int32(from.secondStride), to.second, Int32(to.secondStride), chromaWidth,
        chromaHeight)
    case .packedSwap:
      // The bytes of a pair of pixels are two pairs of bytes, each to be exchanged.
      unsafe SwapUVPlane(
        from.first, Int32(from.firstStride), to.first, Int32(to.firstStride), chromaWidth * 2,
        height)
    case .packedToPlanar:
      unsafe unpack(from.first, from.firstStride, to, rows: height)
    case .planarToPacked:
      unsafe pack420(from, to.first, to.firstStride, rows: height)
    case .planar422ToPacked:
      unsafe pack422(from, to.first, to.firstStride, rows: height)
    case .planar422ToPlanar:
      unsafe copyLuma(from, to)
      unsafe averageRows(
        from.second, from.secondStride, to.second, to.secondStride, rows: height)
      unsafe averageRows(from.third, from.thirdStride, to.third, to.thirdStride, rows: height)
    case .monoToPlanar:
      unsafe copyLuma(from, to)
      unsafe SetPlane(to.second, Int32(to.secondStride), chromaWidth, chromaHeight, 128)
      unsafe SetPlane(to.third, Int32(to.thirdStride), chromaWidth, chromaHeight, 128)
    case .monoToSemiplanar:
      unsafe copyLuma(from, to)
      unsafe SetPlane(to.second, Int32(to.secondStride), chromaWidth * 2, chromaHeight, 128)
    case .copy, .rgb, .semiplanarToPacked, .planar422ToSemiplanar, .packedToSemiplanar,
      .monoToPacked:
      break  // `convert` sends these elsewhere
    }
  }

  /// What `planarToSemiplanar` does besides copying luma.
  @unsafe func weaveChroma(from source: PlanePointers, to target: PlanePointers) {
    let from = unsafe ordered(source, of: self.source)
    unsafe merge(
      from.second, from.secondStride, from.third, from.thirdStride, target.second,
      target.secondStride, rows: chromaHeight)
  }

  @unsafe private func copyPlanes(from: PlanePointers, to: PlanePointers) {
    for (index, plane) in source.planes.enumerated() {
      let bytes = Int32(truncatingIfNeeded: plane.rowBytes(width: size.width))
      let rows = Int32(truncatingIfNeeded: plane.rows(height: size.height))
      switch index {
      case 0: unsafe copy(from.first, from.firstStride, to.first, to.firstStride, bytes, rows)
      case 1: unsafe copy(from.second, from.secondStride, to.second, to.secondStride, bytes, rows)
      default: unsafe copy(from.third, from.thirdStride, to.third, to.thirdStride, bytes, rows)
      }
    }
  }

  @unsafe private func copyLuma(_ from: PlanePointers, _ to: PlanePointers) {
    unsafe copy(from.first, from.firstStride, to.first, to.firstStride, width, height)
  }

  @unsafe func copy(
    _ from: UnsafePointer<UInt8>, _ fromStride: Int, _ to: UnsafeMutablePointer<UInt8>,
    _ toStride: Int, _ width: Int32, _ height: Int32
  ) {
    unsafe CopyPlane(from, Int32(fromStride), to, Int32(toStride), width, height)
  }

  /// Writes pairs in the target's order.
  @unsafe func merge(
    _ cb: UnsafePointer<UInt8>, _ cbStride: Int, _ cr: UnsafePointer<UInt8>, _ crStride: Int,
    _ to: UnsafeMutablePointer<UInt8>, _ toStride: Int, rows: Int32
  ) {
    let crFirst = target.arrangement == .semiplanar(crFirst: true)
    unsafe MergeUVPlane(
      crFirst ? cr : cb, Int32(crFirst ? crStride : cbStride), crFirst ? cb : cr,
      Int32(crFirst ? cbStride : crStride), to, Int32(toStride), chromaWidth, rows)
  }

  /// Reads pairs in the source's order.
  @unsafe func split(
    _ from: UnsafePointer<UInt8>, _ fromStride: Int, _ cb: UnsafeMutablePointer<UInt8>,
    _ cbStride: Int, _ cr: UnsafeMutablePointer<UInt8>, _ crStride: Int, rows: Int32
  ) {
    let crFirst = source.arrangement == .semiplanar(crFirst: true)
    unsafe SplitUVPlane(
      from, Int32(fromStride), crFirst ? cr : cb, Int32(crFirst ? crStride : cbStride),
      crFirst ? cb : cr, Int32(crFirst ? cbStride : crStride), chromaWidth, rows)
  }

  /// Takes packed 4:2:2 apart into planes of 4:2:0.
  @unsafe func unpack(
    _ from: UnsafePointer<UInt8>, _ stride: Int, _ to: PlanePointers, rows: Int32
  ) {
    let convert =
      unsafe source.arrangement == .packed(lumaFirst: true) ? YUY2ToI420 : UYVYToI420
    _ = unsafe convert(
      from, Int32(stride), to.first, Int32(to.firstStride), to.second, Int32(to.secondStride),
      to.third, Int32(to.thirdStride), width, rows)
  }

  /// Writes planes of 4:2:0 as packed 4:2:2.
  @unsafe func pack420(
    _ from: PlanePointers, _ to: UnsafeMutablePointer<UInt8>, _ stride: Int, rows: Int32
  ) {
    let convert =
      unsafe target.arrangement == .packed(lumaFirst: true) ? I420ToYUY2 : I420ToUYVY
    _ = unsafe convert(
      from.first, Int32(from.firstStride), from.second, Int32(from.secondStride), from.third,
      Int32(from.thirdStride), to, Int32(stride), width, rows)
  }

  /// Writes planes of 4:2:2 as packed 4:2:2.
  @unsafe func pack422(
    _ from: PlanePointers, _ to: UnsafeMutablePointer<UInt8>, _ stride: Int, rows: Int32
  ) {
    let convert =
      unsafe target.arrangement == .packed(lumaFirst: true) ? I422ToYUY2 : I422ToUYVY
    _ = unsafe convert(
      from.first, Int32(from.firstStride), from.second, Int32(from.secondStride), from.third,
      Int32(from.thirdStride), to, Int32(stride), width, rows)
  }

  /// Averages each pair of chroma rows; an odd last one is copied.
  @unsafe func averageRows(
    _ from: UnsafePointer<UInt8>, _ fromStride: Int, _ to: UnsafeMutablePointer<UInt8>,
    _ toStride: Int, rows: Int32
  ) {
    let pairs = rows / 2
    if pairs > 0 {
      _ = unsafe InterpolatePlane(
        from, Int32(fromStride * 2), from.advanced(by: fromStride), Int32(fromStride * 2), to,
        Int32(toStride), chromaWidth, pairs, 128)
    }
    if rows % 2 == 1 {
      unsafe copy(
        from.advanced(by: Int(pairs) * 2 * fromStride), fromStride,
        to.advanced(by: Int(pairs) * toStride), toStride, chromaWidth, 1)
    }
  }
}
