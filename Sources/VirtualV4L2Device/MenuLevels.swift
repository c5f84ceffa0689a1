/// What the index of the menu of `V4L2_CID_MPEG_VIDEO_H264_LEVEL` means.
enum H264Levels {
  /// The `level_idc`.
  static func code(_ index: Int) -> Int { codes.indices.contains(index) ? codes[index] : 40 }

  private static let codes = [
    10, 9, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62,
  ]

  /// Whether Table A-1 of ITU-T H.264 allows so many macroblocks per frame and second.
  static func allows(_ index: Int, macroblocks: Int, framesPerSecond: Double) -> Bool {
    guard limits.indices.contains(index) else { return true }
    let limit = limits[index]
    return macroblocks <= limit.frame
      && Double(macroblocks) * framesPerSecond <= Double(limit.second)
  }

  private static let limits: [(second: Int, frame: Int)] = [
    (1485, 99), (1485, 99), (3000, 396), (6000, 396), (11880, 396), (11880, 396), (19800, 792),
    (20250, 1620), (40500, 1620), (108_000, 3600), (216_000, 5120), (245_760, 8192),
    (245_760, 8192), (522_240, 8704), (589_824, 22080), (983_040, 36864), (2_073_600, 36864),
  ]
}

/// What the index of the menu of `V4L2_CID_MPEG_VIDEO_HEVC_LEVEL` means.
enum HEVCLevels {
  /// The `general_level_idc`.
  static func code(_ index: Int) -> Int { codes.indices.contains(index) ? codes[index] : 120 }

  private static let codes = [30, 60, 63, 90, 93, 120, 123, 150, 153, 156, 180, 183, 186]
}
