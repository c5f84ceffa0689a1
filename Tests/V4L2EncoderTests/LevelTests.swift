import CV4L2
import Testing

@testable import V4L2Encoder

@Suite struct LevelTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var menu: Int32
    var rate: Int
    var picture: Int
    var kilobits: Int
    var stored: Int
    var buffer: Int
    var testDescription: String { name }
    init(
      _ name: String, _ menu: UInt32, _ rate: Int, _ picture: Int, _ kilobits: Int, _ stored: Int,
      _ buffer: Int
    ) {
      self.name = name
      self.menu = Int32(menu)
      self.rate = rate
      self.picture = picture
      self.kilobits = kilobits
      self.stored = stored
      self.buffer = buffer
    }
  }

  /// ITU-T H.264 Table A-1: MaxMBPS, MaxFS, MaxBR, MaxDpbMbs, MaxCPB.
  static let tableA1 = [
    Row("1", V4L2_MPEG_VIDEO_H264_LEVEL_1_0.rawValue, 1485, 99, 64, 396, 175),
    Row("1b", V4L2_MPEG_VIDEO_H264_LEVEL_1B.rawValue, 1485, 99, 128, 396, 350),
    Row("1.1", V4L2_MPEG_VIDEO_H264_LEVEL_1_1.rawValue, 3000, 396, 192, 900, 500),
    Row("1.2", V4L2_MPEG_VIDEO_H264_LEVEL_1_2.rawValue, 6000, 396, 384, 2376, 1000),
    Row("1.3", V4L2_MPEG_VIDEO_H264_LEVEL_1_3.rawValue, 11880, 396, 768, 2376, 2000),
    Row("2", V4L2_MPEG_VIDEO_H264_LEVEL_2_0.rawValue, 11880, 396, 2000, 2376, 2000),
    Row("2.1", V4L2_MPEG_VIDEO_H264_LEVEL_2_1.rawValue, 19800, 792, 4000, 4752, 4000),
    Row("2.2", V4L2_MPEG_VIDEO_H264_LEVEL_2_2.rawValue, 20250, 1620, 4000, 8100, 4000),
    Row("3", V4L2_MPEG_VIDEO_H264_LEVEL_3_0.rawValue, 40500, 1620, 10000, 8100, 10000),
    Row("3.1", V4L2_MPEG_VIDEO_H264_LEVEL_3_1.rawValue, 108000, 3600, 14000, 18000, 14000),
    Row("3.2", V4L2_MPEG_VIDEO_H264_LEVEL_3_2.rawValue, 216000, 5120, 20000, 20480, 20000),
    Row("4", V4L2_MPEG_VIDEO_H264_LEVEL_4_0.rawValue, 245760, 8192, 20000, 32768, 25000),
    Row("4.1", V4L2_MPEG_VIDEO_H264_LEVEL_4_1.rawValue, 245760, 8192, 50000, 32768, 62500),
    Row("4.2", V4L2_MPEG_VIDEO_H264_LEVEL_4_2.rawValue, 522240, 8704, 50000, 34816, 62500),
    Row("5", V4L2_MPEG_VIDEO_H264_LEVEL_5_0.rawValue, 589824, 22080, 135000, 110400, 135000),
    Row("5.1", V4L2_MPEG_VIDEO_H264_LEVEL_5_1.rawValue, 983040, 36864, 240000, 184320, 240000),
    Row("5.2", V4L2_MPEG_VIDEO_H264_LEVEL_5_2.rawValue, 2073600, 36864, 240000, 184320, 240000),
    Row("6", V4L2_MPEG_VIDEO_H264_LEVEL_6_0.rawValue, 4177920, 139264, 240000, 696320, 240000),
    Row("6.1", V4L2_MPEG_VIDEO_H264_LEVEL_6_1.rawValue, 8355840, 139264, 480000, 696320, 480000),
    Row("6.2", V4L2_MPEG_VIDEO_H264_LEVEL_6_2.rawValue, 16711680, 139264, 800000, 696320, 800000),
  ]

  /// ITU-T H.265 Tables A.8 and A.9, Main tier: MaxLumaSr, MaxLumaPs, MaxBR, six pictures, MaxCPB.
  static let tableA8 = [
    Row("1", V4L2_MPEG_VIDEO_HEVC_LEVEL_1.rawValue, 552960, 36864, 128, 221184, 350),
    Row("2", V4L2_MPEG_VIDEO_HEVC_LEVEL_2.rawValue, 3686400, 122880, 1500, 737280, 1500),
    Row("2.1", V4L2_MPEG_VIDEO_HEVC_LEVEL_2_1.rawValue, 7372800, 245760, 3000, 1474560, 3000),
    Row("3", V4L2_MPEG_VIDEO_HEVC_LEVEL_3.rawValue, 16588800, 552960, 6000, 3317760, 6000),
    Row("3.1", V4L2_MPEG_VIDEO_HEVC_LEVEL_3_1.rawValue, 33177600, 983040, 10000, 5898240, 10000),
    Row("4", V4L2_MPEG_VIDEO_HEVC_LEVEL_4.rawValue, 66846720, 2228224, 12000, 13369344, 12000),
    Row("4.1", V4L2_MPEG_VIDEO_HEVC_LEVEL_4_1.rawValue, 133693440, 2228224, 20000, 13369344, 20000),
    Row("5", V4L2_MPEG_VIDEO_HEVC_LEVEL_5.rawValue, 267386880, 8912896, 25000, 53477376, 25000),
    Row("5.1", V4L2_MPEG_VIDEO_HEVC_LEVEL_5_1.rawValue, 534773760, 8912896, 40000, 53477376, 40000),
    Row(
      "5.2", V4L2_MPEG_VIDEO_HEVC_LEVEL_5_2.rawValue, 1069547520, 8912896, 60000, 53477376, 60000),
    Row("6", V4L2_MPEG_VIDEO_HEVC_LEVEL_6.rawValue, 1069547520, 35651584, 60000, 213909504, 60000),
    Row(
      "6.1", V4L2_MPEG_VIDEO_HEVC_LEVEL_6_1.rawValue, 2139095040, 35651584, 120000, 213909504,
      120000),
    Row(
      "6.2", V4L2_MPEG_VIDEO_HEVC_LEVEL_6_2.rawValue, 4278190080, 35651584, 240000, 213909504,
      240000),
  ]

  /// The size in blocks of sixteen with exactly this area and the shortest long side.
  private func size(blocks: Int) throws -> VideoSize {
    let height = try #require((1...blocks).last { $0 * $0 <= blocks && blocks % $0 == 0 })
    return VideoSize(width: blocks / height * 16, height: height * 16)
  }

  private func check(_ row: Row, _ codec: VideoCodec, samplesPerBlock: Int) throws {
    let level = try #require(CodecLevel.named(row.name, codec: codec))
    #expect(level.menuValue == row.menu)
    let size = try size(blocks: row.picture / samplesPerBlock)
    let rate = Rational(row.rate, row.picture)
    func allows(_ size: VideoSize, _ rate: Rational, _ bitrate: Int) -> Bool {
      level.allows(size: size, frameRate: rate, bitrate: bitrate)
    }
    #expect(allows(size, rate, row.kilobits * 1000))
    #expect(!allows(size, rate, row.kilobits * 1000 + 1))
    #expect(!allows(size, Rational(row.rate + 1, row.picture), 1))
    #expect(!allows(VideoSize(width: size.width, height: size.height + 1), Rational(1), 1))
    // The longest side is sqrt(8 x picture): one block more is too many, whatever the area.
    let side = Int((Double(8 * row.picture * (codec == .h264 ? 256 : 1))).squareRoot()) / 16 * 16
    #expect(allows(VideoSize(width: side, height: 16), Rational(1), 1))
    #expect(allows(VideoSize(width: 16, height: side), Rational(1), 1))
    #expect(!allows(VideoSize(width: side + 16, height: 16), Rational(1), 1))
    #expect(level.maximumBitrate() == row.kilobits * 1000)
    #expect(level.maximumCodedBuffer() == row.buffer * 1000)
    #expect(level.maximumStoredPictures(size: size) == min(row.stored / row.picture, 16))
    #expect(level.maximumStoredPictures(size: VideoSize(width: 16, height: 16)) == 16)
  }

  @Test("H.264 Table A-1", arguments: tableA1)
  func h264(row: Row) throws {
    try check(row, .h264, samplesPerBlock: 1)
    let level = try #require(CodecLevel.named(row.name, codec: .h264))
    #expect(level.maximumBitrate(profile: .h264High) == row.kilobits * 1250)
    #expect(level.maximumCodedBuffer(profile: .h264High) == row.buffer * 1250)
    #expect(level.maximumBitrate(profile: .h264Main) == row.kilobits * 1000)
    #expect(level.maximumBitrate(profile: .h264ConstrainedBaseline) == row.kilobits * 1000)
  }

  @Test("HEVC Tables A.8 and A.9", arguments: tableA8)
  func hevc(row: Row) throws {
    try check(row, .hevc, samplesPerBlock: 256)
  }

  @Test func tablesAreWhole() {
    #expect(CodecLevel.all(.h264).map(\.name) == Self.tableA1.map(\.name))
    #expect(CodecLevel.all(.hevc).map(\.name) == Self.tableA8.map(\.name))
    #expect(CodecLevel.named("4.0", codec: .h264) == CodecLevel.named("4", codec: .h264))
    #expect(CodecLevel.named("1b", codec: .h264) != nil)
    #expect(CodecLevel.named("1b", codec: .hevc) == nil)
    #expect(CodecLevel.named("7", codec: .h264) == nil)
    #expect(CodecLevel.named("", codec: .h264) == nil)
  }

  @Test(
    "The lowest level that will do",
    arguments: [
      (VideoCodec.h264, 176, 144, Rational(15), 64_000, "1"),
      (.h264, 176, 144, Rational(15), 100_000, "1b"),
      (.h264, 640, 480, Rational(30), 2_000_000, "3"),
      (.h264, 1280, 720, Rational(30), 4_000_000, "3.1"),
      (.h264, 1280, 720, Rational(60), 4_000_000, "3.2"),
      (.h264, 1920, 1080, Rational(30000, 1001), 8_000_000, "4"),
      (.h264, 1920, 1080, Rational(30), 8_000_000, "4"),
      (.h264, 1920, 1080, Rational(30), 22_000_000, "4.1"),
      (.h264, 1920, 1080, Rational(60), 8_000_000, "4.2"),
      (.h264, 1920, 1200, Rational(30), 8_000_000, "5"),
      (.h264, 3840, 2160, Rational(30), 40_000_000, "5.1"),
      (.h264, 3840, 2160, Rational(60), 40_000_000, "5.2"),
      (.h264, 8192, 4320, Rational(120), 40_000_000, "6.2"),
      (.h264, 8192, 4320, Rational(240), 40_000_000, nil),
      (.h264, 16, 16, Rational(1), 1, "1"),
      (.hevc, 1280, 720, Rational(30), 4_000_000, "3.1"),
      (.hevc, 1920, 1080, Rational(30), 8_000_000, "4"),
      (.hevc, 1920, 1080, Rational(60), 8_000_000, "4.1"),
      (.hevc, 3840, 2160, Rational(30), 20_000_000, "5"),
      (.hevc, 3840, 2160, Rational(60), 20_000_000, "5.1"),
      (.hevc, 7680, 4320, Rational(60), 60_000_000, "6.1"),
      (.hevc, 1280, 720, Rational(30), 250_000_000, nil),
    ] as [(VideoCodec, Int, Int, Rational, Int, String?)])
  func minimum(
    codec: VideoCodec, width: Int, height: Int, rate: Rational, bitrate: Int, name: String?
  ) {
    let level = CodecLevel.minimum(
      codec: codec, size: VideoSize(width: width, height: height), frameRate: rate,
      bitrate: bitrate, profile: codec == .h264 ? .h264Main : .hevcMain)
    #expect(level?.name == name)
  }

  @Test func highProfileHasMoreBits() {
    let size = VideoSize(width: 1920, height: 1080)
    func level(_ profile: CodecProfile) -> String? {
      CodecLevel.minimum(
        codec: .h264, size: size, frameRate: Rational(30), bitrate: 25_000_000, profile: profile)?
        .name
    }
    #expect(level(.h264High) == "4")
    #expect(level(.h264Main) == "4.1")
  }

  @Test(
    "Pictures a decoder stores",
    arguments: [
      (VideoCodec.h264, "4", 1920, 1080, 4), (.h264, "3.1", 1280, 720, 5),
      (.h264, "3", 720, 480, 6),
      (.h264, "5.1", 1920, 1080, 16), (.h264, "3.1", 1920, 1080, nil),
      (.hevc, "4", 1920, 1080, 6), (.hevc, "4", 1280, 720, 12), (.hevc, "4", 640, 480, 16),
      (.hevc, "5", 3072, 2048, 8), (.hevc, "3", 1920, 1080, nil),
    ] as [(VideoCodec, String, Int, Int, Int?)])
  func storedPictures(codec: VideoCodec, name: String, width: Int, height: Int, count: Int?) {
    let level = CodecLevel.named(name, codec: codec)
    #expect(level?.maximumStoredPictures(size: VideoSize(width: width, height: height)) == count)
  }

  @Test func withoutABitrateOnlySizeAndRateCount() {
    let level = CodecLevel.minimum(
      codec: .h264, size: VideoSize(width: 1280, height: 720), frameRate: Rational(30))
    #expect(level?.name == "3.1")
  }

  @Test func refusalsSayWhy() throws {
    let level = try #require(CodecLevel.named("3.1", codec: .h264))
    let size = VideoSize(width: 1280, height: 720)
    #expect(level.refusal(size: size, frameRate: Rational(30), bitrate: 4_000_000) == nil)
    #expect(
      level.refusal(size: VideoSize(width: 1920, height: 1080), frameRate: Rational(30))
        == "level 3.1 of H.264 allows pictures of 3600 macroblocks, 1920x1080 has 8160")
    #expect(
      level.refusal(size: size, frameRate: Rational(60))
        == "level 3.1 of H.264 allows 108000 macroblocks per second, too few for 1280x720 at 60 "
        + "frames per second")
    #expect(
      level.refusal(size: size, frameRate: Rational(30), bitrate: 20_000_000, profile: .h264High)
        == "level 3.1 of H.264 allows 17500000 bit/s, not 20000000")
    for rate in [Rational(0), Rational(30, 0), Rational(-30), Rational(.min, 1)] {
      #expect(level.refusal(size: size, frameRate: rate)?.contains("no frame rate") == true)
    }
    for size in [VideoSize(width: 0, height: 9), VideoSize(width: .max, height: .max)] {
      #expect(level.refusal(size: size, frameRate: Rational(30)) != nil)
    }
    #expect(!level.allows(size: size, frameRate: Rational(.max)))
    #expect(level.allows(size: size, frameRate: Rational(1, .max)))
  }
}
