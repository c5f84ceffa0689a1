import V4L2Encoder

/// Grey pictures that move to the left, 30 a second.
func gradient(size: VideoSize, count: Int) throws -> [VideoFrame] {
  try (0..<count).map { index in
    var bytes = [UInt8](repeating: 128, count: size.width * size.height * 3 / 2)
    for row in 0..<size.height {
      for column in 0..<size.width {
        bytes[row * size.width + column] = UInt8(truncatingIfNeeded: (column + row) / 4 + index * 2)
      }
    }
    return try VideoFrame(
      format: .i420, size: size, memory: FrameMemory(copying: bytes),
      presentationTime: Int64(index) * 1_000_000 / 30)
  }
}
