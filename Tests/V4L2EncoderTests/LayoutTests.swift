import Testing

@testable import V4L2Encoder

@Suite struct LayoutTests {
  @Test(
    "A raw file's layout",
    arguments: [
      (PixelFormat.i420, 6, 4, [0, 24, 30], [6, 3, 3], 36),
      (.yv12, 6, 4, [0, 24, 30], [6, 3, 3], 36),
      (.i420, 5, 3, [0, 15, 21], [5, 3, 3], 27),
      (.nv12, 5, 3, [0, 15], [5, 6], 27),
      (.nv21, 6, 4, [0, 24], [6, 6], 36),
      (.i422, 5, 3, [0, 15, 24], [5, 3, 3], 33),
      (.yuyv, 5, 3, [0], [12], 36),
      (.uyvy, 4, 2, [0], [8], 16),
      (.rgb24, 5, 3, [0], [15], 45),
      (.bgra, 5, 3, [0], [20], 60),
      (.grey, 5, 3, [0], [5], 15),
      (.nv12m, 6, 4, [0, 24], [6, 6], 36),
    ])
  func packed(
    format: PixelFormat, width: Int, height: Int, offsets: [Int], lines: [Int], byteCount: Int
  ) throws {
    let layout = try RasterLayout.packed(format, size: VideoSize(width: width, height: height))
    #expect(layout.planes.map(\.offset) == offsets)
    #expect(layout.planes.map(\.bytesPerLine) == lines)
    #expect(layout.byteCount == byteCount)
  }

  @Test(
    "Impossible sizes are refused",
    arguments: [(0, 16), (16, 0), (-2, 16), (Int.max, Int.max), (Int.min, 1), (16_889, 2)])
  func impossibleSizes(width: Int, height: Int) {
    let size = VideoSize(width: width, height: height)
    let error = #expect(throws: EncoderError.self) {
      try RasterLayout.packed(.i420, size: size)
    }
    #expect(error?.code == .invalidFrame)
    #expect(throws: EncoderError.self) {
      try RasterLayout.validate([], of: .i420, size: size, offset: 0, byteCount: .max)
    }
  }

  @Test func unknownFormatsAreRefused() {
    for format in [PixelFormat.h264, PixelFormat(rawValue: 0), PixelFormat(rawValue: .max)] {
      let error = #expect(throws: EncoderError.self) {
        try RasterLayout.packed(format, size: VideoSize(width: 16, height: 16))
      }
      #expect(error?.message.contains(format.description) == true)
    }
  }

  /// An 8x4 picture: 32 bytes of luma, twice 8 of chroma.
  static let size = VideoSize(width: 8, height: 4)
  static func planes(
    _ first: (Int, Int), _ second: (Int, Int), _ third: (Int, Int)
  ) -> [PlaneLayout] {
    [first, second, third].map { PlaneLayout(offset: $0.0, bytesPerLine: $0.1) }
  }

  @Test("Planes that fit", arguments: [(0, 48), (7, 55), (0, 49)])
  func accepts(offset: Int, byteCount: Int) throws {
    try RasterLayout.validate(
      Self.planes((0, 8), (32, 4), (40, 4)), of: .i420, size: Self.size, offset: offset,
      byteCount: byteCount)
  }

  @Test func lastRowNeedsNoPadding() throws {
    try RasterLayout.validate(
      Self.planes((0, 100), (308, 50), (362, 50)), of: .i420, size: Self.size, offset: 0,
      byteCount: 362 + 50 + 4)
  }

  @Test(
    "Planes that do not fit",
    arguments: [
      (planes((0, 8), (32, 4), (40, 4)), 0, 47),
      (planes((0, 8), (32, 4), (40, 4)), 1, 48),
      (planes((0, 8), (32, 4), (40, 4)), -1, 48),
      (planes((0, 8), (32, 4), (40, 4)), Int.max, 48),
      (planes((0, 7), (32, 4), (40, 4)), 0, 48),
      (planes((0, 8), (32, 3), (40, 4)), 0, 48),
      (planes((0, -8), (32, 4), (40, 4)), 0, 48),
      (planes((-8, 8), (32, 4), (40, 4)), 8, 480),
      (planes((0, 8), (.max, 4), (40, 4)), 0, 48),
      (planes((0, 8), (.min, 4), (40, 4)), 0, 48),
      (planes((0, .max), (32, 4), (40, 4)), 0, .max),
      (planes((0, 8), (32, 4), (.max - 4, 4)), 8, .max),
    ] as [([PlaneLayout], Int, Int)])
  func refuses(planes: [PlaneLayout], offset: Int, byteCount: Int) {
    let error = #expect(throws: EncoderError.self) {
      try RasterLayout.validate(
        planes, of: .i420, size: Self.size, offset: offset, byteCount: byteCount)
    }
    #expect(error?.code == .invalidFrame)
    #expect(error?.message.contains("\n") == false)
  }

  @Test func missingPlanesAreRefused() {
    let error = #expect(throws: EncoderError.self) {
      try RasterLayout.validate(
        [PlaneLayout(offset: 0, bytesPerLine: 8)], of: .nv12, size: Self.size, offset: 0,
        byteCount: 1000)
    }
    #expect(error?.message == "a frame in nv12 has 2 planes, not 1")
  }

  @Test func namesAreUniqueAndFindTheirFormat() {
    let formats = PixelFormat.allRaw
    #expect(formats.count == 17)
    for format in formats {
      #expect(format.info.flatMap { PixelFormat.named($0.name) } == format)
    }
    #expect(PixelFormat.named("h264") == nil)
  }

  @Test func subsamplingDecidesWhichSizesMustBeEven() {
    #expect(PixelFormat.nv12.info?.requiresEvenWidth == true)
    #expect(PixelFormat.nv12.info?.requiresEvenHeight == true)
    #expect(PixelFormat.yuyv.info?.requiresEvenWidth == true)
    #expect(PixelFormat.yuyv.info?.requiresEvenHeight == false)
    #expect(PixelFormat.bgra.info?.requiresEvenWidth == false)
    #expect(PixelFormat.grey.info?.requiresEvenHeight == false)
  }
}

