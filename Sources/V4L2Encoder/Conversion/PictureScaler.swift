internal import CLibYUV

/// Brings pictures to another size and to NV12 or I420, by libyuv's box filter: where both sides
/// become less than half, each new pixel is the average of those it stands for; libyuv interpolates
/// bilinearly otherwise.
///
/// Scaling a picture may run on several threads at once; libyuv allocates a few rows meanwhile.
struct PictureScaler: Sendable {
  /// The new picture, without gaps.
  let layout: RasterLayout
  private let size: VideoSize
  private let target: VideoSize
  private let info: PixelFormatInfo
  /// The way to the target's format, at the size of the source.
  private let converter: FrameConverter
  private let scratch: ScratchPool
  private let scratchLayout: RasterLayout
  private let limitsRange: Bool

  init(
    from source: PixelFormat, size: VideoSize, to format: PixelFormat, target: VideoSize,
    color: ColorDescription, limitsRange: Bool
  ) throws(EncoderError) {
    guard format == .nv12 || format == .i420, let info = format.info else {
      throw EncoderError(
        .invalidConfiguration,
        "pictures are scaled to nv12 or i420, not to \(format.info?.name ?? "\(format)")")
    }
    self.size = size
    self.target = target
    self.info = info
    self.limitsRange = limitsRange && source.info?.chroma != .rgb
    layout = try RasterLayout.packed(format, size: target)
    converter = try FrameConverter(from: source, to: format, size: size, color: color)
    scratchLayout = try RasterLayout.packed(format, size: size)
    scratch = ScratchPool(byteCount: scratchLayout.byteCount)
  }

  /// What happens to colours; nil when samples are only moved.
  var conversion: String? { converter.conversion }

  /// Scales one picture into memory that has room for `layout`.
  @unsafe func scale(from source: PlanePointers, to memory: UnsafeMutableRawPointer) {
    let planes = unsafe PlanePointers(frame: UnsafeRawPointer(memory), planes: layout.planes)
    if size == target {
      unsafe converter.convert(from: source, to: planes)
    } else if converter.isPassThrough {
      unsafe resize(source, to: planes)
    } else {
      unsafe scratch.withPiece { piece in
        let converted = unsafe PlanePointers(
          frame: UnsafeRawPointer(piece), planes: scratchLayout.planes)
        unsafe converter.convert(from: source, to: converted)
        unsafe resize(converted, to: planes)
      }
    }
    if limitsRange { unsafe RangeConversion.limit(planes, of: info, size: target) }
  }

  private func resize(_ from: PlanePointers, to: PlanePointers) {
    let (width, height) = (Int32(size.width), Int32(size.height))
    let (newWidth, newHeight) = (Int32(target.width), Int32(target.height))
    if info.planes.count == 2 {
      _ = unsafe NV12Scale(
        from.first, Int32(from.firstStride), from.second, Int32(from.secondStride), width, height,
        to.first, Int32(to.firstStride), to.second, Int32(to.secondStride), newWidth, newHeight,
        kFilterBox)
    } else {
      _ = unsafe I420Scale(
        from.first, Int32(from.firstStride), from.second, Int32(from.secondStride), from.third,
        Int32(from.thirdStride), width, height, to.first, Int32(to.firstStride), to.second,
        Int32(to.secondStride), to.third, Int32(to.thirdStride), newWidth, newHeight, kFilterBox)
    }
  }
}
