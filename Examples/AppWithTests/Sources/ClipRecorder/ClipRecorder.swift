public import V4L2Encoder

/// A recording with the places where a player may start.
public struct Clip: Sendable {
  /// The access units in decode order.
  public var packets: [EncodedPacket] = []

  /// When the pictures are shown at which playing can start.
  public var entryPoints: [Int64] { packets.filter(\.isKeyFrame).map(\.presentationTime) }
}

/// Records pictures into a clip, with an entry point at every scene.
public struct ClipRecorder: Sendable {
  private let device: DeviceSelector

  /// Creates a recorder on the machine's encoder, or on another device for tests.
  public init(device: DeviceSelector = .automatic) { self.device = device }

  /// Encodes all frames.
  ///
  /// - Parameters:
  ///   - frames: pictures of one size, in the order they are shown, times in microseconds.
  ///   - scenes: the presentation times of the frames that begin a scene.
  /// - Returns: the clip.
  /// - Throws: `EncoderError` when there is no encoder or it fails.
  public func record(_ frames: [VideoFrame], scenes: Set<Int64> = []) async throws -> Clip {
    guard let first = frames.first else { return Clip() }
    var configuration = EncoderConfiguration(
      size: first.size, inputFormat: first.format, rateControl: .constant(bitrate: 500_000))
    configuration.keyFrameInterval = 1_000
    let encoder = try await H264Encoder.open(configuration, on: device)
    let reading = Task {
      var clip = Clip()
      for try await packet in encoder.packets { clip.packets.append(packet) }
      return clip
    }
    do {
      for frame in frames {
        let isScene = scenes.contains(frame.presentationTime)
        try await encoder.encode(frame, options: FrameOptions(forceKeyFrame: isScene))
      }
      try await encoder.drain()
    } catch {
      await encoder.close()
      throw error
    }
    await encoder.close()
    return try await reading.value
  }
}
