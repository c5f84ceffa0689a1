internal import V4L2Encoder

/// A test picture in some raw format, rendered once; frames are windows into it.
struct TestCanvas: Sendable {
  let memory: FrameMemory
  /// How the canvas lies in memory; a frame has the same strides.
  private let layout: RasterLayout
  private let format: PixelFormat

  init(_ picture: TestPicture, frame: VideoSize, format: PixelFormat) throws(CommandError) {
    let margin = picture.margin
    // Even, so that rows of chroma in every format are half as long as those of luma.
    let size = VideoSize(
      width: (frame.width + margin.width + 1) & ~1, height: (frame.height + margin.height + 1) & ~1)
    let layout = try RasterLayout.ofFrames(format, size)
    self.memory = FrameMemory(byteCount: layout.byteCount) { (bytes: inout MutableRawSpan) in
      for (index, plane) in layout.planes.enumerated() {
        let painter = PlanePainter(picture: picture, frame: frame, format: format, plane: index)
        painter.paint(size, plane, into: &bytes)
      }
    }
    self.layout = layout
    self.format = format
  }

  /// The planes of the window that begins at an even place.
  func planes(x: Int, y: Int) -> [PlaneLayout] {
    layout.planes.enumerated().map { index, plane in
      let group = PixelGroup(of: index, in: format)
      var window = plane
      window.offset += y / group.rows * plane.bytesPerLine + x / group.columns * group.bytes
      return window
    }
  }
}

/// The smallest piece of a plane: so many bytes stand for so many columns and rows.
struct PixelGroup: Hashable {
  let bytes: Int
  let columns: Int
  let rows: Int

  init(of plane: Int, in format: PixelFormat) {
    let isLuma = plane == 0
    (bytes, columns, rows) =
      switch format {
      case .i420, .yv12: isLuma ? (1, 1, 1) : (1, 2, 2)
      case .nv12, .nv21: isLuma ? (1, 1, 1) : (2, 2, 2)
      case .i422: isLuma ? (1, 1, 1) : (1, 2, 1)
      case .yuyv, .uyvy: (4, 2, 1)
      case .rgb24, .bgr24: (3, 1, 1)
      case .bgra, .bgrx, .argb: (4, 1, 1)
      default: (1, 1, 1)
      }
  }
}

/// Paints one plane of a canvas.
private struct PlanePainter {
  let picture: TestPicture
  let frame: VideoSize
  let format: PixelFormat
  let plane: Int

  /// What a byte of a group is.
  private enum Component {
    case luma, secondLuma, blueDifference, redDifference
    case red, green, blue, opaque
  }

  func paint(_ size: VideoSize, _ layout: PlaneLayout, into bytes: inout MutableRawSpan) {
    let group = PixelGroup(of: plane, in: format)
    let components = components
    let rowBytes = size.width / group.columns * group.bytes
    for y in stride(from: 0, to: size.height, by: group.rows) {
      let start = layout.offset + y / group.rows * layout.bytesPerLine
      if let twin = picture.twin(ofRow: y, frame: frame) {
        let source = layout.offset + twin / group.rows * layout.bytesPerLine
        copy(rowBytes, from: source, to: start, in: &bytes)
        continue
      }
      var offset = start
      for x in stride(from: 0, to: size.width, by: group.columns) {
        let first = picture.sample(x: x, y: y, frame: frame)
        let second = group.columns == 2 ? picture.sample(x: x + 1, y: y, frame: frame) : first
        for component in components {
          let byte = value(component, first, second)
          bytes.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
          offset += 1
        }
      }
    }
  }

  private func copy(_ count: Int, from source: Int, to target: Int, in bytes: inout MutableRawSpan)
  {
    unsafe bytes.withUnsafeMutableBytes { buffer in
      let row = unsafe UnsafeRawBufferPointer(rebasing: buffer[source..<source + count])
      let place = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[target..<target + count])
      unsafe place.copyMemory(from: row)
    }
  }

  private var components: [Component] {
    switch format {
    case .i420, .i422: [[.luma], [.blueDifference], [.redDifference]][plane]
    case .yv12: [[.luma], [.redDifference], [.blueDifference]][plane]
    case .nv12: [[.luma], [.blueDifference, .redDifference]][plane]
    case .nv21: [[.luma], [.redDifference, .blueDifference]][plane]
    case .yuyv: [.luma, .blueDifference, .secondLuma, .redDifference]
    case .uyvy: [.blueDifference, .luma, .redDifference, .secondLuma]
    case .rgb24: [.red, .green, .blue]
    case .bgr24: [.blue, .green, .red]
    case .bgra, .bgrx: [.blue, .green, .red, .opaque]
    case .argb: [.opaque, .red, .green, .blue]
    default: [.luma]
    }
  }

  /// Red, green and blue are those of ITU-R BT.601, limited range.
  private func value(
    _ component: Component, _ first: TestPicture.Sample, _ second: TestPicture.Sample
  ) -> UInt8 {
    let blue = Int(first.blue) - 128
    let red = Int(first.red) - 128
    let luma = 298 * (Int(first.luma) - 16)
    switch component {
    case .luma: return first.luma
    case .secondLuma: return second.luma
    case .blueDifference: return first.blue
    case .redDifference: return first.red
    case .red: return Self.clamped(luma + 409 * red)
    case .green: return Self.clamped(luma - 100 * blue - 208 * red)
    case .blue: return Self.clamped(luma + 516 * blue)
    case .opaque: return 255
    }
  }

  private static func clamped(_ value: Int) -> UInt8 { UInt8(min(max((value + 128) >> 8, 0), 255)) }
}
