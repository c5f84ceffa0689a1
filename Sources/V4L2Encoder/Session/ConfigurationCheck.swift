/// What a configuration must be before any device is asked.
package enum ConfigurationCheck {
  /// The largest picture side of any level of H.264 or HEVC (HEVC level 6.2).
  package static let largestSide = 16_888
  /// Bit/s of a target or a peak.
  package static let bitrates = 1000...2_000_000_000
  /// Pictures from one key frame to the next.
  package static let keyFrameIntervals = 1...1_000_000

  /// Refuses what contradicts itself or leaves its ranges, by name and with the remedy.
  package static func validate(
    _ configuration: EncoderConfiguration, for codec: VideoCodec
  ) throws(EncoderError) {
    let size = configuration.size
    let sides = 1...largestSide
    try require(
      sides.contains(size.width) && sides.contains(size.height),
      "picture size \(size): each side must be 1 to \(largestSide) pixels")
    try validate(frameRate: configuration.frameRate)
    let timeBase = configuration.timeBase
    try require(
      (1...1_000_000_000).contains(timeBase.numerator)
        && (1...1_000_000_000).contains(timeBase.denominator),
      "time base \(timeBase): both parts must be between 1 and 1000000000")
    try require(
      keyFrameIntervals.contains(configuration.keyFrameInterval),
      "key frame interval \(configuration.keyFrameInterval): must be 1 to 1000000 frames")
    try require(
      (0...16).contains(configuration.bidirectionalFrames),
      "\(configuration.bidirectionalFrames) B-frames: must be 0 to 16")
    try validateRate(configuration)
    try validateProfile(configuration, for: codec)
    try require(
      (1...32).contains(configuration.inputBuffers)
        && (1...32).contains(configuration.outputBuffers),
      "buffer counts must be 1 to 32 (VIDEO_MAX_FRAME)")
    try require(configuration.packetCapacity > 0, "the packet capacity must be at least 1")
    if let budget = configuration.latencyBudget {
      try require(budget > .zero, "latency budget \(budget): must be longer than zero")
    }
    if let tuning = configuration.rateReduction?.tuning {
      try require(
        (1...1000).contains(tuning.largestDivisor) && (1...1000).contains(tuning.overruns)
          && tuning.window > .zero && tuning.settling >= .zero && tuning.recovery > .zero
          && tuning.longestRecovery >= tuning.recovery,
        "frame rate reduction: divisor and overruns must be 1 to 1000, times longer than zero and "
          + "longestRecovery no shorter than recovery")
    }
    if case .dropOldest(let queue) = configuration.admission {
      try require((1...1000).contains(queue), "queue of \(queue) frames: must be 1 to 1000")
    }
    let deadlines = configuration.deadlines
    try require(
      deadlines.setup > .zero && deadlines.progress > .zero && deadlines.consumer > .zero
        && deadlines.silence > .zero, "every deadline must be longer than zero")
    try require(
      configuration.inputFormat.info != nil,
      "input format \(configuration.inputFormat): not one of "
        + PixelFormat.allRaw.compactMap { $0.info?.name }.joined(separator: ", "))
  }

  /// Refuses a change of what stays as long as an encoder is open.
  package static func validateChange(
    from old: EncoderConfiguration, to new: EncoderConfiguration
  ) throws(EncoderError) {
    let parts = [
      ("timeBase", old.timeBase == new.timeBase),
      ("admission", old.admission == new.admission),
      ("latencyBudget", old.latencyBudget == new.latencyBudget),
      ("rateReduction", old.rateReduction == new.rateReduction),
      ("packetCapacity", old.packetCapacity == new.packetCapacity),
      ("deadlines", old.deadlines == new.deadlines),
      ("bitstreamForm", old.bitstreamForm == new.bitstreamForm),
      ("accessUnitDelimiters", old.accessUnitDelimiters == new.accessUnitDelimiters),
      ("measuresQuantizer", old.measuresQuantizer == new.measuresQuantizer),
    ]
    for (name, isKept) in parts {
      try require(isKept, "\(name) cannot change while the encoder is open; open another one")
    }
  }

  /// Refuses rates that no device can have.
  package static func validate(frameRate rate: Rational) throws(EncoderError) {
    try require(
      (1...Int(Int32.max)).contains(rate.numerator)
        && (1...Int(Int32.max)).contains(rate.denominator) && rate.value <= 1000
        && rate.value >= 0.001,
      "frame rate \(rate): must be between 0.001 and 1000 frames per second")
  }

  /// Refuses bitrates out of range and a peak below the target.
  package static func validate(bitrate: Int, peak: Int?) throws(EncoderError) {
    try require(
      bitrates.contains(bitrate), "bitrate \(bitrate): must be 1000 to 2000000000 bit/s")
    guard let peak else { return }
    try require(
      bitrates.contains(peak) && peak >= bitrate,
      "peak bitrate \(peak): must be at least the bitrate, \(bitrate) bit/s")
  }

  private static func validateRate(
    _ configuration: EncoderConfiguration
  ) throws(EncoderError) {
    let quantizers = 0...51
    switch configuration.rateControl {
    case .constant(let bitrate): try validate(bitrate: bitrate, peak: nil)
    case .variable(let bitrate, let peak): try validate(bitrate: bitrate, peak: peak)
    case .constantQuantizer(let value):
      try require(quantizers.contains(value), "quantizer \(value): must be 0 to 51")
    }
    let range = configuration.quantizer
    try require(
      quantizers.contains(range.minimum) && quantizers.contains(range.maximum)
        && range.minimum <= range.maximum,
      "quantizer bounds \(range.minimum)...\(range.maximum): must lie in 0...51, minimum first")
    if let initial = range.initial {
      try require(
        (range.minimum...range.maximum).contains(initial),
        "initial quantizer \(initial): must lie in \(range.minimum)...\(range.maximum)")
    }
  }

  private static func validateProfile(
    _ configuration: EncoderConfiguration, for codec: VideoCodec
  ) throws(EncoderError) {
    if let profile = configuration.profile {
      try require(
        profile.codec == codec, "profile \(profile.name) belongs to \(profile.codec.name)")
      try require(
        configuration.bidirectionalFrames == 0
          || (profile != .h264Baseline && profile != .h264ConstrainedBaseline),
        "profile \(profile.name) has no B-frames; use main or high")
    }
    try require(
      configuration.bidirectionalFrames == 0 || codec != .fwht, "FWHT has no B-frames; use 0")
    try require(
      codec != .fwht
        || configuration.bitstreamForm == .annexB && !configuration.accessUnitDelimiters,
      "FWHT has no NAL units; use bitstreamForm .annexB without accessUnitDelimiters")
    if let level = configuration.level {
      try require(level.codec == codec, "level \(level.name) belongs to \(level.codec.name)")
    }
  }

  private static func require(
    _ condition: Bool, _ message: @autoclosure () -> String
  ) throws(EncoderError) {
    guard condition else { throw EncoderError(.invalidConfiguration, message()) }
  }

  /// The picture that is encoded: the frame's size, or one column or row less where 4:2:0 cannot
  /// have it and the configuration allows a crop.
  package static func visibleSize(
    _ configuration: EncoderConfiguration
  ) throws(EncoderError) -> VideoSize {
    let size = configuration.size
    let even = VideoSize(width: size.width & ~1, height: size.height & ~1)
    guard size != even else { return size }
    // The encoders' 4:2:0 pictures have whole chroma samples only, whatever the raw format is.
    guard configuration.oddSizes == .crop, even.width > 0, even.height > 0 else {
      throw EncoderError(
        .invalidConfiguration,
        "picture size \(size): 4:2:0 video needs even sides; crop to \(even) or pad the picture")
    }
    return even
  }
}
