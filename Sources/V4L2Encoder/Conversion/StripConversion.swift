internal import CLibYUV

/// The intermediate planes of a strip: a few rows that stay in the cache between two steps, so that
/// the picture passes through memory once.
struct StripGeometry: Hashable, Sendable {
  let lumaStride: Int
  let chromaStride: Int
  /// Always even, so that strips begin on a row of 4:2:0 chroma.
  let rows: Int

  private enum Bytes {
    static let cacheLine = 64
    static let target = 96 * 1024
  }

  init(size: VideoSize) {
    func aligned(_ count: Int) -> Int {
      (count + 1 + Bytes.cacheLine) / Bytes.cacheLine * Bytes.cacheLine
    }
    lumaStride = aligned(size.width)
    chromaStride = aligned((size.width + 1) / 2)
    let bytesPerRow = lumaStride * 8 + chromaStride * 2
    rows = min(max(Bytes.target / bytesPerRow / 2 * 2, 2), 16)
  }

  var luma: Int { 0 }
  var cb: Int { luma + lumaStride * rows }
  var cr: Int { cb + chromaStride * rows }
  var bgrx: Int { cr + chromaStride * rows }
  var red: Int { bgrx + 4 * lumaStride * rows }
  var green: Int { red + lumaStride * rows }
  var blue: Int { green + lumaStride * rows }
  /// Red, green and blue of one row at chroma resolution.
  var averages: Int { blue + lumaStride * rows }
  var byteCount: Int { averages + 3 * chromaStride }
}

extension FrameConverter {
  /// Calls `body` with each strip's first row and its number of rows.
  private func forEachStrip(_ body: (_ row: Int, _ rows: Int32) -> Void) {
    var row = 0
    while row < size.height {
      let rows = min(strips.rows, size.height - row)
      body(row, Int32(truncatingIfNeeded: rows))
      row += rows
    }
  }

  @unsafe func convertStrips(from source: PlanePointers, to target: PlanePointers) {
    let from = unsafe ordered(source, of: self.source)
    let to = unsafe target
    unsafe scratch.withPiece { piece in
      let cb = unsafe piece.advanced(by: strips.cb)
      let cr = unsafe piece.advanced(by: strips.cr)
      let stride = strips.chromaStride
      if method == .monoToPacked {
        unsafe SetPlane(cb, Int32(stride), Int32(stride), 1, 128)
      }
      forEachStrip { row, rows in
        let chromaRow = row / 2
        let chromaRows = (rows + 1) / 2
        let luma = unsafe from.first.advanced(by: row * from.firstStride)
        let lumaTarget = unsafe to.first.advanced(by: row * to.firstStride)
        let pairs = unsafe to.second.advanced(by: chromaRow * to.secondStride)
        switch method {
        case .semiplanarToPacked:
          unsafe split(
            from.second.advanced(by: chromaRow * from.secondStride), from.secondStride, cb, stride,
            cr, stride, rows: chromaRows)
          unsafe pack420(
            PlanePointers(luma, from.firstStride, cb, stride, cr, stride), lumaTarget,
            to.firstStride, rows: rows)
        case .monoToPacked:
          // One neutral row serves every row and both kinds of chroma.
          unsafe pack422(
            PlanePointers(luma, from.firstStride, cb, 0, cb, 0), lumaTarget, to.firstStride,
            rows: rows)
        case .packedToSemiplanar:
          unsafe unpack(
            luma, from.firstStride,
            PlanePointers(lumaTarget, to.firstStride, cb, stride, cr, stride), rows: rows)
          unsafe merge(cb, stride, cr, stride, pairs, to.secondStride, rows: chromaRows)
        case .planar422ToSemiplanar:
          unsafe copy(luma, from.firstStride, lumaTarget, to.firstStride, width, rows)
          unsafe averageRows(
            from.second.advanced(by: row * from.secondStride), from.secondStride, cb, stride,
            rows: rows)
          unsafe averageRows(
            from.third.advanced(by: row * from.thirdStride), from.thirdStride, cr, stride,
            rows: rows)
          unsafe merge(cb, stride, cr, stride, pairs, to.secondStride, rows: chromaRows)
        case .copy, .planarToPlanar, .planarToSemiplanar, .planarToPacked, .semiplanarToPlanar,
          .semiplanarSwap, .planar422ToPlanar, .planar422ToPacked, .packedToPlanar, .packedSwap,
          .monoToPlanar, .monoToSemiplanar, .rgb:
          break  // `convert` sends these elsewhere
        }
      }
    }
  }

  /// RGB strip by strip: to BGRx, to planes of Y'CbCr, into the target's arrangement.
  @unsafe func convertRGB(from source: PlanePointers, to target: PlanePointers) {
    let to = unsafe ordered(target, of: self.target)
    unsafe scratch.withPiece { piece in
      forEachStrip { row, rows in
        let pixels = unsafe source.first.advanced(by: row * source.firstStride)
        let (bgrx, bgrxStride) = unsafe expand(pixels, source.firstStride, piece, rows: rows)
        let cb = unsafe piece.advanced(by: strips.cb)
        let cr = unsafe piece.advanced(by: strips.cr)
        let luma = unsafe to.first.advanced(by: row * to.firstStride)
        let chroma = unsafe to.second.advanced(by: row / 2 * to.secondStride)
        let stride = strips.chromaStride
        var planes = unsafe PlanePointers(luma, to.firstStride, cb, stride, cr, stride)
        switch self.target.arrangement {
        case .semiplanar:
          unsafe computeColors(bgrx, bgrxStride, planes, piece, rows: rows, halvesRows: true)
          unsafe merge(cb, stride, cr, stride, chroma, to.secondStride, rows: (rows + 1) / 2)
        case .packed:
          unsafe planes.first = piece.advanced(by: strips.luma)
          unsafe planes.firstStride = strips.lumaStride
          unsafe computeColors(bgrx, bgrxStride, planes, piece, rows: rows, halvesRows: false)
          unsafe pack422(planes, luma, to.firstStride, rows: rows)
        case .planar, .rgb, .mono:
          unsafe (planes.second, planes.secondStride) = (chroma, to.secondStride)
          unsafe planes.third = to.third.advanced(by: row / 2 * to.thirdStride)
          unsafe planes.thirdStride = to.thirdStride
          unsafe computeColors(bgrx, bgrxStride, planes, piece, rows: rows, halvesRows: true)
        }
      }
    }
  }

