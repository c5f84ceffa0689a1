import TestSupport
import Testing

@testable import V4L2Encoder

@Suite struct ConversionTests {
  static let sources: [PixelFormat] = [
    .i420, .yv12, .nv12, .nv21, .i422, .yuyv, .uyvy, .rgb24, .bgr24, .bgra, .bgrx, .argb, .grey,
  ]
  static let targets: [PixelFormat] = [
    .i420, .yv12, .nv12, .nv21, .i420m, .yv12m, .nv12m, .nv21m, .yuyv, .uyvy,
  ]
  static let sizes = [
    VideoSize(width: 1, height: 1), VideoSize(width: 2, height: 2),
    VideoSize(width: 17, height: 15), VideoSize(width: 16, height: 34),
    VideoSize(width: 67, height: 20), VideoSize(width: 130, height: 19),
  ]
  static let colors: [(ColorDescription, ExactMatrix)] = [
    (.bt601, ExactMatrix(red: 0.299, blue: 0.114, isFullRange: false)),
    (
      ColorDescription(primaries: .sRGB, transfer: .sRGB, matrix: .bt601, range: .full),
      ExactMatrix(red: 0.299, blue: 0.114, isFullRange: true)
    ),
    (.bt709, ExactMatrix(red: 0.2126, blue: 0.0722, isFullRange: false)),
    (
      ColorDescription(primaries: .bt709, transfer: .bt709, matrix: .unspecified, range: .full),
      ExactMatrix(red: 0.2126, blue: 0.0722, isFullRange: true)
    ),
    (
      ColorDescription(primaries: .bt2020, transfer: .bt709, matrix: .bt2020, range: .limited),
      ExactMatrix(red: 0.2627, blue: 0.0593, isFullRange: false)
    ),
  ]

  static func convert(
    _ source: TestPicture, to target: inout TestPicture, _ converter: FrameConverter
  ) {
    source.bytes.withUnsafeBytes { from in
      target.bytes.withUnsafeMutableBytes { to in
        guard let from = from.baseAddress, let to = to.baseAddress else { return }
        let layout = DriverLayout(
          planes: target.planes.map {
            DriverLayout.Plane(
              memoryPlane: 0, offset: $0.offset, bytesPerLine: $0.bytesPerLine, rows: 0)
          })
        converter.convert(
          from: PlanePointers(frame: from, planes: source.planes),
          to: PlanePointers(driver: layout) { _ in to })
      }
    }
  }

  /// The largest difference from the exact values, and the first byte written outside the rows.
  static func compare(
    _ source: TestPicture, _ result: TestPicture, _ matrix: ExactMatrix
  ) -> (difference: Double, stray: Int?) {
    let size = source.size
    let isRGB = source.format.info?.chroma == .rgb
    let halvesRows = result.halvesRows
    var worst = 0.0
    for y in 0..<size.height {
      for x in 0..<size.width {
        let luma = isRGB ? matrix.luma(source.rgb(x, y)) : source.luma(x, y)
        worst = max(worst, abs(luma - result.luma(x, y)))
        let left = x & ~1
        let right = min(left + 1, size.width - 1)
        let top = halvesRows ? y & ~1 : y
        let bottom = halvesRows ? min(top + 1, size.height - 1) : top
        let expected: (cb: Double, cr: Double)
        if isRGB {
          let sum =
            source.rgb(left, top) + source.rgb(right, top) + source.rgb(left, bottom)
            + source.rgb(right, bottom)
          expected = matrix.chroma(sum / 4)
        } else {
          let (upper, lower) = (source.chroma(x, top), source.chroma(x, bottom))
          expected = ((upper.cb + lower.cb) / 2, (upper.cr + lower.cr) / 2)
        }
        let chroma = result.chroma(x, y)
        worst = max(worst, abs(expected.cb - chroma.cb), abs(expected.cr - chroma.cr))
      }
    }
    let stray = result.bytes.indices.first {
      result.bytes[$0] != TestPicture.guardByte && !result.isSample[$0]
    }
    return (worst, stray)
  }

