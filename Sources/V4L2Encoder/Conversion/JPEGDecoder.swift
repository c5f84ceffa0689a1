internal import CLibYUV

/// Decodes JPEG pictures of one size to NV12 or I420.
///
/// Takes baseline pictures in 4:2:0, 4:2:2, 4:4:4 and grey, also without Huffman tables, as many
/// cameras send them. libyuv makes its decoder anew for each picture.
struct JPEGDecoder: Sendable {
  let format: PixelFormat
  let size: VideoSize
  /// The decoded picture, without gaps.
  let layout: RasterLayout
  private let info: PixelFormatInfo
  private let limitsRange: Bool

  /// Prepares decoding.
  ///
  /// - Throws: `invalidConfiguration` for another format than NV12 and I420, `invalidFrame` for an
  ///   impossible size.
  init(
    to format: PixelFormat, size: VideoSize, limitsRange: Bool
  ) throws(EncoderError) {
    guard format == .nv12 || format == .i420, let info = format.info else {
      throw EncoderError(
        .invalidConfiguration,
        "JPEG pictures are decoded to nv12 or i420, not to \(format.info?.name ?? "\(format)")")
    }
    self.format = format
    self.size = size
    self.layout = try RasterLayout.packed(format, size: size)
    self.info = info
    self.limitsRange = limitsRange
  }

  /// Decodes one picture to `target`, which has room for `layout`.
  ///
  /// - Returns: why the bytes are no picture of this size; nil when they were one.
  @unsafe func decode(
    _ bytes: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer
  ) -> String? {
    guard let start = unsafe bytes.bindMemory(to: UInt8.self).baseAddress, unsafe !bytes.isEmpty
    else {
      return "it is empty"
    }
    let planes = unsafe PlanePointers(frame: UnsafeRawPointer(target), planes: layout.planes)
    let (width, height) = (Int32(size.width), Int32(size.height))
    let result =
      if format == .nv12 {
        unsafe MJPGToNV12(
          start, bytes.count, planes.first, Int32(planes.firstStride), planes.second,
          Int32(planes.secondStride), width, height, width, height)
      } else {
        unsafe MJPGToI420(
          start, bytes.count, planes.first, Int32(planes.firstStride), planes.second,
          Int32(planes.secondStride), planes.third, Int32(planes.thirdStride), width, height, width,
          height)
      }
    guard result == 0 else { return unsafe reason(start, bytes.count) }
    if limitsRange { unsafe RangeConversion.limit(planes, of: info, size: size) }
    return nil
  }

  /// What is wrong with bytes that libyuv refuses without a word.
  @unsafe private func reason(_ start: UnsafePointer<UInt8>, _ count: Int) -> String {
    var (width, height): (Int32, Int32) = (0, 0)
    guard unsafe MJPGSize(start, count, &width, &height) == 0, width > 0, height > 0 else {
      return "its \(count) bytes are no JPEG picture, or its end is missing"
    }
    let found = VideoSize(width: Int(width), height: Int(height))
    if found != size { return "it is \(found), the camera was set to \(size)" }
    return "its data are broken or its chroma is neither 4:2:0, 4:2:2 nor 4:4:4"
  }
}
