import CV4L2
import Foundation
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

/// Controls that have to show in the stream.
@Suite("Controls act on the codecs", .timeLimit(.minutes(5)))
struct CodecControlTests {
  typealias Run = CodecTests.Run
  static let codecs = RealCodecs.all
  private static let small = Task { try await FFmpeg.i420("carphone_pristine.mp4", frames: 60) }

  private func encode(
    _ codec: UInt32, frames: Int = 30, _ controls: [(Int32, Int32)],
    color: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0),
    beforeFrame: @escaping (DeviceClient, Int) throws -> Void = { _, _ in }
  ) async throws -> CodecTests.Outcome {
    let run = Run(
      codec: codec, width: 176, height: 144, frames: frames, controls: controls, color: color,
      beforeFrame: beforeFrame)
    return try CodecTests.encode(run, Data(try await Self.small.value))
  }

  /// The types of the NAL units of one packet.
  private func unitTypes(_ bytes: Data, _ codec: UInt32) -> [Int] {
    let bytes = [UInt8](bytes)
    var types: [Int] = []
    for position in 0..<max(0, bytes.count - 3)
    where bytes[position] == 0 && bytes[position + 1] == 0 && bytes[position + 2] == 1 {
      let header = Int(bytes[position + 3])
      types.append(codec == CV4L2_PIX_FMT_HEVC ? header >> 1 & 0x3f : header & 0x1f)
    }
    return types
  }

  private func parameterSets(_ codec: UInt32) -> [Int] {
    codec == CV4L2_PIX_FMT_HEVC ? [32, 33, 34] : [7, 8]
  }

  @Test("Key frames come at the distance of GOP_SIZE, and when forced", arguments: codecs)
  func keyFrames(codec: UInt32) async throws {
    let outcome = try await encode(codec, [(V4L2_CID_MPEG_VIDEO_GOP_SIZE, 10)]) { client, number in
      if number == 14 { try client.setControl(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 1) }
    }
    let keys = outcome.packets.indices.filter { outcome.packets[$0].packet.isKey }
    #expect(keys.prefix(2) == [0, 10])
    #expect(keys.contains(14))
    for (index, (packet, bytes)) in outcome.packets.enumerated() {
      let types = unitTypes(bytes, codec)
      let isKey = codec == CV4L2_PIX_FMT_HEVC ? types.contains { 19...20 ~= $0 } : types.contains(5)
      #expect(packet.isKey == isKey, "frame \(index)")
      #expect((packet.flags & UInt32(V4L2_BUF_FLAG_PFRAME) != 0) == !packet.isKey)
    }
  }

  @Test("GOP_SIZE may change while streaming", arguments: codecs)
  func changedDistance(codec: UInt32) async throws {
    let outcome = try await encode(codec, frames: 40, [(V4L2_CID_MPEG_VIDEO_GOP_SIZE, 0)]) {
      client, number in
      if number == 20 { try client.setControl(V4L2_CID_MPEG_VIDEO_GOP_SIZE, 5) }
    }
    let keys = outcome.packets.indices.filter { outcome.packets[$0].packet.isKey }
    #expect(keys.filter { $0 < 18 } == [0])
    #expect(keys.filter { $0 >= 18 }.count >= 3)
  }

  @Test("Parameter sets repeat when asked, else come once", arguments: codecs)
  func headers(codec: UInt32) async throws {
    for control in [
      V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR,
    ] {
      let outcome = try await encode(
        codec, [(V4L2_CID_MPEG_VIDEO_GOP_SIZE, 10), (control, 1)])
      for (packet, bytes) in outcome.packets where packet.isKey {
        #expect(
          Array(unitTypes(bytes, codec).prefix(parameterSets(codec).count)) == parameterSets(codec))
      }
    }
    let once = try await encode(codec, [(V4L2_CID_MPEG_VIDEO_GOP_SIZE, 10)])
    let sets = once.packets.filter { unitTypes($0.bytes, codec).contains(parameterSets(codec)[0]) }
    #expect(sets.count == 1)
    #expect(try await FFmpeg.decode(once.stream, codec).count == i420Size(30, 176, 144))
  }

  @Test("Separate headers get a buffer of their own", arguments: codecs)
  func separateHeaders(codec: UInt32) async throws {
    let outcome = try await encode(
      codec, frames: 5,
      [
        (
          V4L2_CID_MPEG_VIDEO_HEADER_MODE,
          Int32(V4L2_MPEG_VIDEO_HEADER_MODE_SEPARATE.rawValue)
        )
      ])
    #expect(outcome.packets.count == 6)
    #expect(unitTypes(outcome.packets[0].bytes, codec) == parameterSets(codec))
    #expect(!outcome.packets[0].packet.isKey)
    #expect(outcome.packets[1].packet.isKey)
    #expect(!unitTypes(outcome.packets[1].bytes, codec).contains(parameterSets(codec)[0]))
    #expect(try await FFmpeg.decode(outcome.stream, codec).count == i420Size(5, 176, 144))
  }

  @Test("Delimiters open every access unit when asked", arguments: codecs)
  func delimiters(codec: UInt32) async throws {
    let outcome = try await encode(
      codec, frames: 5,
      [(V4L2_CID_MPEG_VIDEO_AU_DELIMITER, 1), (V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 1)])
    let delimiter = codec == CV4L2_PIX_FMT_HEVC ? 35 : 9
    for (_, bytes) in outcome.packets { #expect(unitTypes(bytes, codec).first == delimiter) }
    #expect(try await FFmpeg.decode(outcome.stream, codec).count == i420Size(5, 176, 144))
  }

  @Test("The bitrate is kept, and follows while streaming", arguments: codecs)
  func bitrate(codec: UInt32) async throws {
    let outcome = try await encode(
      codec, frames: 60,
      [
        (V4L2_CID_MPEG_VIDEO_BITRATE, 1_000_000), (V4L2_CID_MPEG_VIDEO_GOP_SIZE, 0),
        (V4L2_CID_MPEG_VIDEO_BITRATE_MODE, Int32(V4L2_MPEG_VIDEO_BITRATE_MODE_CBR.rawValue)),
      ]
    ) { client, number in
      if number == 30 { try client.setControl(V4L2_CID_MPEG_VIDEO_BITRATE, 200_000) }
    }
    func rate(_ range: Range<Int>) -> Int {
      outcome.packets[range].reduce(0) { $0 + $1.bytes.count } * 8 * 30 / range.count
    }
    #expect(700_000...1_400_000 ~= rate(0..<30), "\(rate(0..<30))")
    #expect(100_000...350_000 ~= rate(40..<60), "\(rate(40..<60))")
    #expect(try await FFmpeg.decode(outcome.stream, codec).count == i420Size(60, 176, 144))
  }

  @Test("Without rate control the quantizer decides", arguments: codecs)
  func quantizer(codec: UInt32) async throws {
    let identifier =
      codec == CV4L2_PIX_FMT_HEVC
      ? V4L2_CID_MPEG_VIDEO_HEVC_P_FRAME_QP : V4L2_CID_MPEG_VIDEO_H264_P_FRAME_QP
    var sizes: [Int] = []
    for value in [18, 30, 42] as [Int32] {
      let outcome = try await encode(
        codec, frames: 10, [(V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, 0), (identifier, value)])
      sizes.append(outcome.stream.count)
    }
    #expect(sizes[0] > sizes[1] * 2 && sizes[1] > sizes[2] * 2, "\(sizes)")
  }

  @Test("Constant quality goes upwards with its control", arguments: codecs)
  func constantQuality(codec: UInt32) async throws {
    let constant = Int32(V4L2_MPEG_VIDEO_BITRATE_MODE_CQ.rawValue)
    var sizes: [Int] = []
    for value in [20, 50, 90] as [Int32] {
      let outcome = try await encode(
        codec, frames: 10,
        [
          (V4L2_CID_MPEG_VIDEO_BITRATE_MODE, constant),
          (V4L2_CID_MPEG_VIDEO_CONSTANT_QUALITY, value),
        ])
      sizes.append(outcome.stream.count)
    }
    #expect(sizes[0] < sizes[1] && sizes[1] < sizes[2], "\(sizes)")
  }

  @Test("The quantizer stays in its range", arguments: codecs)
  func quantizerRange(codec: UInt32) async throws {
    let isHEVC = codec == CV4L2_PIX_FMT_HEVC
    let (low, high) =
      isHEVC
      ? (V4L2_CID_MPEG_VIDEO_HEVC_MIN_QP, V4L2_CID_MPEG_VIDEO_HEVC_MAX_QP)
      : (V4L2_CID_MPEG_VIDEO_H264_MIN_QP, V4L2_CID_MPEG_VIDEO_H264_MAX_QP)
    let rate = (V4L2_CID_MPEG_VIDEO_BITRATE, Int32(8_000_000))
    let free = try await encode(codec, frames: 10, [rate]).stream.count
    let coarse = try await encode(codec, frames: 10, [rate, (low, 40), (high, 51)]).stream.count
    #expect(coarse * 4 < free, "\(coarse) of \(free)")
  }

  @Test(
    "The quantizer stays in its range while the bitrate is constant", arguments: codecs, [10, 22])
  func quantizerCeiling(codec: UInt32, highest: Int32) async throws {
    let isHEVC = codec == CV4L2_PIX_FMT_HEVC
    let (low, high) =
      isHEVC
      ? (V4L2_CID_MPEG_VIDEO_HEVC_MIN_QP, V4L2_CID_MPEG_VIDEO_HEVC_MAX_QP)
      : (V4L2_CID_MPEG_VIDEO_H264_MIN_QP, V4L2_CID_MPEG_VIDEO_H264_MAX_QP)
    let rate: [(Int32, Int32)] = [
      (V4L2_CID_MPEG_VIDEO_BITRATE, 100_000),
      (V4L2_CID_MPEG_VIDEO_BITRATE_MODE, Int32(V4L2_MPEG_VIDEO_BITRATE_MODE_CBR.rawValue)),
    ]
    let free = try await encode(codec, frames: 10, rate).stream.count
    let fine = try await encode(
      codec, frames: 10, rate + [(low, highest / 2), (high, highest)]
    ).stream.count
    // Without rate control at that quantizer, which is no less than what the range allows.
    let fixed = try await encode(
      codec, frames: 10,
      [
        (V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, 0),
        (
          isHEVC ? V4L2_CID_MPEG_VIDEO_HEVC_P_FRAME_QP : V4L2_CID_MPEG_VIDEO_H264_P_FRAME_QP,
          highest
        ),
      ]
    ).stream.count
    #expect(fine > free * 2, "\(fine) of \(free)")
    #expect(fine * 10 >= fixed * 7, "\(fine) of \(fixed)")
  }

  @Test(
    "H.264 profiles, levels and entropy coding are those asked for",
    arguments: [
      (V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE.rawValue, 0, "Constrained Baseline"),
      (V4L2_MPEG_VIDEO_H264_PROFILE_MAIN.rawValue, 1, "Main"),
      (V4L2_MPEG_VIDEO_H264_PROFILE_HIGH.rawValue, 1, "High"),
      (V4L2_MPEG_VIDEO_H264_PROFILE_HIGH.rawValue, 0, "High"),
    ])
  func profiles(profile: UInt32, entropy: Int32, name: String) async throws {
    let outcome = try await encode(
      CV4L2_PIX_FMT_H264, frames: 5,
      [
        (V4L2_CID_MPEG_VIDEO_H264_PROFILE, Int32(profile)),
        (V4L2_CID_MPEG_VIDEO_H264_ENTROPY_MODE, entropy),
        (V4L2_CID_MPEG_VIDEO_H264_LEVEL, Int32(V4L2_MPEG_VIDEO_H264_LEVEL_3_1.rawValue)),
      ])
    let facts = try await FFmpeg.probe(outcome.stream, CV4L2_PIX_FMT_H264, "profile,level")
    #expect(facts["profile"] == name)
    #expect(facts["level"] == "31")
  }

  #if VirtualCodecs
  // Level 1 is too low for the picture: it becomes the lowest that will do for its bitrate.
  @Test(
    "HEVC levels are those asked for",
    arguments: zip(0...12, [93, 60, 63, 90, 93, 120, 123, 150, 153, 156, 180, 183, 186]))
  func hevcLevel(item: Int32, code: Int) async throws {
    let outcome = try await encode(
      CV4L2_PIX_FMT_HEVC, frames: 3, [(V4L2_CID_MPEG_VIDEO_HEVC_LEVEL, item)])
    let facts = try await FFmpeg.probe(outcome.stream, CV4L2_PIX_FMT_HEVC, "profile,level")
    #expect(facts["profile"] == "Main")
    #expect(facts["level"] == String(code))
    #expect(
      try await FFmpeg.decode(outcome.stream, CV4L2_PIX_FMT_HEVC).count == i420Size(3, 176, 144))
  }

  // Below 32 samples there is no room for what levels from 5 on prescribe.
  @Test(
    "HEVC of every size is a stream at any level",
    arguments: [
      (16, 16, "123"), (640, 18, "123"), (30, 480, "123"), (32, 32, "186"), (34, 1090, "186"),
      (2560, 1440, "186"), (4096, 544, "186"),
    ])
  func hevcSizes(width: Int, height: Int, level: String) async throws {
    let video = TestPicture.i420(width: width, height: height, frames: 2)
    let highest = Int32(V4L2_MPEG_VIDEO_HEVC_LEVEL_6_2.rawValue)
    let run = Run(
      codec: CV4L2_PIX_FMT_HEVC, width: width, height: height, frames: 2,
      controls: [
        (V4L2_CID_MPEG_VIDEO_HEVC_LEVEL, highest), (V4L2_CID_MPEG_VIDEO_BITRATE, 40_000_000),
      ])
    let outcome = try CodecTests.encode(run, video)
    let facts = try await FFmpeg.probe(outcome.stream, CV4L2_PIX_FMT_HEVC, "level")
    #expect(facts["level"] == level)
    let decoded = try await FFmpeg.decode(outcome.stream, CV4L2_PIX_FMT_HEVC)
    #expect(decoded.count == i420Size(2, width, height))
    #expect(lumaQuality(decoded, video, width: width, height: height, frames: 1) > 30)
  }

  @Test("HEVC of a size that needs level 5 gets it without being asked")
  func hevcLevelOfSize() async throws {
    let video = TestPicture.i420(width: 2560, height: 1440, frames: 2)
    let run = Run(codec: CV4L2_PIX_FMT_HEVC, width: 2560, height: 1440, frames: 2)
    let stream = try CodecTests.encode(run, video).stream
    let facts = try await FFmpeg.probe(stream, CV4L2_PIX_FMT_HEVC, "level")
    #expect(facts["level"] == "150")
    #expect(
      try await FFmpeg.decode(stream, CV4L2_PIX_FMT_HEVC).count == i420Size(2, 2560, 1440))
  }

  @Test("Small and large HEVC pictures are encoded side by side")
  func hevcSideBySide() async throws {
    // Their coding tree units differ, of which the library keeps tables.
    let sizes = [(24, 24), (176, 144), (24, 24), (96, 18)]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (width, height) in sizes {
        group.addTask {
          let video = TestPicture.i420(width: width, height: height, frames: 30)
          let run = Run(codec: CV4L2_PIX_FMT_HEVC, width: width, height: height)
          let stream = try CodecTests.encode(run, video).stream
          let decoded = try await FFmpeg.decode(stream, CV4L2_PIX_FMT_HEVC)
          #expect(decoded.count == i420Size(30, width, height))
          #expect(lumaQuality(decoded, video, width: width, height: height, frames: 30) > 30)
        }
      }
      try await group.waitForAll()
    }
  }
  #endif

  @Test(
    "The stream says what its colours mean", arguments: codecs,
    [
      (
        V4L2_COLORSPACE_REC709, V4L2_QUANTIZATION_DEFAULT,
        ["bt709", "bt709", "bt709", "tv"]
      ),
      (
        V4L2_COLORSPACE_SMPTE170M, V4L2_QUANTIZATION_FULL_RANGE,
        ["smpte170m", "smpte170m", "smpte170m", "pc"]
      ),
      (
        V4L2_COLORSPACE_BT2020, V4L2_QUANTIZATION_LIM_RANGE,
        ["bt2020", "bt2020-10", "bt2020nc", "tv"]
      ),
    ] as [(v4l2_colorspace, v4l2_quantization, [String])])
  func colors(codec: UInt32, _ item: (v4l2_colorspace, v4l2_quantization, [String])) async throws {
    let outcome = try await encode(
      codec, frames: 2, [], color: (item.0.rawValue, 0, item.1.rawValue, 0))
    let facts = try await FFmpeg.probe(
      outcome.stream, codec, "color_primaries,color_transfer,color_space,color_range")
    let names = ["color_primaries", "color_transfer", "color_space", "color_range"]
    let found: [String] = names.map { facts[$0] ?? "" }
    #expect(found == item.2)
  }

  #if VirtualCodecs
  @Test("HEVC pictures may come in another order, all of them")
  func reordering() async throws {
    let outcome = try await encode(
      CV4L2_PIX_FMT_HEVC, frames: 20, [(V4L2_CID_MPEG_VIDEO_B_FRAMES, 2)])
    let stamps = outcome.packets.map(\.packet.timestamp)
    #expect(stamps.sorted() == (0..<20).map { 1_000_000 + $0 * 40_000 })
    #expect(stamps != stamps.sorted())
    #expect(
      outcome.packets.contains { $0.packet.flags & UInt32(V4L2_BUF_FLAG_BFRAME) != 0 })
    #expect(
      try await FFmpeg.decode(outcome.stream, CV4L2_PIX_FMT_HEVC).count == i420Size(20, 176, 144))
  }
  #endif

  @Test(
    "Synthetic parameter sets tell size, profile and level",
    arguments: [CV4L2_PIX_FMT_H264, CV4L2_PIX_FMT_HEVC])
  func syntheticHeaders(codec: UInt32) async throws {
    let client = try DeviceClient()
    _ = try client.setFormat(.output, CV4L2_PIX_FMT_NV12, 200, 120)
    _ = try client.setFormat(.capture, codec)
    _ = try client.setCrop(200, 120)
    try client.mapAll(.output, try client.request(.output, 1))
    try client.mapAll(.capture, try client.request(.capture, 1))
    try client.stream(.output, on: true)
    try client.stream(.capture, on: true)
    try client.queue(.capture, 0)
    try client.queue(.output, 0)
    let bytes = client.bytes(try client.dequeue(.capture))
    let facts = try await FFmpeg.probe(bytes, codec, "width,height,profile,level")
    #expect((facts["width"], facts["height"]) == ("200", "120"))
    let isHEVC = codec == CV4L2_PIX_FMT_HEVC
    #expect(facts["profile"] == (isHEVC ? "Main" : "Constrained Baseline"))
    #expect(facts["level"] == (isHEVC ? "120" : "40"))
  }
}
