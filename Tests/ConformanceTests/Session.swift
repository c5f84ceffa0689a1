import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// One encoder on one imitated driver, whose packets and events are gathered.
final class Session: Sendable {
  /// The device, when it is in this process.
  let device: VirtualDevice?
  let encoder: any VideoEncoder
  private let reader: Task<[EncodedPacket], any Error>
  private let events: Events

  private final class Events: Sendable {
    private let all = Locked<[EncoderEvent]>([])
    func append(_ event: EncoderEvent) { all.withLock { $0.append(event) } }
    var list: [EncoderEvent] { all.withLock { $0 } }
  }

  private init(
    _ device: VirtualDevice?, _ encoder: some VideoEncoder, _ packets: PacketSequence,
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
    _ codec: VideoCodec, on place: Place,
    size: VideoSize = Clip.size, _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> Session {
    let device: VirtualDevice?
    let selector: DeviceSelector
    switch place {
    case .here(let configuration):
      let made = try VirtualDevice(configuration)
      device = made
      selector = .virtual(made)
    case .node(let path):
      device = nil
      selector = .path(path)
    }
    var settings = EncoderConfiguration(
      size: size, inputFormat: .i420, frameRate: Rational(25),
      rateControl: .constant(bitrate: 1_500_000))
    settings.timeBase = Rational(1, 25)
    settings.keyFrameInterval = 10
    // Real encoders, under a sanitizer beside other work, are slow without standing still.
    settings.deadlines.progress = .seconds(30)
    change(&settings)
    let events = Events()
    let observer = EncoderObserver(event: { events.append($0) })
    switch codec {
    case .h264:
      let encoder = try await H264Encoder.open(
        settings, on: selector, observer: observer)
      return Session(device, encoder, encoder.packets, events)
    case .hevc:
      let encoder = try await HEVCEncoder.open(
        settings, on: selector, observer: observer)
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

  /// Waits for packets, so that a change does not overtake their pictures inside the device.
  func hasPackets(_ count: Int) async throws {
    try await eventually(within: .seconds(30), "\(count) packets") { [encoder] in
      encoder.statistics.packetsOut >= count
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

  /// Where it is served, if not in this process.
  let node: ConformanceNode?

  var testDescription: String { "\(personality.name) \(codec.rawValue)" }

  /// Every driver with every codec of it.
  static let all: [Candidate] = drivers.flatMap { driver in
    driver.personality.codecs.map {
      Candidate(personality: driver.personality, codec: $0, node: driver.node)
    }
  }

  /// Every driver, with H.264.
  static let everyDriver = all.filter { $0.codec == .h264 }

  private static var drivers: [(personality: VirtualDevice.Personality, node: ConformanceNode?)] {
    guard let nodes = ConformanceNode.given else {
      return VirtualDevice.Personality.all.map { ($0, nil) }
    }
    return nodes.map { node in
      guard let personality = VirtualDevice.Personality.named(node.personality) else {
        fatalError("there is no personality \(node.personality)")
      }
      return (personality, node)
    }
  }

  /// The device with real codecs.
  var real: Place {
    node.map { .node($0.real) } ?? .here(VirtualDevice.Configuration(personality: personality))
  }

  /// The device with codecs that only pretend, if it can.
  var pretended: Place { node.map { .node($0.pretended) } ?? .pretended(personality) }

  /// Whether `pretended` is something else than `real`.
  var canPretend: Bool { pretended != real }
}

/// Where a device is.
enum Place: Hashable {
  /// In this process.
  case here(VirtualDevice.Configuration)
  /// Behind a device node.
  case node(String)

  /// A device in this process with codecs that only pretend.
  static func pretended(_ personality: VirtualDevice.Personality) -> Place {
    .here(VirtualDevice.Configuration(personality: personality, h264: .null, hevc: .null))
  }
}

extension VirtualDevice.Personality {
  /// What it encodes, with what this build has.
  var codecs: [VideoCodec] {
    let kinds = codedFormats.map(\.codec)
    let hasHEVC = kinds.contains(.hevc) && VirtualDevice.Configuration.bestHEVC != .null
    return (kinds.contains(.h264) ? [.h264] : []) + (hasHEVC ? [.hevc] : [])
  }
}
