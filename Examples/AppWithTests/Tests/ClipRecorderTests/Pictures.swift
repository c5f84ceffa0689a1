import V4L2Encoder

/// What the tests record.
enum Pictures {
  static let size = VideoSize(width: 320, height: 240)

  /// Pictures whose brightness tells them apart.
  static func frames(_ count: Int) throws -> [VideoFrame] {
    try (0..<count).map { index in
      var bytes = [UInt8](repeating: 128, count: 320 * 240 * 3 / 2)
      for sample in 0..<320 * 240 { bytes[sample] = UInt8(16 + (sample + index * 7) % 220) }
      return try VideoFrame(
        format: .i420, size: size, memory: FrameMemory(copying: bytes),
        presentationTime: Int64(index) * 33_333)
    }
  }
}
