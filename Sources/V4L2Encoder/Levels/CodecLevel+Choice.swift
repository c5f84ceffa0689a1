/// What a level allows, in the units of its codec's table.
struct LevelLimits: Hashable, Sendable {
  let level: CodecLevel
  /// Samples of one picture: macroblocks in H.264, luma samples in HEVC.
  let pictureSize: Int
  /// Samples per second, in the same unit.
  let sampleRate: Int
  /// Bit/s for the profiles with the smallest factor.
  let bitrate: Int
}

extension CodecLevel {
  /// Every level of a codec, from the lowest to the highest.
  public static func all(_ codec: VideoCodec) -> [CodecLevel] { limits(of: codec).map(\.level) }

  /// The level with this name, with or without a `.0`.
  public static func named(_ name: String, codec: VideoCodec) -> CodecLevel? {
    let short = name.hasSuffix(".0") ? String(name.dropLast(2)) : name
    return all(codec).first { $0.name == short }
  }

  /// The lowest level that allows a size, a frame rate and, if given, a bitrate in bit/s.
  ///
  /// nil when even the highest level does not.
  public static func minimum(
    codec: VideoCodec, size: VideoSize, frameRate: Rational, bitrate: Int? = nil,
    profile: CodecProfile? = nil
  ) -> CodecLevel? {
    all(codec).first {
      $0.allows(size: size, frameRate: frameRate, bitrate: bitrate, profile: profile)
    }
  }

  /// Whether the level allows a size, a frame rate and, if given, a bitrate in bit/s.
  public func allows(
    size: VideoSize, frameRate: Rational, bitrate: Int? = nil, profile: CodecProfile? = nil
  ) -> Bool {
    refusal(size: size, frameRate: frameRate, bitrate: bitrate, profile: profile) == nil
  }

  /// Why the level does not allow a size, a frame rate or a bitrate; nil when it does.
  public func refusal(
    size: VideoSize, frameRate: Rational, bitrate: Int? = nil, profile: CodecProfile? = nil
  ) -> String? {
    guard let limits = Self.limits(of: codec).first(where: { $0.level == self }) else {
      return "there is no level \(name) of \(codec.name)"
    }
    let dimensions = 1...Self.largestDimension
    guard dimensions.contains(size.width), dimensions.contains(size.height) else {
      return "no level allows pictures of \(size)"
    }
    guard frameRate.numerator > 0, frameRate.denominator > 0 else {
      return "\(frameRate) is no frame rate"
    }
    let unit = codec == .h264 ? 16 : 1
    // Encoders code whole blocks; sixteen is the largest smallest block in use.
    let width = (size.width + 15) / 16 * 16 / unit
    let height = (size.height + 15) / 16 * 16 / unit
    let pictureSize = width * height
    let what = "level \(name) of \(codec.name) allows"
    let samples = codec == .h264 ? "macroblocks" : "luma samples"
    guard pictureSize <= limits.pictureSize else {
      return "\(what) pictures of \(limits.pictureSize) \(samples), \(size) has \(pictureSize)"
    }
    // Neither side may exceed the square root of eight times the picture size.
    guard max(width, height) * max(width, height) <= 8 * limits.pictureSize else {
      return "\(what) no side as long as that of \(size)"
    }
    let needed = pictureSize.multipliedReportingOverflow(by: frameRate.numerator)
    let allowed = limits.sampleRate.multipliedReportingOverflow(by: frameRate.denominator)
    guard allowed.overflow || !needed.overflow && needed.partialValue <= allowed.partialValue else {
      return "\(what) \(limits.sampleRate) \(samples) per second, too few for \(size) at "
        + "\(frameRate) frames per second"
    }
    let highest = limits.bitrate / 1000 * bitrateFactor(of: profile)
    if let bitrate, bitrate > highest {
      return "\(what) \(highest) bit/s, not \(bitrate)"
    }
    return nil
  }

  /// The highest bitrate in bit/s with this profile.
  public func maximumBitrate(profile: CodecProfile? = nil) -> Int? {
    Self.limits(of: codec).first { $0.level == self }
      .map { $0.bitrate / 1000 * bitrateFactor(of: profile) }
  }

  /// HEVC level 6.2 has the longest side, sqrt(8 × 35,651,584).
  private static var largestDimension: Int { RasterLayout.largestDimension }

  private static func limits(of codec: VideoCodec) -> [LevelLimits] {
    switch codec {
    case .h264: H264Levels.table
    case .hevc: HEVCLevels.table
    }
  }

  /// `cpbBrVclFactor` of ITU-T H.264 Table A-2, `CpbVclFactor` of ITU-T H.265 Table A.10.
  private func bitrateFactor(of profile: CodecProfile?) -> Int {
    profile == .h264High && codec == .h264 ? 1250 : 1000
  }
}