@Suite struct DriverLayoutTests {
  typealias Plane = DriverLayout.Plane
  let full = VideoSize(width: 1920, height: 1088)

  @Test func chromaFollowsThePaddedRowsOfLuma() throws {
    let layout = try DriverLayout.driver(
      .nv12, bufferSize: full, bytesPerLine: [2048], planeSizes: [2048 * 1088 * 3 / 2])
    #expect(
      layout.planes == [
        Plane(memoryPlane: 0, offset: 0, bytesPerLine: 2048, rows: 1088),
        Plane(memoryPlane: 0, offset: 2048 * 1088, bytesPerLine: 2048, rows: 544),
      ])
  }

  @Test func planarChromaHasHalfTheLine() throws {
    let layout = try DriverLayout.driver(
      .i420, bufferSize: full, bytesPerLine: [1984], planeSizes: [1984 * 1088 * 3 / 2])
    #expect(layout.planes.map(\.bytesPerLine) == [1984, 992, 992])
    #expect(layout.planes.map(\.offset) == [0, 1984 * 1088, 1984 * 1088 + 992 * 544])
  }

  @Test func separateMemoryHasItsOwnLines() throws {
    let layout = try DriverLayout.driver(
      .i420m, bufferSize: full, bytesPerLine: [1920, 1024, 1088],
      planeSizes: [1920 * 1088, 1024 * 544, 1088 * 544])
    #expect(
      layout.planes == [
        Plane(memoryPlane: 0, offset: 0, bytesPerLine: 1920, rows: 1088),
        Plane(memoryPlane: 1, offset: 0, bytesPerLine: 1024, rows: 544),
        Plane(memoryPlane: 2, offset: 0, bytesPerLine: 1088, rows: 544),
      ])
    let pairs = try DriverLayout.driver(
      .nv12m, bufferSize: full, bytesPerLine: [1920, 1920], planeSizes: [2_097_152, 1_048_576])
    #expect(pairs.planes.map(\.memoryPlane) == [0, 1])
  }

  @Test func aLineOfZeroIsReadFromThePlaneSize() throws {
    let padded = try DriverLayout.driver(
      .nv12, bufferSize: full, bytesPerLine: [0], planeSizes: [2048 * 1088 * 3 / 2])
    #expect(padded.planes.map(\.bytesPerLine) == [2048, 2048])
    // Rounded up to whole pages the size says nothing about lines.
    let pages = try DriverLayout.driver(
      .nv12, bufferSize: VideoSize(width: 1920, height: 1080), bytesPerLine: [0],
      planeSizes: [3_112_960])
    #expect(pages.planes.map(\.bytesPerLine) == [1920, 1920])
    let separate = try DriverLayout.driver(
      .nv12m, bufferSize: full, bytesPerLine: [0, 0], planeSizes: [2048 * 1088, 1920 * 544])
    #expect(separate.planes.map(\.bytesPerLine) == [2048, 1920])
  }

  @Test(
    "Layouts no driver should return",
    arguments: [
      (PixelFormat.nv12, [1920], [1920 * 1088 * 3 / 2 - 1]),
      (.nv12, [1919], [10_000_000]),
      (.nv12, [], []),
      (.nv12, [1920], []),
      (.nv12m, [1920], [10_000_000]),
      (.nv12m, [1920, 1920], [10_000_000, 0]),
      (.nv12, [-1], [10_000_000]),
      (.nv12, [.max], [.max]),
      (.nv12, [0], [0]),
      (.nv12, [0], [-1]),
      (.nv12, [0], [.max - 1]),
      (.h264, [0], [1_000_000]),
    ] as [(PixelFormat, [Int], [Int])])
  func refuses(format: PixelFormat, lines: [Int], sizes: [Int]) {
    // The largest plane size is absurd but holds the picture, so only its line may not be derived.
    if format == .nv12, lines == [0], sizes == [.max - 1] {
      let layout = try? DriverLayout.driver(
        format, bufferSize: full, bytesPerLine: lines, planeSizes: sizes)
      #expect(layout?.planes.first?.bytesPerLine == 1920)
      return
    }
    let error = #expect(throws: EncoderError.self) {
      try DriverLayout.driver(format, bufferSize: full, bytesPerLine: lines, planeSizes: sizes)
    }
    #expect(error?.code == .protocolViolation)
  }
}