  @Test("Every source reaches every target", arguments: sources, targets)
  func everyPair(source: PixelFormat, target: PixelFormat) throws {
    #expect(FrameConverter.canConvert(from: source, to: target))
    let isRGB = source.info?.chroma == .rgb
    let averages = source.info?.chroma == .yuv422 && target.info?.chroma == .yuv420
    let tolerance = isRGB ? 2.0 : averages ? 0.5 : 0
    for (index, size) in Self.sizes.enumerated() {
      for (color, matrix) in isRGB ? Self.colors : Array(Self.colors.prefix(1)) {
        for padding in [0, 13] {
          var generator = SeededGenerator(seed: UInt64(index * 100 + padding))
          let picture = TestPicture.random(source, size, padding: padding, using: &generator)
          var result = TestPicture(target, size, padding: padding)
          let converter = try FrameConverter(from: source, to: target, size: size, color: color)
          Self.convert(picture, to: &result, converter)
          let (difference, stray) = Self.compare(picture, result, matrix)
          #expect(difference <= tolerance, "\(size), padding \(padding), \(matrix)")
          #expect(stray == nil, "\(size), padding \(padding)")
        }
      }
    }
  }

  @Test("The extremes of RGB", arguments: colors.indices)
  func primaries(colorIndex: Int) throws {
    let (color, matrix) = Self.colors[colorIndex]
    let size = VideoSize(width: 16, height: 2)
    let converter = try FrameConverter(from: .rgb24, to: .i420, size: size, color: color)
    for corner in 0..<8 {
      var picture = TestPicture(.rgb24, size, padding: 0)
      for index in picture.bytes.indices where picture.isSample[index] {
        let channel = (index - picture.planes[0].offset) % 3
        picture.bytes[index] = corner >> channel & 1 == 1 ? 255 : 0
      }
      var result = TestPicture(.i420, size, padding: 0)
      Self.convert(picture, to: &result, converter)
      let rgb = picture.rgb(0, 0)
      #expect(abs(result.luma(0, 0) - matrix.luma(rgb)) <= 1, "\(rgb)")
      let chroma = result.chroma(0, 0)
      let exact = matrix.chroma(rgb)
      // libyuv, which does BT.601, has coarser weights for chroma.
      let tolerance = color.matrix == .bt601 ? 2 : 1.1
      #expect(abs(chroma.cb - exact.cb) <= tolerance, "\(rgb)")
      #expect(abs(chroma.cr - exact.cr) <= tolerance, "\(rgb)")
      if corner == 0 || corner == 7 {
        #expect(chroma == (128, 128))
        let black = matrix.isFullRange ? 0.0 : 16
        let white = matrix.isFullRange ? 255.0 : 235
        #expect(result.luma(0, 0) == (corner == 0 ? black : white))
      }
    }
  }

  @Test("The same format is copied", arguments: PixelFormat.allRaw)
  func passThrough(format: PixelFormat) throws {
    let size = VideoSize(width: 35, height: 9)
    var generator = SeededGenerator(seed: 1)
    let picture = TestPicture.random(format, size, padding: 3, using: &generator)
    let converter = try FrameConverter(from: format, to: format, size: size, color: .bt709)
    #expect(converter.isPassThrough)
    #expect(converter.conversion == nil)
    var result = TestPicture(format, size, padding: 3)
    Self.convert(picture, to: &result, converter)
    #expect(result.bytes == picture.bytes)
  }

