/// How the colour planes of a raw format lie in memory.
package struct RasterLayout: Hashable, Sendable {
  /// The colour planes in the format's order.
  package var planes: [PlaneLayout]
  /// Bytes of the whole picture.
  package var byteCount: Int

  /// Rows and planes follow each other without gaps, as in a raw file.
  package static func packed(
    _ format: PixelFormat, size: VideoSize
  ) throws(EncoderError) -> RasterLayout {
    throw EncoderError(.invalidFrame, "unknown format \(format)")
  }

  package static func validate(
    _ planes: [PlaneLayout], of format: PixelFormat, size: VideoSize, offset: Int, byteCount: Int
  ) throws(EncoderError) {
  }
}
