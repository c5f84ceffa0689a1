import Glibc
import V4L2Encoder

/// The one pass of every frame into the driver's buffer, beside the fastest pass there can be.
enum ConversionBench {
  static func run() throws -> [(String, Double)] {
    let size = Pictures.size
    let sources = try Pictures.noise(.i420, size)
    let layout = try RasterLayout.packed(.nv12, size: size)
    let driver = try DriverLayout.driver(
      .nv12, bufferSize: size, bytesPerLine: [size.width], planeSizes: [layout.byteCount])
    let converter = try FrameConverter(from: .i420, to: .nv12, size: size, color: .bt709)
    // Shared pages, as those of a driver's buffer are.
    let targets = sources.compactMap { _ in
      mmap(nil, layout.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    }
    defer { for target in targets { munmap(target, layout.byteCount) } }
    func time(_ move: (UnsafeRawPointer, Int) -> Void) -> Double {
      let start = processorTime()
      for (index, source) in sources.enumerated() {
        source.memory.bytes.withUnsafeBytes { bytes in
          if let start = bytes.baseAddress { move(start, index) }
        }
      }
      return processorTime() - start
    }
    var ratios: [Double] = []
    var conversions: [Double] = []
    for round in 0..<60 {
      // All pictures by the one way, then all by the other, and the other way round: what comes
      // second finds some of its bytes in a cache.
      func copy() -> Double { time { memcpy(targets[$1], $0, layout.byteCount) } }
      func convert() -> Double {
        time { source, index in
          converter.convert(
            from: PlanePointers(frame: source, planes: sources[index].planes),
            to: PlanePointers(driver: driver) { _ in targets[index] })
        }
      }
      let (copied, converted) = (copy(), convert())
      let (convertedFirst, copiedLast) = (convert(), copy())
      // The first rounds meet pages and caches that nothing has touched yet.
      guard round >= 10 else { continue }
      ratios.append((converted + convertedFirst) / (copied + copiedLast))
      conversions.append((converted + convertedFirst) / Double(2 * sources.count) * 1e3)
    }
    return [("ratio", ratios.percentile(0.5)), ("milliseconds", conversions.percentile(0.5))]
  }
}

/// What a 4K camera costs that is encoded in Full HD.
enum ScalingBench {
  static func run() throws -> [(String, Double)] {
    let large = VideoSize(width: 3840, height: 2160)
    let sources = try Pictures.noise(.uyvy, large, count: 2)
    let scaler = try FrameScaler(from: .uyvy, size: large, to: .nv12, size: Pictures.size)
    var times: [Double] = []
    for round in 0..<40 {
      let source = sources[round % sources.count]
      let frame = try VideoFrame(
        format: .uyvy, size: large, memory: source.memory, planes: source.planes,
        presentationTime: Int64(round))
      let start = processorTime()
      _ = try scaler.scale(frame)
      times.append((processorTime() - start) * 1e3)
    }
    return [("milliseconds", times.dropFirst(8).percentile(0.5))]
  }
}