  @Test func separateMemoryIsWrittenWhereItLies() throws {
    let size = VideoSize(width: 8, height: 4)
    let converter = try FrameConverter(from: .i420, to: .nv12m, size: size, color: .bt709)
    let frame = (0..<48).map { UInt8($0) }
    var luma = [UInt8](repeating: 0, count: 32)
    var pairs = [UInt8](repeating: 0, count: 16)
    let layout = try DriverLayout.driver(
      .nv12m, bufferSize: size, bytesPerLine: [8, 8], planeSizes: [32, 16])
    let planes = try RasterLayout.packed(.i420, size: size).planes
    try frame.withUnsafeBytes { frame in
      try luma.withUnsafeMutableBytes { luma in
        try pairs.withUnsafeMutableBytes { pairs in
          let starts = [try #require(luma.baseAddress), try #require(pairs.baseAddress)]
          converter.convert(
            from: PlanePointers(frame: try #require(frame.baseAddress), planes: planes),
            to: PlanePointers(driver: layout) { starts[$0] })
        }
      }
    }
    #expect(luma == Array(frame[0..<32]))
    #expect(pairs == zip(frame[32..<40], frame[40..<48]).flatMap { [$0, $1] })
  }

  @Test func conversionIsNamed() throws {
    let size = VideoSize(width: 1280, height: 720)
    func name(
      _ from: PixelFormat, _ to: PixelFormat, _ color: ColorDescription = .bt709
    ) throws -> String? {
      try FrameConverter(from: from, to: to, size: size, color: color).conversion
    }
    #expect(try name(.bgra, .nv12) == "RGB to Y'CbCr: BT.709, limited range")
    #expect(try name(.rgb24, .yuyv, .bt601) == "RGB to Y'CbCr: BT.601, limited range")
    let full = ColorDescription(
      primaries: .unspecified, transfer: .unspecified, matrix: .unspecified, range: .full)
    #expect(try name(.bgra, .nv12, full) == "RGB to Y'CbCr: BT.709, full range")
    #expect(try name(.i420, .nv12) == nil)
    #expect(try name(.yuyv, .nv12)?.contains("averaged") == true)
  }

  @Test func nothingTurnsIntoRGB() {
    #expect(!FrameConverter.canConvert(from: .nv12, to: .bgra))
    #expect(!FrameConverter.canConvert(from: .bgra, to: .rgb24))
    #expect(!FrameConverter.canConvert(from: .h264, to: .nv12))
    let error = #expect(throws: EncoderError.self) {
      try FrameConverter(
        from: .nv12, to: .bgra, size: VideoSize(width: 16, height: 16), color: .bt709)
    }
    #expect(error?.code == .unsupported)
  }

  @Test(
    "The best of what a driver offers",
    arguments: [
      (PixelFormat.i420, [PixelFormat.nv12, .i420], PixelFormat.i420),
      (.nv12, [.i420, .nv12m], .nv12m),
      (.i420, [.nv12, .yv12], .yv12),
      (.yuyv, [.nv12, .uyvy], .uyvy),
      (.i422, [.i420, .nv12, .yuyv], .yuyv),
      (.i420, [.yuyv, .nv12], .nv12),
      (.nv12, [.yuyv, .bgra], .yuyv),
      (.bgra, [.yuyv, .nv12], .nv12),
      (.bgra, [.nv12, .i420], .i420),
      (.grey, [.grey, .nv12], .grey),
      (.nv12, [.grey, .yuyv], .yuyv),
      (.nv12, [.bgra], nil),
      (.nv12, [], nil),
    ] as [(PixelFormat, [PixelFormat], PixelFormat?)])
  func preferred(source: PixelFormat, offered: [PixelFormat], best: PixelFormat?) {
    #expect(FrameConverter.preferredTarget(for: source, among: offered) == best)
  }

  @Test func oneConverterServesManyThreads() async throws {
    let size = VideoSize(width: 300, height: 50)
    let converter = try FrameConverter(from: .rgb24, to: .nv12, size: size, color: .bt709)
    var generator = SeededGenerator(seed: 9)
    let picture = TestPicture.random(.rgb24, size, padding: 0, using: &generator)
    var expected = TestPicture(.nv12, size, padding: 0)
    Self.convert(picture, to: &expected, converter)
    let bytes = expected.bytes
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 {
        group.addTask {
          (0..<20).allSatisfy { _ in
            var result = TestPicture(.nv12, size, padding: 0)
            Self.convert(picture, to: &result, converter)
            return result.bytes == bytes
          }
        }
      }
      for await same in group { #expect(same) }
    }
  }
}
