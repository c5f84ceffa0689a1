import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Real clips through real codecs, decoded by FFmpeg and compared with the source.
@Suite(.timeLimit(.minutes(5))) struct ContentTests {
  struct Encoded {
    var stream: String
    var packets: [EncodedPacket]
    var report: NegotiationReport
    var statistics: EncoderStatistics
  }

  /// Encodes a whole video and writes its stream to a file.
  private func encode<Codec: CodecTag>(
    _ codec: Codec.Type, _ video: PlanarVideo, to directory: TemporaryDirectory,
    api: VirtualDevice.Configuration.Interface = .multiplanar,
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> Encoded {
    let device = try VirtualDevice(VirtualDevice.Configuration(api: api))
    let size = VideoSize(width: video.width, height: video.height)
    var configuration = EncoderConfiguration(
      size: size, frameRate: Rational(25), rateControl: .constant(bitrate: 4_000_000))
    configuration.timeBase = Rational(1, 25)
    change(&configuration)
    let encoder = try await V4L2VideoEncoder<Codec>.open(configuration, on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    for index in 0..<video.frameCount {
      let frame = try VideoFrame(
        format: .i420, size: size, memory: FrameMemory(copying: video.frame(index)),
        presentationTime: Int64(index))
      try await encoder.encode(frame)
    }
    try await encoder.drain()
    let statistics = encoder.statistics
    let report = encoder.negotiated
    await encoder.close()
    let packets = try await reader.value
    let suffix = Codec.codec == .h264 ? "h264" : "hevc"
    let stream = try directory.write(packets.flatMap(\.data.array), to: "out.\(suffix)")
    return Encoded(stream: stream, packets: packets, report: report, statistics: statistics)
  }

  @Test(
    "720p at 4 Mbit/s in H.264 reaches 38 dB",
    arguments: VirtualDevice.Configuration.Interface.allCases)
  func highDefinition(api: VirtualDevice.Configuration.Interface) async throws {
    let source = try await MediaTools.pictures(.bigBuckBunny)
    let directory = try TemporaryDirectory()
    let encoded = try await encode(H264.self, source, to: directory, api: api)
    #expect(encoded.packets.map(\.presentationTime) == (0..<Int64(source.frameCount)).map { $0 })
    #expect(encoded.packets.indices.filter { encoded.packets[$0].isKeyFrame } == [0, 50, 100])
    let decoded = try await MediaTools.decode(stream: encoded.stream, in: directory)
    #expect(decoded.frameCount == source.frameCount)
    let quality = try decoded.lumaPSNR(against: source)
    #expect(quality.overall >= 38)
    #expect(quality.lowest >= 30)
    let facts = try await MediaTools.probe(encoded.stream)
    #expect(facts.codec == "h264" && facts.profile == "High")
    #expect(facts.width == 1280 && facts.height == 720)
    #expect(facts.colorSpace == "bt709" && facts.colorRange == "tv")
    #expect(facts.colorPrimaries == "bt709" && facts.colorTransfer == "bt709")
    #expect(encoded.report.differences == [])
  }

  @Test func smallPictureInHEVC() async throws {
    let source = try await MediaTools.pictures(.carphone)
    let directory = try TemporaryDirectory()
    let encoded = try await encode(HEVC.self, source, to: directory) {
      $0.rateControl = .constant(bitrate: 500_000)
    }
    let decoded = try await MediaTools.decode(stream: encoded.stream, in: directory)
    #expect(decoded.frameCount == source.frameCount)
    #expect(try decoded.lumaPSNR(against: source).overall >= 36)
    let facts = try await MediaTools.probe(encoded.stream)
    #expect(facts.codec == "hevc" && facts.width == 176 && facts.height == 144)
    #expect(facts.colorSpace == "smpte170m" && facts.colorRange == "tv")
  }

  @Test("reordered pictures keep their times and get rising decode times")
  func bidirectional() async throws {
    let source = try await MediaTools.pictures(.carphone)
    let directory = try TemporaryDirectory()
    let encoded = try await encode(HEVC.self, source, to: directory) {
      $0.bidirectionalFrames = 2
      $0.rateControl = .constant(bitrate: 500_000)
    }
    let times = encoded.packets.map(\.presentationTime)
    #expect(times.sorted() == (0..<Int64(source.frameCount)).map { $0 })
    #expect(times != times.sorted())
    let decodeTimes = encoded.packets.map(\.decodeTime)
    #expect(zip(decodeTimes, decodeTimes.dropFirst()).allSatisfy { $0 < $1 })
    #expect(encoded.packets.allSatisfy { $0.decodeTime <= $0.presentationTime })
    let decoded = try await MediaTools.decode(stream: encoded.stream, in: directory)
    #expect(try decoded.lumaPSNR(against: source).lowest >= 28)
  }

  @Test("every key frame starts a stream of its own", arguments: [VideoCodec.h264, .hevc])
  func keyFramesStandAlone(codec: VideoCodec) async throws {
    let source = try await MediaTools.pictures(.carphone)
    let directory = try TemporaryDirectory()
    let encoded =
      codec == .h264
      ? try await encode(H264.self, source, to: directory) { $0.keyFrameInterval = 40 }
      : try await encode(HEVC.self, source, to: directory) { $0.keyFrameInterval = 40 }
    let keys = encoded.packets.indices.filter { encoded.packets[$0].isKeyFrame }
    #expect(keys == [0, 40, 80])
    for key in keys {
      let tail = try directory.write(
        encoded.packets[key...].flatMap(\.data.array), to: "from-\(key).\(codec.rawValue)")
      let decoded = try await MediaTools.decode(stream: tail, in: directory)
      #expect(decoded.frameCount == source.frameCount - key)
      #expect(decoded.lumaPSNR(0, against: source, at: key) >= 30)
    }
  }

  @Test func variableRateAndConstantQuantizer() async throws {
    let source = try await MediaTools.pictures(.carphone)
    let directory = try TemporaryDirectory()
    let fine = try await encode(H264.self, source, to: directory) {
      $0.rateControl = .constantQuantizer(24)
    }
    let coarse = try await encode(H264.self, source, to: directory) {
      $0.rateControl = .constantQuantizer(40)
    }
    #expect(fine.statistics.bytesOut > 3 * coarse.statistics.bytesOut)
    let variable = try await encode(H264.self, source, to: directory) {
      $0.rateControl = .variable(bitrate: 300_000, peak: 450_000)
    }
    let rate = variable.statistics.bytesOut * 8 * 25 / source.frameCount
    #expect((150_000...500_000).contains(rate))
  }
}
