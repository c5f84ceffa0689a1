/// The levels of ITU-T H.264, Table A-1.
enum H264Levels {
  private typealias Row = (
    name: String, picture: Int, rate: Int, stored: Int, bitrate: Int, buffer: Int
  )

  // MaxFS in macroblocks, MaxMBPS in macroblocks per second, MaxDpbMbs in macroblocks, MaxBR in
  // 1000 bit/s and MaxCPB in 1000 bits (both x 1250 for High).
  private static let rows: [Row] = [
    ("1", 99, 1_485, 396, 64, 175),
    ("1b", 99, 1_485, 396, 128, 350),
    ("1.1", 396, 3_000, 900, 192, 500),
    ("1.2", 396, 6_000, 2_376, 384, 1_000),
    ("1.3", 396, 11_880, 2_376, 768, 2_000),
    ("2", 396, 11_880, 2_376, 2_000, 2_000),
    ("2.1", 792, 19_800, 4_752, 4_000, 4_000),
    ("2.2", 1_620, 20_250, 8_100, 4_000, 4_000),
    ("3", 1_620, 40_500, 8_100, 10_000, 10_000),
    ("3.1", 3_600, 108_000, 18_000, 14_000, 14_000),
    ("3.2", 5_120, 216_000, 20_480, 20_000, 20_000),
    ("4", 8_192, 245_760, 32_768, 20_000, 25_000),
    ("4.1", 8_192, 245_760, 32_768, 50_000, 62_500),
    ("4.2", 8_704, 522_240, 34_816, 50_000, 62_500),
    ("5", 22_080, 589_824, 110_400, 135_000, 135_000),
    ("5.1", 36_864, 983_040, 184_320, 240_000, 240_000),
    ("5.2", 36_864, 2_073_600, 184_320, 240_000, 240_000),
    ("6", 139_264, 4_177_920, 696_320, 240_000, 240_000),
    ("6.1", 139_264, 8_355_840, 696_320, 480_000, 480_000),
    ("6.2", 139_264, 16_711_680, 696_320, 800_000, 800_000),
  ]

  /// The rows in the order of `enum v4l2_mpeg_video_h264_level`.
  static let table = rows.enumerated().map { index, row in
    LevelLimits(
      level: CodecLevel(.h264, row.name, Int32(index)), pictureSize: row.picture,
      sampleRate: row.rate, storedSamples: row.stored, bitrate: row.bitrate * 1000,
      codedBuffer: row.buffer * 1000)
  }
}
