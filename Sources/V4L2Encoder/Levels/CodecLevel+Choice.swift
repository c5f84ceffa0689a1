/// What a level allows, in the units of its codec's table.
struct LevelLimits: Hashable, Sendable {
  let level: CodecLevel
  /// Samples of one picture: macroblocks in H.264, luma samples in HEVC.
  let pictureSize: Int
  /// Samples per second, in the same unit.
  let sampleRate: Int
  /// Samples of the decoded pictures that a decoder stores, in the unit of `pictureSize`.
  let storedSamples: Int
  /// Bit/s for the profiles with the smallest factor.
  let bitrate: Int
  /// Bits of coded pictures that a decoder buffers, for the profiles with the smallest factor.
  let codedBuffer: Int
}

extension CodecLevel {
  /// Every level of a codec, from the lowest to the highest; FWHT has none.
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
    guard let limits else {
      return "there is no level \(name) of \(codec.name)"
    }
    let dimensions = 1...Self.largestDimension
    guard dimensions.contains(size.width), dimensions.contains(size.height) else {
      return "no level allows pictures of \(size)"
    }
    guard frameRate.numerator > 0, frameRate.denominator > 0 else {
      return "\(frameRate) is no frame rate"
    }
    let blocked = blockedSize(size)
    let pictureSize = blocked.width * blocked.height
    let what = "level \(name) of \(codec.name) allows"
    let samples = codec == .h264 ? "macroblocks" : "luma samples"
    guard pictureSize <= limits.pictureSize else {
      return "\(what) pictures of \(limits.pictureSize) \(samples), \(size) has \(pictureSize)"
    }
    // Neither side may exceed the square root of eight times the picture size.
    let longest = max(blocked.width, blocked.height)
    guard longest * longest <= 8 * limits.pictureSize else {
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
    limits.map { $0.bitrate / 1000 * bitrateFactor(of: profile) }
  }

  /// The largest buffer of coded pictures in bits with this profile.
  public func maximumCodedBuffer(profile: CodecProfile? = nil) -> Int? {
    limits.map { $0.codedBuffer / 1000 * bitrateFactor(of: profile) }
  }

  /// How many decoded pictures of this size a decoder stores; nil when the size is too large.
  public func maximumStoredPictures(size: VideoSize) -> Int? {
    guard let limits, allows(size: size, frameRate: Rational(1, .max)) else { return nil }
    let samples = blockedSize(size)
    let pictureSize = samples.width * samples.height
    switch codec {
    case .h264: return min(limits.storedSamples / pictureSize, 16)
    case .hevc:
      // A.4.2 knows quarters of the largest picture only.
      let quarters = max((4 * pictureSize + limits.pictureSize - 1) / limits.pictureSize, 1)
      return min(limits.storedSamples / limits.pictureSize * 4 / quarters, 16)
    case .fwht: return nil
    }
  }

  private var limits: LevelLimits? { Self.limits(of: codec).first { $0.level == self } }

  /// The size in the units of the codec's table.
  ///
  /// Encoders code whole blocks; sixteen is the largest smallest block in use.
  private func blockedSize(_ size: VideoSize) -> VideoSize {
    let unit = codec == .h264 ? 16 : 1
    return VideoSize(
      width: (size.width + 15) / 16 * 16 / unit, height: (size.height + 15) / 16 * 16 / unit)
  }

  /// HEVC level 6.2 has the longest side, sqrt(8 × 35,651,584).
  private static var largestDimension: Int { RasterLayout.largestDimension }

  private static func limits(of codec: VideoCodec) -> [LevelLimits] {
    switch codec {
    case .h264: H264Levels.table
    case .hevc: HEVCLevels.table
    case .fwht: []
    }
  }

  /// `cpbBrVclFactor` of ITU-T H.264 Table A-2, `CpbVclFactor` of ITU-T H.265 Table A.10.
  private func bitrateFactor(of profile: CodecProfile?) -> Int {
    profile == .h264High && codec == .h264 ? 1250 : 1000
  }
}
