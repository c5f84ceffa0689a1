import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

@Suite struct BitstreamSPSTests {
  @Test func h264Fields() throws {
    let bytes = BitstreamSamples.h264SPS
    let set = try #require(BitstreamSamples.parse(bytes, .h264))
    #expect(set.profile == 100 && set.level == 21 && set.id == 0 && set.chromaFormat == 1)
    #expect(set.codedSize == VideoSize(width: 368, height: 304))
    #expect(set.visibleSize == VideoSize(width: 354, height: 290))
    #expect(set.color == SequenceParameterSet.Color(primaries: 1, transfer: 1, matrix: 1))
    #expect(set.isFullRange == false)
    #expect(set.timing == SequenceParameterSet.Timing(unitsPerTick: 1, unitsPerSecond: 50))
    #expect(set.reorderDepth == 2)
  }

  @Test func hevcFields() throws {
    let bytes = BitstreamSamples.hevcSPS
    let set = try #require(BitstreamSamples.parse(bytes, .hevc))
    #expect(set.profile == 1 && set.level == 60 && set.id == 0 && set.chromaFormat == 1)
    #expect(set.codedSize == VideoSize(width: 360, height: 296))
    #expect(set.visibleSize == VideoSize(width: 354, height: 290))
    #expect(set.color == SequenceParameterSet.Color(primaries: 1, transfer: 1, matrix: 1))
    #expect(set.isFullRange == false)
    #expect(set.timing == SequenceParameterSet.Timing(unitsPerTick: 1, unitsPerSecond: 25))
    #expect(set.reorderDepth == 2)
  }

  @Test(
    "A set cut short is refused or keeps what was complete", arguments: [VideoCodec.h264, .hevc])
  func truncated(codec: VideoCodec) throws {
    let bytes = codec == .h264 ? BitstreamSamples.h264SPS : BitstreamSamples.hevcSPS
    let whole = try #require(BitstreamSamples.parse(bytes, codec))
    for count in 0..<bytes.count {
      let part = Array(bytes.prefix(count))
      guard let set = BitstreamSamples.parse(part, codec) else { continue }
      #expect(set.codedSize == whole.codedSize && set.visibleSize == whole.visibleSize)
      #expect(set.color == nil || set.color == whole.color)
      #expect(set.timing == nil || set.timing == whole.timing)
    }
  }

