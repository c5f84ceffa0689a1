/// The weights that turn red, green and blue into Y'CbCr.
///
/// libyuv converts RGB by the matrix of BT.601 only. This is the same arithmetic for any matrix:
/// eight fractional bits in sixteen-bit lanes, which is what lets the compiler use vectors of the
/// baseline instruction set. Black, white and grey are exact; the worst colour is 1.1 code values
/// off, half a value of which is the rounding.
struct ColorMatrix: Hashable, Sendable {
  /// One output as a weighted sum; weights wrap around as unsigned numbers.
  struct Weights: Hashable, Sendable {
    var red: UInt16
    var green: UInt16
    var blue: UInt16
    var offset: UInt16
  }

  var luma: Weights
  var cb: Weights
  var cr: Weights

  /// The matrix with these shares of red and blue in luma.
  init(red: Double, blue: Double, isFullRange: Bool) {
    let green = 1 - red - blue
    let lumaScale = isFullRange ? 256 : 256.0 * 219 / 255
    let chromaScale = isFullRange ? 128 : 128.0 * 224 / 255
    let rounding: UInt16 = 128
    // A full range chroma of 255.5 must not wrap around, so it rounds a hair earlier.
    let chromaOffset = 128 << 8 + (isFullRange ? rounding - 1 : rounding)
    luma = Weights(
      [red * lumaScale, green * lumaScale, blue * lumaScale],
      offset: (isFullRange ? 0 : 16 << 8) + rounding)
    cb = Weights(
      [-red / (1 - blue) * chromaScale, -green / (1 - blue) * chromaScale, chromaScale],
      offset: chromaOffset)
    cr = Weights(
      [chromaScale, -green / (1 - red) * chromaScale, -blue / (1 - red) * chromaScale],
      offset: chromaOffset)
  }

  /// Writes one output for a row of pixels.
  @unsafe static func mix(
    _ weights: Weights, red: UnsafePointer<UInt8>, green: UnsafePointer<UInt8>,
    blue: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>, count: Int
  ) {
    for index in 0..<count {
      let sum =
        unsafe weights.red &* UInt16(red[index]) &+ weights.green &* UInt16(green[index])
        &+ weights.blue &* UInt16(blue[index]) &+ weights.offset
      unsafe target[index] = UInt8(truncatingIfNeeded: sum &>> 8)
    }
  }
}

extension ColorMatrix.Weights {
  /// Rounds so that the sum stays right: grey keeps its brightness and stays without colour.
  fileprivate init(_ exact: [Double], offset: UInt16) {
    var whole = exact.map { Int($0.rounded(.down)) }
    let missing = Int(exact.reduce(0, +).rounded()) - whole.reduce(0, +)
    let byFraction = exact.indices.sorted {
      exact[$0] - exact[$0].rounded(.down) > exact[$1] - exact[$1].rounded(.down)
    }
    for index in byFraction.prefix(max(missing, 0)) { whole[index] += 1 }
    self.init(
      red: UInt16(truncatingIfNeeded: whole[0]), green: UInt16(truncatingIfNeeded: whole[1]),
      blue: UInt16(truncatingIfNeeded: whole[2]), offset: offset)
  }
}
