/// How the colour planes of a raw format lie in memory.
package struct RasterLayout: Hashable, Sendable {
  /// The colour planes in the format's order.
  package var planes: [PlaneLayout]
  /// Bytes of the whole picture.
  package var byteCount: Int

  /// No codec level allows more pixels per row or more rows: HEVC level 6.2, sqrt(8 × MaxLumaPs).
  ///
  /// It keeps every product of sizes far from overflow, in here and in C code that counts with
  /// `int`.
  package static let largestDimension = 16_888

  /// Rows further apart than this are a mistake; C code counts with `int`.
  package static let largestStride = 1 << 28

  /// Rows and planes follow each other without gaps, as in a raw file.
  ///
  /// - Throws: `invalidFrame` for an unknown format or an impossible size.
  package static func packed(
    _ format: PixelFormat, size: VideoSize
  ) throws(EncoderError) -> RasterLayout {
    let info = try info(of: format, size: size)
    var layout = RasterLayout(planes: [], byteCount: 0)
    layout.planes.reserveCapacity(info.planes.count)
    for plane in info.planes {
      let rowBytes = plane.rowBytes(width: size.width)
      layout.planes.append(PlaneLayout(offset: layout.byteCount, bytesPerLine: rowBytes))
      layout.byteCount += rowBytes * plane.rows(height: size.height)
    }
    return layout
  }

  /// Checks that planes hold a picture and lie within their memory.
  ///
  /// - Throws: `invalidFrame` that names the first plane which does not.
  package static func validate(
    _ planes: [PlaneLayout], of format: PixelFormat, size: VideoSize, offset: Int, byteCount: Int
  ) throws(EncoderError) {
    let info = try info(of: format, size: size)
    guard planes.count == info.planes.count else {
      throw EncoderError(
        .invalidFrame,
        "a frame in \(info.name) has \(info.planes.count) planes, not \(planes.count)")
    }
    guard offset >= 0 else {
      throw EncoderError(.invalidFrame, "the frame begins \(offset) bytes into its memory")
    }
    for (index, plane) in planes.enumerated() {
      let shape = info.planes[index]
      let rowBytes = shape.rowBytes(width: size.width)
      guard plane.bytesPerLine >= rowBytes, plane.bytesPerLine <= largestStride else {
        let limit = plane.bytesPerLine > rowBytes ? ", at most \(largestStride)" : ""
        throw EncoderError(
          .invalidFrame,
          "plane \(index) has \(plane.bytesPerLine) bytes per line; a row of \(size) \(info.name) "
            + "needs \(rowBytes)\(limit)")
      }
      let extent = shape.extent(of: size, bytesPerLine: plane.bytesPerLine)
      let end = offset.addingReportingOverflow(plane.offset)
      let last = end.partialValue.addingReportingOverflow(extent)
      guard plane.offset >= 0, !end.overflow, !last.overflow, last.partialValue <= byteCount else {
        throw EncoderError(
          .invalidFrame,
          "plane \(index) of a \(size) frame in \(info.name) needs \(extent) bytes from byte "
            + "\(plane.offset) of the frame on; its memory has \(max(byteCount, 0)), the frame "
            + "begins at \(offset)")
      }
    }
  }

  /// The bytes from the first to the last sample of one plane; nil for an unknown format or plane.
  package static func byteCount(
    ofPlane plane: Int, of format: PixelFormat, size: VideoSize, bytesPerLine: Int
  ) -> Int? {
    guard let planes = format.info?.planes, planes.indices.contains(plane) else { return nil }
    return planes[plane].extent(of: size, bytesPerLine: bytesPerLine)
  }

  private static func info(
    of format: PixelFormat, size: VideoSize
  ) throws(EncoderError) -> PixelFormatInfo {
    guard let info = format.info else {
      throw EncoderError(.invalidFrame, "frames cannot be in \(format): no known raw format")
    }
    guard (1...largestDimension).contains(size.width), (1...largestDimension).contains(size.height)
    else {
      throw EncoderError(
        .invalidFrame,
        "a picture cannot be \(size): width and height go from 1 to \(largestDimension)")
    }
    return info
  }
}

extension PixelFormatInfo.ColorPlane {
  /// The bytes from the first to the last sample of a picture.
  fileprivate func extent(of size: VideoSize, bytesPerLine: Int) -> Int {
    (rows(height: size.height) - 1) * bytesPerLine + rowBytes(width: size.width)
  }
}