  @Test("Garbage neither traps nor loops", arguments: [VideoCodec.h264, .hevc])
  func garbage(codec: VideoCodec) {
    var generator = SeededGenerator(seed: 5)
    let sample = codec == .h264 ? BitstreamSamples.h264SPS : BitstreamSamples.hevcSPS
    let header = Array(sample.prefix(codec == .h264 ? 1 : 2))
    var parsed = 0
    for round in 0..<20_000 {
      var bytes: [UInt8]
      if round % 2 == 0 {
        bytes = sample
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
          let bit = Int.random(in: header.count * 8..<bytes.count * 8, using: &generator)
          bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        bytes = Array(bytes.prefix(Int.random(in: 1...bytes.count, using: &generator)))
      } else {
        let count = Int.random(in: 0...80, using: &generator)
        // Sparse bits make long Exp-Golomb codes.
        let mask = UInt8.random(in: 0...255, using: &generator)
        bytes =
          header + (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) & mask }
      }
      guard let set = BitstreamSamples.parse(bytes, codec) else { continue }
      parsed += 1
      #expect(set.visibleSize.width > 0 && set.visibleSize.width <= set.codedSize.width)
      #expect(set.visibleSize.height > 0 && set.visibleSize.height <= set.codedSize.height)
    }
    #expect(parsed > 1000)
  }

  @Test("Random bytes as a stream", arguments: [VideoCodec.h264, .hevc])
  func garbageStreams(codec: VideoCodec) {
    var generator = SeededGenerator(seed: 6)
    var cache = ParameterSetCache(codec: codec)
    for _ in 0..<5000 {
      let count = Int.random(in: 0...120, using: &generator)
      let small = Bool.random(using: &generator)
      let bytes = (0..<count).map { _ in
        UInt8.random(in: 0...(small ? 3 : 255), using: &generator)
          | (UInt8.random(in: 0...9, using: &generator) == 0 ? 0x42 : 0)
      }
      let info = BitstreamSamples.inspect(bytes, codec)
      #expect(info.parameterSets.upperBound <= bytes.count)
      #expect(info.insertionOffset <= bytes.count)
      cache.update(from: bytes.span.bytes, info: info)
      _ = BitstreamSamples.firstSPS(bytes, codec)
    }
    #expect(!cache.isComplete || !cache.bytes.isEmpty)
  }

  struct Clip: Sendable, CustomTestStringConvertible {
    var codec: VideoCodec
    var size: String
    var rate: String
    var options: [String]
    var testDescription: String { "\(codec.rawValue) \(size) \(options)" }

    init(_ codec: VideoCodec, _ size: String, _ rate: String, _ options: String) {
      self.codec = codec
      self.size = size
      self.rate = rate
      self.options = options.split(separator: " ").map(String.init)
    }
  }

  static let clips = [
    Clip(.h264, "176x144", "15", "-profile:v baseline -g 4"),
    Clip(.h264, "354x290", "30000/1001", "-profile:v main -bf 2 -g 5"),
    Clip(
      .h264, "640x358", "50",
      "-bf 3 -x264-params colorprim=bt709:transfer=bt709:colormatrix=bt709:aud=1:keyint=6"),
    Clip(
      .h264, "320x240", "25",
      "-x264-params colorprim=bt470bg:transfer=smpte170m:colormatrix=smpte170m:fullrange=on:cqm=jvt"
    ),
    Clip(
      .h264, "320x240", "25",
      "-flags +ildct -x264-params interlaced=1:nal-hrd=vbr -b:v 300k -maxrate 400k -bufsize 400k"),
    Clip(.h264, "64x48", "10", "-pix_fmt yuv444p"),
    Clip(.hevc, "354x290", "25", "-x265-params log-level=none:keyint=4:open-gop=1"),
    Clip(
      .hevc, "640x358", "60000/1001",
      "-x265-params log-level=none:colorprim=bt709:transfer=bt709:colormatrix=bt709:aud=1"
        + ":keyint=5"),
    Clip(
      .hevc, "416x240", "24",
      "-x265-params log-level=none:scaling-list=default:range=full:repeat-headers=1"
        + ":temporal-layers=1:keyint=3"),
  ]

  @Test("Fields and key frames as ffprobe reads them", arguments: clips)
  func agreesWithFFprobe(clip: Clip) async throws {
    let directory = try TemporaryDirectory()
    let file = directory.file(clip.codec == .h264 ? "clip.h264" : "clip.hevc")
    let encoder = clip.codec == .h264 ? "libx264" : "libx265"
    let pixels = clip.options.contains("-pix_fmt") ? [] : ["-pix_fmt", "yuv420p"]
    try await MediaTools.ffmpeg(
      ["-f", "lavfi", "-i", "testsrc2=size=\(clip.size):rate=\(clip.rate)", "-frames:v", "12"]
        + ["-c:v", encoder, "-preset", "veryfast"] + pixels + clip.options + [file])
    let facts = try await MediaTools.probe(file)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    let set = try #require(
      BitstreamSamples.firstSPS(bytes, clip.codec))
    #expect(set.level == facts.level)
    #expect(set.visibleSize == VideoSize(width: facts.width, height: facts.height))
    #expect(set.codedSize.width >= facts.width && set.codedSize.height >= facts.height)
    #expect(set.isFullRange.map { $0 ? "pc" : "tv" } == facts.colorRange)
    // 2 is "unspecified", which ffprobe does not mention.
    #expect(Self.name(set.color?.primaries) == facts.colorPrimaries)
    #expect(Self.name(set.color?.transfer) == facts.colorTransfer)
    #expect(Self.name(set.color?.matrix) == facts.colorSpace)
    if let timing = set.timing {
      let parts = clip.rate.split(separator: "/").compactMap { Int($0) }
      let ticks = clip.codec == .h264 ? 2 : 1
      #expect(
        timing.unitsPerSecond * (parts.count == 2 ? parts[1] : 1)
          == parts[0] * ticks * timing.unitsPerTick)
    } else {
      Issue.record("no timing in the stream")
    }
    #expect(facts.packets.count == 12)
    try compareAccessUnits(bytes, facts, clip.codec)
  }

  /// ffprobe's name of a number of ITU-T H.273.
  private static func name(_ number: Int?) -> String? {
    switch number {
    case nil, 2: nil
    case 1: "bt709"
    case 5: "bt470bg"
    case 6: "smpte170m"
    default: number.map { "\($0)" }
    }
  }

  /// Cuts the stream where ffprobe does.
  private func compareAccessUnits(
    _ bytes: [UInt8], _ facts: StreamFacts, _ codec: VideoCodec
  ) throws {
    var cache = ParameterSetCache(codec: codec)
    var offset = 0
    for (index, packet) in facts.packets.enumerated() {
      let unit = Array(bytes[offset..<min(offset + packet.byteCount, bytes.count)])
      offset += packet.byteCount
      let info = BitstreamSamples.inspect(unit, codec)
      #expect(info.hasPicture, "packet \(index)")
      #expect(info.isKeyFrame == packet.isKeyFrame, "packet \(index)")
      cache.update(from: unit.span.bytes, info: info)
    }
    #expect(offset == bytes.count)
    #expect(cache.isComplete)
    #expect(cache.sequenceParameterSet != nil)
  }
}
