/// The levels of ITU-T H.265, Tables A.8 and A.9, for the Main tier.
enum HEVCLevels {
  private typealias Row = (name: String, picture: Int, rate: Int, bitrate: Int, buffer: Int)

  // MaxLumaPs in samples, MaxLumaSr in samples per second, MaxBR in 1000 bit/s, MaxCPB in 1000
  // bits.
  private static let rows: [Row] = [
    ("1", 36_864, 552_960, 128, 350),
    ("2", 122_880, 3_686_400, 1_500, 1_500),
    ("2.1", 245_760, 7_372_800, 3_000, 3_000),
    ("3", 552_960, 16_588_800, 6_000, 6_000),
    ("3.1", 983_040, 33_177_600, 10_000, 10_000),
    ("4", 2_228_224, 66_846_720, 12_000, 12_000),
    ("4.1", 2_228_224, 133_693_440, 20_000, 20_000),
    ("5", 8_912_896, 267_386_880, 25_000, 25_000),
    ("5.1", 8_912_896, 534_773_760, 40_000, 40_000),
    ("5.2", 8_912_896, 1_069_547_520, 60_000, 60_000),
    ("6", 35_651_584, 1_069_547_520, 60_000, 60_000),
    ("6.1", 35_651_584, 2_139_095_040, 120_000, 120_000),
    ("6.2", 35_651_584, 4_278_190_080, 240_000, 240_000),
  ]

  /// The rows in the order of `enum v4l2_mpeg_video_hevc_level`.
  static let table = rows.enumerated().map { index, row in
    LevelLimits(
      level: CodecLevel(.hevc, row.name, Int32(index)), pictureSize: row.picture,
      sampleRate: row.rate,
      // maxDpbPicBuf of A.4.2: six pictures of the largest size.
      storedSamples: row.picture * 6, bitrate: row.bitrate * 1000, codedBuffer: row.buffer * 1000)
  }
}
