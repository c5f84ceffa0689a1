import ClipRecorder
import V4L2Encoder

/// Encodes a second of grey pictures on this machine's encoder and says what came of it.
@main struct RecordClip {
  static func main() async throws {
    let size = VideoSize(width: 320, height: 240)
    let picture = FrameMemory(copying: [UInt8](repeating: 128, count: 320 * 240 * 3 / 2))
    let frames = try (0..<30).map { index in
      try VideoFrame(
        format: .i420, size: size, memory: picture, presentationTime: Int64(index) * 33_333)
    }
    do {
      let clip = try await ClipRecorder().record(frames)
      print("\(clip.packets.count) packets")
    } catch let error as EncoderError where error.code == .deviceUnavailable {
      print("no hardware encoder here: \(error)")
    }
  }
}
