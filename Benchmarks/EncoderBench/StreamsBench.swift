import V4L2Encoder

/// Several live streams at once through one device.
enum StreamsBench {
  private struct Outcome {
    var missed = 0
    var packets = 0
    var longest = Duration.zero
  }

  static func run(on path: String, count: Int, seconds: Int) async throws -> [(String, Double)] {
    let frames = seconds * 30
    let start = processorTime()
    let outcomes = try await withThrowingTaskGroup(of: Outcome.self) { group in
      for _ in 0..<count { group.addTask { try await stream(on: path, frames: frames) } }
      return try await group.reduce(into: [Outcome]()) { $0.append($1) }
    }
    let spent = processorTime() - start
    return [
      ("frames", Double(frames * count)),
      ("packets", Double(outcomes.map(\.packets).reduce(0, +))),
      ("missed", Double(outcomes.map(\.missed).reduce(0, +))),
      ("milliseconds", spent * 1e3 / Double(frames * count)),
      ("longest", Double(outcomes.map(\.longest).max()?.inNanoseconds ?? 0) / 1e6),
    ]
  }

  /// A frame is missed when its turn comes before the frame before it was taken.
  private static func stream(on path: String, frames: Int) async throws -> Outcome {
    var configuration = EncoderConfiguration(
      size: Pictures.size, inputFormat: .i420, frameRate: Rational(30),
      rateControl: .constant(bitrate: 8_000_000))
    configuration.timeBase = Rational(1, 30)
    let encoder = try await H264Encoder.open(configuration, on: .path(path))
    let pictures = try Pictures.noise(.i420, Pictures.size)
    let reader = Task {
      var count = 0
      for try await _ in encoder.packets { count += 1 }
      return count
    }
    var outcome = Outcome()
    let clock = ContinuousClock()
    let begin = clock.now
    for number in 0..<frames {
      let due = begin.advanced(by: .seconds(1) * number / 30)
      if clock.now > due.advanced(by: .seconds(1) / 30) { outcome.missed += 1 }
      try await Task.sleep(until: due, clock: clock)
      let picture = pictures[number % pictures.count]
      try await encoder.encode(
        VideoFrame(
          format: .i420, size: Pictures.size, memory: picture.memory, planes: picture.planes,
          presentationTime: Int64(number)))
    }
    try await encoder.drain()
    outcome.longest = encoder.statistics.latency?.maximum ?? .zero
    await encoder.close()
    outcome.packets = try await reader.value
    return outcome
  }
}
