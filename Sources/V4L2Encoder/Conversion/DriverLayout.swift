/// Where the colour planes lie in one of a driver's input buffers.
package struct DriverLayout: Hashable, Sendable {
  /// One colour plane.
  package struct Plane: Hashable, Sendable {
    /// The buffer's memory plane that holds it.
    package var memoryPlane: Int
    /// Bytes from the start of the memory plane to the first row.
    package var offset: Int
    /// Bytes from one row to the next.
    package var bytesPerLine: Int
    /// Rows there is room for, the driver's padding included.
    package var rows: Int
  }

  /// The colour planes in the format's order.
  package var planes: [Plane]

  /// Derives the planes from what `VIDIOC_S_FMT` returned.
  ///
  /// In formats with one memory plane chroma follows all rows of luma, the padded ones too; its
  /// lines are as long as the kernel's pixel format documents say: half of luma's where each kind
  /// of chroma has a plane of its own. In the M formats every memory plane has its own line
  /// length. A line length of zero, which some drivers return, is read from the plane's size when
  /// the size is a whole number of lines; otherwise lines are taken to have no padding.
  ///
  /// - Throws: `protocolViolation` when a row or a plane does not fit.
  package static func driver(
    _ format: PixelFormat, bufferSize: VideoSize, bytesPerLine: [Int], planeSizes: [Int]
  ) throws(EncoderError) -> DriverLayout {
    guard let info = format.info else {
      throw violation("format \(format) is no known raw format")
    }
    let dimensions = 1...RasterLayout.largestDimension
    guard dimensions.contains(bufferSize.width), dimensions.contains(bufferSize.height) else {
      throw violation("a buffer cannot be \(bufferSize) pixels")
    }
    guard bytesPerLine.count == info.memoryPlanes, planeSizes.count == info.memoryPlanes else {
      throw violation(
        "\(info.name) has \(info.memoryPlanes) memory planes, got \(planeSizes.count)")
    }
    var layout = DriverLayout(planes: [])
    var offset = 0
    for (index, shape) in info.planes.enumerated() {
      let memoryPlane = info.memoryPlanes == 1 ? 0 : index
      let stride: Int
      if info.memoryPlanes == 1 {
        let luma = try lineLength(
          stated: bytesPerLine[0], byteCount: planeSizes[0], planes: info.planes, size: bufferSize)
        stride = scaled(luma, to: shape, from: info.planes[0])
      } else {
        stride = try lineLength(
          stated: bytesPerLine[index], byteCount: planeSizes[index], planes: [shape],
          size: bufferSize)
        offset = 0
      }
      let rows = shape.rows(height: bufferSize.height)
      let rowBytes = shape.rowBytes(width: bufferSize.width)
      guard stride >= rowBytes else {
        throw violation(
          "plane \(index) has \(stride) bytes per line; \(bufferSize) \(info.name) needs "
            + "\(rowBytes)")
      }
      let end = offset + (rows - 1) * stride + rowBytes
      guard end <= planeSizes[memoryPlane] else {
        throw violation(
          "plane \(index) of \(bufferSize) \(info.name) ends at byte \(end) of a memory plane of "
            + "\(planeSizes[memoryPlane]) bytes")
      }
      layout.planes.append(
        Plane(memoryPlane: memoryPlane, offset: offset, bytesPerLine: stride, rows: rows))
      offset += rows * stride
    }
    return layout
  }

  /// The length of a line of the first of `planes`, which share one piece of memory.
  private static func lineLength(
    stated: Int, byteCount: Int, planes: [PixelFormatInfo.ColorPlane], size: VideoSize
  ) throws(EncoderError) -> Int {
    guard stated == 0 else {
      guard (1...RasterLayout.largestStride).contains(stated) else {
        throw violation("a line cannot have \(stated) bytes")
      }
      return stated
    }
    let tight = planes[0].rowBytes(width: size.width)
    // Bytes of all planes together per byte of the first plane's line, as a fraction over its rows.
    func total(_ stride: Int) -> Int {
      planes.reduce(0) {
        $0 + scaled(stride, to: $1, from: planes[0]) * $1.rows(height: size.height)
      }
    }
    let guess = byteCount / max(total(tight) / tight, 1)
    guard guess > tight, guess <= RasterLayout.largestStride, total(guess) == byteCount else {
      return tight
    }
    return guess
  }

  /// The line length of another plane of the same memory, rounded up as the kernel does.
  private static func scaled(
    _ stride: Int, to plane: PixelFormatInfo.ColorPlane, from first: PixelFormatInfo.ColorPlane
  ) -> Int {
    let numerator = stride * plane.bytesPerGroup * first.horizontalSubsampling
    let denominator = first.bytesPerGroup * plane.horizontalSubsampling
    return (numerator + denominator - 1) / denominator
  }

  private static func violation(_ message: String) -> EncoderError {
    EncoderError(
      .protocolViolation, operation: "VIDIOC_S_FMT",
      "the driver's input layout is wrong: \(message)"
    )
  }
}
