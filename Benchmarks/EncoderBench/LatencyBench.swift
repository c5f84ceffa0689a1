import V4L2Encoder
import VirtualV4L2Device

/// The time from `encode` to the packet in the reader's hands, on a device in this process whose
/// encoder returns at once, and how much of it is the device's.
enum LatencyBench {
  private static let frames = 2000

  static func run() async throws -> [(String, Double)] {
    let lent = try await latencies(copies: false)
    let copied = try await latencies(copies: true)
    return figures(lent, named: "lent") + figures(copied, named: "copied")
  }

  private static func figures(_ found: Found, named name: String) -> [(String, Double)] {
    [
      ("\(name)_p50", found.whole.percentile(0.5)), ("\(name)_p99", found.whole.percentile(0.99)),
      ("\(name)_device_p50", found.device),
    ]
  }

  /// Microseconds.
  private struct Found {
    var whole: [Double]
    /// The median of what was spent with the device: from the request that hands a frame over to
    /// the one that fetches its packet.
    var device: Double
  }

  /// Of frames that are rendered in place, or brought into the buffer by the library.
  private static func latencies(copies: Bool) async throws -> Found {
    let node = try VirtualDevice(
      VirtualDevice.Configuration(h264: .null, hevc: .null))
    var configuration = EncoderConfiguration(
      size: Pictures.size, inputFormat: copies ? .i420 : .nv12, frameRate: Rational(500),
      rateControl: .constant(bitrate: 8_000_000))
    configuration.timeBase = Rational(1, 500)
    let encoder = try await H264Encoder.open(configuration, on: .virtual(node))
    let pictures = try Pictures.noise(.i420, Pictures.size)
    let starts = Locked([MonotonicTime](repeating: .now, count: frames))
    let reader = Task {
      var found: [Double] = []
      for try await packet in encoder.packets {
        let now = MonotonicTime.now
        let start = starts.withLock { $0[Int(packet.presentationTime)] }
        found.append(Double((now - start).inNanoseconds) / 1e3)
      }
      return found
    }
    for number in 0..<frames {
      // Paced, so that no frame waits for the one before it.
      try await Task.sleep(for: .milliseconds(2))
      if copies {
        let picture = pictures[number % pictures.count]
        let frame = try VideoFrame(
          format: .i420, size: Pictures.size, memory: picture.memory, planes: picture.planes,
          presentationTime: Int64(number))
        starts.withLock { $0[number] = .now }
        try await encoder.encode(frame)
      } else {
        let buffer = try await encoder.nextInputBuffer()
        starts.withLock { $0[number] = .now }
        try await encoder.encode(
          buffer, presentationTime: Int64(number), duration: 1, options: FrameOptions())
      }
    }
    try await encoder.drain()
    let device = encoder.statistics.deviceLatency?.median ?? .zero
    await encoder.close()
    return Found(whole: try await reader.value, device: Double(device.inNanoseconds) / 1e3)
  }
}
