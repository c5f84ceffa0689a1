/// The levels of ITU-T H.264, Table A-1.
enum H264Levels {
  // MaxFS in macroblocks, MaxMBPS in macroblocks per second, MaxBR in 1000 bit/s (x 1250 for High).
  private static let rows: [(name: String, picture: Int, rate: Int, bitrate: Int)] = [
    ("1", 99, 1_485, 64),
    ("1b", 99, 1_485, 128),
    ("1.1", 396, 3_000, 192),
    ("1.2", 396, 6_000, 384),
    ("1.3", 396, 11_880, 768),
    ("2", 396, 11_880, 2_000),
    ("2.1", 792, 19_800, 4_000),
    ("2.2", 1_620, 20_250, 4_000),
    ("3", 1_620, 40_500, 10_000),
    ("3.1", 3_600, 108_000, 14_000),
    ("3.2", 5_120, 216_000, 20_000),
    ("4", 8_192, 245_760, 20_000),
    ("4.1", 8_192, 245_760, 50_000),
    ("4.2", 8_704, 522_240, 50_000),
    ("5", 22_080, 589_824, 135_000),
    ("5.1", 36_864, 983_040, 240_000),
    ("5.2", 36_864, 2_073_600, 240_000),
    ("6", 139_264, 4_177_920, 240_000),
    ("6.1", 139_264, 8_355_840, 480_000),
    ("6.2", 139_264, 16_711_680, 800_000),
  ]

  /// The rows in the order of `enum v4l2_mpeg_video_h264_level`.
  static let table = rows.enumerated().map { index, row in
    LevelLimits(
      level: CodecLevel(.h264, row.name, Int32(index)), pictureSize: row.picture,
      sampleRate: row.rate, bitrate: row.bitrate * 1000)
  }
}