  /// The strip as blue, green, red and a byte nobody reads: in place if it is that already.
  @unsafe private func expand(
    _ pixels: UnsafeMutablePointer<UInt8>, _ stride: Int, _ piece: UnsafeMutablePointer<UInt8>,
    rows: Int32
  ) -> (UnsafeMutablePointer<UInt8>, Int) {
    guard case .rgb(let order) = source.arrangement, order != .bgrx else {
      return unsafe (pixels, stride)
    }
    let bgrx = unsafe piece.advanced(by: strips.bgrx)
    let bgrxStride = 4 * strips.lumaStride
    // libyuv names formats by little-endian words, so its names read backwards.
    let convert =
      switch order {
      case .rgb: unsafe RAWToARGB
      case .bgr: unsafe RGB24ToARGB
      case .xrgb, .bgrx: unsafe BGRAToARGB
      }
    _ = unsafe convert(pixels, Int32(stride), bgrx, Int32(bgrxStride), width, rows)
    return unsafe (bgrx, bgrxStride)
  }

  @unsafe private func computeColors(
    _ bgrx: UnsafeMutablePointer<UInt8>, _ stride: Int, _ to: PlanePointers,
    _ piece: UnsafeMutablePointer<UInt8>, rows: Int32, halvesRows: Bool
  ) {
    guard let matrix else {
      let convert =
        switch (halvesRows, isFullRange) {
        case (true, false): unsafe ARGBToI420
        case (true, true): unsafe ARGBToJ420
        case (false, false): unsafe ARGBToI422
        case (false, true): unsafe ARGBToJ422
        }
      _ = unsafe convert(
        bgrx, Int32(stride), to.first, Int32(to.firstStride), to.second, Int32(to.secondStride),
        to.third, Int32(to.thirdStride), width, rows)
      return
    }
    let channelStride = Int32(strips.lumaStride)
    unsafe SplitARGBPlane(
      bgrx, Int32(stride), piece.advanced(by: strips.red), channelStride,
      piece.advanced(by: strips.green), channelStride, piece.advanced(by: strips.blue),
      channelStride, nil, 0, width, rows)
    unsafe mixLuma(matrix, to, piece, rows: Int(rows))
    unsafe mixChroma(matrix, to, piece, rows: Int(rows), step: halvesRows ? 2 : 1)
  }

  @unsafe private func mixLuma(
    _ matrix: ColorMatrix, _ to: PlanePointers, _ piece: UnsafeMutablePointer<UInt8>, rows: Int
  ) {
    for row in 0..<rows {
      let start = row * strips.lumaStride
      unsafe ColorMatrix.mix(
        matrix.luma, red: piece.advanced(by: strips.red + start),
        green: piece.advanced(by: strips.green + start),
        blue: piece.advanced(by: strips.blue + start),
        to: to.first.advanced(by: row * to.firstStride), count: size.width)
    }
  }

  @unsafe private func mixChroma(
    _ matrix: ColorMatrix, _ to: PlanePointers, _ piece: UnsafeMutablePointer<UInt8>, rows: Int,
    step: Int
  ) {
    let count = Int(chromaWidth)
    for row in stride(from: 0, to: rows, by: step) {
      let lower = min(row + step - 1, rows - 1)
      let red = unsafe piece.advanced(by: strips.averages)
      let green = unsafe red.advanced(by: strips.chromaStride)
      let blue = unsafe green.advanced(by: strips.chromaStride)
      unsafe averageChannel(piece.advanced(by: strips.red), row, lower, to: red)
      unsafe averageChannel(piece.advanced(by: strips.green), row, lower, to: green)
      unsafe averageChannel(piece.advanced(by: strips.blue), row, lower, to: blue)
      let target = row / step
      unsafe ColorMatrix.mix(
        matrix.cb, red: red, green: green, blue: blue,
        to: to.second.advanced(by: target * to.secondStride), count: count)
      unsafe ColorMatrix.mix(
        matrix.cr, red: red, green: green, blue: blue,
        to: to.third.advanced(by: target * to.thirdStride), count: count)
    }
  }

  @unsafe private func averageChannel(
    _ channel: UnsafeMutablePointer<UInt8>, _ upper: Int, _ lower: Int,
    to target: UnsafeMutablePointer<UInt8>
  ) {
    let upperRow = unsafe channel.advanced(by: upper * strips.lumaStride)
    let lowerRow = unsafe channel.advanced(by: lower * strips.lumaStride)
    // The neighbour of an odd last pixel is the pixel itself.
    unsafe upperRow[size.width] = upperRow[size.width - 1]
    unsafe lowerRow[size.width] = lowerRow[size.width - 1]
    // With the same row twice the distance is zero and the average horizontal only.
    _ = unsafe ScalePlane(
      upperRow, Int32(lowerRow - upperRow), chromaWidth * 2, 2, target, chromaWidth, chromaWidth, 1,
      kFilterBox)
  }
}
