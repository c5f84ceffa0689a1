import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// One encoder on one imitated driver, whose packets and events are gathered.
final class Session: Sendable {
  let device: VirtualDevice
  let encoder: any VideoEncoder
  private let reader: Task<[EncodedPacket], any Error>
  private let events: Events

  private final class Events: Sendable {
    private let all = Locked<[EncoderEvent]>([])
    func append(_ event: EncoderEvent) { all.withLock { $0.append(event) } }
    var list: [EncoderEvent] { all.withLock { $0 } }
  }

  private init(
    _ device: VirtualDevice, _ encoder: some VideoEncoder, _ packets: PacketSequence,
    _ events: Events
  ) {
    self.device = device
    self.encoder = encoder
    self.events = events
    reader = Task {
      var all: [EncodedPacket] = []
      for try await packet in packets { all.append(packet) }
      return all
    }
  }

  static func open(
    _ codec: VideoCodec, on configuration: VirtualDevice.Configuration,
    size: VideoSize = Clip.size, _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> Session {
    let device = try VirtualDevice(configuration)
    var settings = EncoderConfiguration(
      size: size, inputFormat: .i420, frameRate: Rational(25),
      rateControl: .constant(bitrate: 1_500_000))
    settings.timeBase = Rational(1, 25)
    settings.keyFrameInterval = 10
    change(&settings)
    let events = Events()
    let observer = EncoderObserver(event: { events.append($0) })
    switch codec {
    case .h264:
      let encoder = try await H264Encoder.open(
        settings, on: .virtual(device), observer: observer)
      return Session(device, encoder, encoder.packets, events)
    case .hevc:
      let encoder = try await HEVCEncoder.open(
        settings, on: .virtual(device), observer: observer)
      return Session(device, encoder, encoder.packets, events)
    case .fwht: throw TestSupportError("no personality encodes FWHT")
    }
  }

  /// Encodes pictures with these numbers as their times.
  func encode(
    _ times: Range<Int>, of clip: PlanarVideo? = nil, keyFrameAt key: Int? = nil
  ) async throws {
    let size = encoder.negotiated.visibleSize
    for time in times {
      let bytes = clip?.frame(time % (clip?.frameCount ?? 1)) ?? Clip.grey(size, time)
      let frame = try VideoFrame(
        format: .i420, size: size, memory: FrameMemory(copying: bytes),
        presentationTime: Int64(time))
      try await encoder.encode(frame, options: FrameOptions(forceKeyFrame: time == key))
    }
  }

  /// The events so far.
  var happened: [EncoderEvent] { events.list }

  /// Closes the encoder; all its packets.
  func finish() async throws -> [EncodedPacket] {
    await encoder.close()
    return try await reader.value
  }
}

/// The pictures that are encoded.
enum Clip {
  static let size = VideoSize(width: 320, height: 192)

  /// A real clip, made small enough to be encoded in no time and large enough for every driver.
  static func pictures() async throws -> PlanarVideo {
    let path = try await MediaTools.decode(
      .bigBuckBunny, frames: 24, size: (size.width, size.height))
    return try PlanarVideo(path: path, width: size.width, height: size.height)
  }

  /// A picture of one brightness.
  static func grey(_ size: VideoSize, _ time: Int) -> [UInt8] {
    let byteCount = size.width * size.height * 3 / 2
    return [UInt8](repeating: UInt8(truncatingIfNeeded: 40 + time * 3), count: byteCount)
  }
}

/// A driver and a codec it has.
struct Candidate: Sendable, CustomTestStringConvertible {
  let personality: VirtualDevice.Personality
  let codec: VideoCodec

  var testDescription: String { "\(personality.name) \(codec.rawValue)" }

  /// Every driver with every codec of it.
  static let all: [Candidate] = VirtualDevice.Personality.conforming.flatMap { personality in
    personality.codecs.map { Candidate(personality: personality, codec: $0) }
  }

  /// The device with real codecs.
  var real: VirtualDevice.Configuration { .init(personality: personality) }
  /// The device with codecs that only pretend.
  var pretended: VirtualDevice.Configuration {
    .init(personality: personality, h264: .null, hevc: .null)
  }
}

extension VirtualDevice.Personality {
  /// The drivers the suite runs on.
  ///
  /// rkmpp is not among them: all planes of its frames lie in the first one's memory, which only
  /// the way through libv4l2 maps.
  static let conforming = all.filter { !$0.deviations.contains(.planesAreContiguous) }

  /// What it encodes, with what this build has.
  var codecs: [VideoCodec] {
    let kinds = codedFormats.map(\.codec)
    let hasHEVC = kinds.contains(.hevc) && VirtualDevice.Configuration.bestHEVC != .null
    return (kinds.contains(.h264) ? [.h264] : []) + (hasHEVC ? [.hevc] : [])
  }
}
