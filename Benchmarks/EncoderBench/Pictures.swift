import Glibc
import V4L2Encoder

/// What the benchmarks encode.
enum Pictures {
  static let size = VideoSize(width: 1920, height: 1080)

  /// A few pictures of noise, more than the processor's caches hold.
  static func noise(_ format: PixelFormat, _ size: VideoSize, count: Int = 4) throws
    -> [(memory: FrameMemory, planes: [PlaneLayout])]
  {
    let layout = try RasterLayout.packed(format, size: size)
    return (0..<count).map { number in
      var state = UInt64(number) &+ 0x9e37_79b9_7f4a_7c15
      let memory = FrameMemory(byteCount: layout.byteCount) { (span: inout MutableRawSpan) in
        for offset in stride(from: 0, to: layout.byteCount - 7, by: 8) {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          span.storeBytes(of: state, toByteOffset: offset, as: UInt64.self)
        }
      }
      return (memory, layout.planes)
    }
  }
}

/// Processor time of this process in seconds.
func processorTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

extension Collection where Element == Double {
  /// The value below which that share of all values lies.
  func percentile(_ share: Double) -> Double {
    let sorted = self.sorted()
    guard !sorted.isEmpty else { return .nan }
    return sorted[Swift.min(sorted.count - 1, Int(Double(sorted.count) * share))]
  }
}
