internal import V4L2Encoder

/// A test picture in some raw format, rendered once; frames are windows into it.
struct TestCanvas: Sendable {
  let memory: FrameMemory
  /// How the canvas lies in memory; a frame has the same strides.
  let layout: RasterLayout
  private let format: PixelFormat

  init(_ picture: TestPicture, frame: VideoSize, format: PixelFormat) throws(CommandError) {
    let margin = picture.margin
    // Even, so that rows of chroma in every format are half as long as those of luma.
    let size = VideoSize(
      width: (frame.width + margin.width + 1) & ~1, height: (frame.height + margin.height + 1) & ~1)
    let layout = try RasterLayout.ofFrames(format, size)
    let sample = { (x: Int, y: Int) in picture.sample(x: x, y: y, frame: frame) }
    self.memory = FrameMemory(byteCount: layout.byteCount) { (bytes: inout MutableRawSpan) in
      Self.render(size, format, layout, into: &bytes, sample)
    }
    self.layout = layout
    self.format = format
  }

  /// The planes of the window that begins at an even place.
  func planes(x: Int, y: Int) -> [PlaneLayout] {
    layout.planes.enumerated().map { index, plane in
      let step = Self.step(of: index, in: format)
      var window = plane
      window.offset += y / step.rows * plane.bytesPerLine + x * step.bytes / step.columns
      return window
    }
  }

  /// Bytes per group of columns and rows in a plane.
  private static func step(
    of plane: Int, in format: PixelFormat
  ) -> (bytes: Int, columns: Int, rows: Int) {
    switch format {
    case .i420, .yv12: plane == 0 ? (1, 1, 1) : (1, 2, 2)
    case .nv12, .nv21: plane == 0 ? (1, 1, 1) : (2, 2, 2)
    case .i422: plane == 0 ? (1, 1, 1) : (1, 2, 1)
    case .yuyv, .uyvy: (4, 2, 1)
    case .rgb24, .bgr24: (3, 1, 1)
    case .bgra, .bgrx, .argb: (4, 1, 1)
    default: (1, 1, 1)
    }
  }

  private static func render(
    _ size: VideoSize, _ format: PixelFormat, _ layout: RasterLayout,
    into bytes: inout MutableRawSpan, _ sample: (Int, Int) -> TestPicture.Sample
  ) {
    // Which of the two rows and columns that share one chroma sample is taken: the first.
    for (index, plane) in layout.planes.enumerated() {
      let step = step(of: index, in: format)
      for y in stride(from: 0, to: size.height, by: step.rows) {
        var offset = plane.offset + y / step.rows * plane.bytesPerLine
        for x in stride(from: 0, to: size.width, by: step.columns) {
          let (first, second) = (sample(x, y), step.columns == 2 ? sample(x + 1, y) : nil)
          for byte in pack(first, second ?? first, plane: index, format) {
            bytes.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
            offset += 1
          }
        }
      }
    }
  }

  /// The bytes of one group of a plane.
  private static func pack(
    _ first: TestPicture.Sample, _ second: TestPicture.Sample, plane: Int, _ format: PixelFormat
  ) -> [UInt8] {
    let rgb = { RGB(first) }
    switch format {
    case .i420, .i422: return [[first.luma], [first.blue], [first.red]][plane]
    case .yv12: return [[first.luma], [first.red], [first.blue]][plane]
    case .nv12: return [[first.luma], [first.blue, first.red]][plane]
    case .nv21: return [[first.luma], [first.red, first.blue]][plane]
    case .yuyv: return [first.luma, first.blue, second.luma, first.red]
    case .uyvy: return [first.blue, first.luma, first.red, second.luma]
    case .rgb24: return rgb().bytes
    case .bgr24: return rgb().bytes.reversed()
    case .bgra, .bgrx: return rgb().bytes.reversed() + [255]
    case .argb: return [255] + rgb().bytes
    default: return [first.luma]
    }
  }

  /// Red, green and blue of a pixel, by ITU-R BT.601 limited range.
  private struct RGB {
    let bytes: [UInt8]

    init(_ sample: TestPicture.Sample) {
      let luma = 298 * (Int(sample.luma) - 16)
      let (blue, red) = (Int(sample.blue) - 128, Int(sample.red) - 128)
      bytes = [
        luma + 409 * red, luma - 100 * blue - 208 * red, luma + 516 * blue,
      ].map { UInt8(min(max(($0 + 128) >> 8, 0), 255)) }
    }
  }
}
