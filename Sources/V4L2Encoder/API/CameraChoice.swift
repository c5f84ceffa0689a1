/// Which of a camera's formats suits an encoder best.
public struct CameraChoice: Hashable, Sendable {
  /// How frames get from the camera to the encoder, the best way first.
  public enum Way: Int, Comparable, Hashable, Sendable {
    /// The encoder takes the format as it is, perhaps where it is.
    case inPlace
    /// Converted in one pass, into the encoder's own buffers.
    case converted
    /// JPEG: decoded, then copied into the encoder's own buffers.
    case decoded

    /// Orders ways by what they cost.
    public static func < (left: Way, right: Way) -> Bool { left.rawValue < right.rawValue }
  }

  /// The format to ask the camera for.
  public var format: PixelFormat
  /// The size to ask the camera for; nil when it does not list any and none was asked for.
  public var size: VideoSize?
  /// The fastest rate that the camera offers for it; nil when it does not tell.
  public var fastestRate: Rational?
  /// How frames get to the encoder.
  public var way: Way

  /// Chooses from a camera's offers.
  ///
  /// What counts, in this order: that pictures have colours; the size that was asked for, else the
  /// next larger one, since pictures are better made smaller than larger; the rate; the way to the
  /// encoder; the cost of the conversion. So a camera that sends raw pictures too slowly is asked
  /// for JPEG.
  ///
  /// - Parameters:
  ///   - offers: `CameraReport.formats`.
  ///   - size: the size wanted; nil: the largest one at the rate wanted.
  ///   - frameRate: the rate wanted; nil: 24 frames per second or more.
  ///   - encoderFormats: what the encoder takes, as in `DeviceReport.rawFormats`.
  /// - Returns: the best choice; nil when nothing of what is offered can be encoded.
  public static func best(
    among offers: [CameraOffer], size: VideoSize?, frameRate: Rational?,
    encoderFormats: [PixelFormat]
  ) -> CameraChoice? {
    var best: (choice: CameraChoice, rank: [Double])?
    for offer in offers {
      guard let (way, cost) = way(of: offer.format, to: encoderFormats) else { continue }
      let sizes = offer.sizes.isEmpty ? [nil] : offer.sizes.map(Optional.some)
      for offered in sizes {
        let choice = CameraChoice(
          format: offer.format, size: offered?.nearest(to: size) ?? size,
          fastestRate: offered?.fastestRate, way: way)
        let rank =
          [offer.format == .grey ? 1 : 0] + choice.rank(size: size, rate: frameRate)
          + [Double(way.rawValue), Double(cost)]
        if let best, !rank.lexicographicallyPrecedes(best.rank) { continue }
        best = (choice, rank)
      }
    }
    return best?.choice
  }

  private static func way(of format: PixelFormat, to encoder: [PixelFormat]) -> (Way, Int)? {
    if format.isStillPicture {
      return FrameConverter.preferredTarget(for: .nv12, among: encoder) == nil ? nil : (.decoded, 0)
    }
    guard let target = FrameConverter.preferredTarget(for: format, among: encoder),
      let cost = FrameConverter.cost(from: format, to: target)
    else { return nil }
    return (cost == 0 ? .inPlace : .converted, cost)
  }

  /// The smaller the better, first things first.
  private func rank(size wanted: VideoSize?, rate: Rational?) -> [Double] {
    let needed = (rate?.value ?? 24) * 0.999
    let missingRate = max(0, needed - (fastestRate?.value ?? needed)) / needed
    guard let size else { return [1, missingRate, 0] }
    let pixels = Double(size.width) * Double(size.height)
    guard let wanted else { return [0, missingRate, -pixels] }
    if size == wanted { return [0, missingRate, 0] }
    let isLarger = size.width >= wanted.width && size.height >= wanted.height
    let wantedPixels = Double(wanted.width) * Double(wanted.height)
    return [isLarger ? 1 + pixels / 1e12 : 2 - pixels / wantedPixels, missingRate, 0]
  }
}

extension CameraOffer.Size {
  fileprivate var fastestRate: Rational? {
    rates.map(\.fastest).max { $0.value < $1.value }
  }

  /// The size of these that is as asked, or comes next to it.
  fileprivate func nearest(to wanted: VideoSize?) -> VideoSize {
    guard !isSingle, let wanted else { return maximum }
    return VideoSize(
      width: Self.nearest(wanted.width, minimum.width, maximum.width, step.width),
      height: Self.nearest(wanted.height, minimum.height, maximum.height, step.height))
  }

  /// Rounded up, since pictures are better made smaller than larger.
  private static func nearest(_ wanted: Int, _ low: Int, _ high: Int, _ step: Int) -> Int {
    guard wanted > low else { return low }
    let step = max(step, 1)
    let steps = (wanted - low + step - 1) / step
    let value = low + steps * step
    return value <= high ? value : low + (high - low) / step * step
  }
}

extension PixelFormat {
  /// Whether each frame is a JPEG picture.
  package var isStillPicture: Bool { self == .mjpeg || self == .jpeg }
}
