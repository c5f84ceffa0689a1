internal import V4L2Encoder

/// Everything that is decided before the device is opened.
struct EncodePlan {
  let codec: VideoCodec
  var configuration: EncoderConfiguration
  /// What was chosen where nothing was asked, in words.
  let defaults: [String]
  /// What is done when the device fails; nil ends the command.
  let recovery: RecoveryPolicy?

  /// Decides from the arguments and from what the input says of itself.
  init(_ options: EncodeOptions, codec: VideoCodec, input: SourceDescription)
    throws(CommandError)
  {
    let rate = input.frameRate
    try Self.checkOddSize(input, options)
    var defaults: [String] = []
    let control = try Self.rateControl(options, codec, input, noting: &defaults)
    var configuration = EncoderConfiguration(
      size: input.size, inputFormat: input.format, frameRate: rate, rateControl: control)
    // Where times are frame numbers, one unit is one frame.
    configuration.timeBase = input.timeBase ?? Rational(rate.denominator, rate.numerator)
    if let interval = options.keyFrameInterval ?? options.preset?.keyFrameInterval {
      configuration.keyFrameInterval = interval
    } else {
      defaults.append("GOP \(configuration.keyFrameInterval) (default: 2 seconds)")
    }
    configuration.profile = try Self.profile(options, codec)
    configuration.level = try Self.level(options, codec)
    configuration.quantizer = try Self.quantizer(options)
    configuration.measuresQuantizer = options.statisticsPath != nil
    configuration.oddSizes = options.cropsOddSizes ? .crop : .refuse
    configuration.inputMemory = input.memory
    options.overload.apply(to: &configuration)
    if let color = input.color { configuration.color = color }
    if let range = input.colorRange { configuration.color.range = range }
    // What is asked for by name comes last and wins.
    configuration.additionalControls =
      PixelAspect.controls(input.pixelAspect, codec) + options.controls
    self.codec = codec
    self.configuration = configuration
    self.defaults = defaults
    recovery = options.recoveryAttempts.map { RecoveryPolicy(attempts: $0) }
  }

  private static func checkOddSize(
    _ input: SourceDescription, _ options: EncodeOptions
  ) throws(CommandError) {
    let isOdd = !input.size.width.isMultiple(of: 2) || !input.size.height.isMultiple(of: 2)
    guard isOdd, !options.cropsOddSizes else { return }
    throw CommandError(
      .usage,
      "\(input.size) is odd, and 4:2:0 video has even columns and rows; "
        + "scale the input, or leave out the last ones with --crop-odd")
  }

  /// Bits per pixel where nobody says how many.
  ///
  /// The usual rule of thumb for H.264: 1280x720 at 25 frames per second gets 2.3 Mbit/s. HEVC
  /// needs about a third less for the same picture.
  static func defaultBitrate(_ size: VideoSize, _ rate: Rational, _ codec: VideoCodec) -> Int {
    let bitsPerPixel = codec == .hevc ? 0.07 : 0.1
    let bitrate = Double(size.width) * Double(size.height) * rate.value * bitsPerPixel
    return Int(min(max(bitrate, 10_000), Double(Quantities.bitrates.upperBound)))
  }

  private static func rateControl(
    _ options: EncodeOptions, _ codec: VideoCodec, _ input: SourceDescription,
    noting defaults: inout [String]
  ) throws(CommandError) -> RateControl {
    let control = try chosenRateControl(options, codec, input, noting: &defaults)
    guard case .constantQuantizer(let quantizer) = control else { return control }
    let others = [
      ("--init-qp", options.initialQuantizer), ("--min-qp", options.minimumQuantizer),
      ("--max-qp", options.maximumQuantizer),
    ]
    if let other = others.first(where: { $0.1 != nil }) {
      throw CommandError(
        .usage, "\(other.0) is for bitrates, the quantizer is always \(quantizer); leave it out")
    }
    return control
  }

  private static func chosenRateControl(
    _ options: EncodeOptions, _ codec: VideoCodec, _ input: SourceDescription,
    noting defaults: inout [String]
  ) throws(CommandError) -> RateControl {
    if codec == .fwht { return try fwhtQuantizer(options, noting: &defaults) }
    let implied: RateControlName? =
      options.quantizer != nil ? .cq : options.peakBitrate != nil ? .vbr : nil
    let name = options.rateControl ?? implied ?? options.preset?.rateControl ?? .cbr
    if name == .cq {
      guard let quantizer = options.quantizer else {
        throw CommandError(.usage, "--rate-control cq needs --qp N (0 to 51, such as --qp 24)")
      }
      guard options.bitrate == nil, options.peakBitrate == nil else {
        throw CommandError(
          .usage, "a constant quantizer (--qp) has no bitrate; leave out one of the two")
      }
      return .constantQuantizer(quantizer)
    }
    guard options.quantizer == nil else {
      throw CommandError(
        .usage,
        "--qp belongs to --rate-control cq; bounds of \(name.rawValue) are --min-qp and --max-qp")
    }
    var bitrate = options.bitrate ?? 0
    if options.bitrate == nil {
      bitrate = defaultBitrate(input.size, input.frameRate, codec)
      let perPixel = codec == .hevc ? "0.07" : "0.1"
      defaults.append("bitrate \(Units.bitrate(bitrate)) (default: \(perPixel) bit per pixel)")
    }
    guard name == .vbr else {
      guard options.peakBitrate == nil else {
        throw CommandError(.usage, "--peak-bitrate belongs to --rate-control vbr")
      }
      return .constant(bitrate: bitrate)
    }
    let peak = options.peakBitrate ?? min(bitrate / 2 * 3, Quantities.bitrates.upperBound)
    guard peak >= bitrate else {
      throw CommandError(
        .usage,
        "--peak-bitrate \(Units.bitrate(peak)) is below the bitrate \(Units.bitrate(bitrate))")
    }
    return .variable(bitrate: bitrate, peak: peak)
  }

  /// FWHT has no rate control, so that a bitrate would be a promise nobody keeps.
  private static func fwhtQuantizer(
    _ options: EncodeOptions, noting defaults: inout [String]
  ) throws(CommandError) -> RateControl {
    guard options.bitrate == nil, options.peakBitrate == nil, (options.rateControl ?? .cq) == .cq
    else { throw CommandError(.usage, "FWHT has no bitrate; choose the quality with --qp N") }
    if let quantizer = options.quantizer { return .constantQuantizer(quantizer) }
    defaults.append("quantizer 20 (default of FWHT)")
    return .constantQuantizer(20)
  }

  private static func profile(
    _ options: EncodeOptions, _ codec: VideoCodec
  ) throws(CommandError) -> CodecProfile? {
    guard let name = options.profile ?? options.preset?.profiles[codec] else { return nil }
    let known = CodecProfile.all.filter { $0.codec == codec }
    if let profile = known.first(where: { $0.name == name }) { return profile }
    let names = known.map(\.name)
    guard !names.isEmpty else {
      throw CommandError(.usage, "--profile \(name): \(codec.name) has no profiles")
    }
    throw CommandError(
      .usage,
      "--profile \(name): \(codec.name) has no such profile"
        + "\(Suggestion.sentence(for: name, in: names)); known are \(names.joined(separator: ", "))"
    )
  }

  private static func level(
    _ options: EncodeOptions, _ codec: VideoCodec
  ) throws(CommandError) -> CodecLevel? {
    guard let name = options.level else { return nil }
    if let level = CodecLevel.named(name, codec: codec) { return level }
    let names = CodecLevel.all(codec).map(\.name)
    guard !names.isEmpty else {
      throw CommandError(.usage, "--level \(name): \(codec.name) has no levels")
    }
    throw CommandError(
      .usage,
      "--level \(name): \(codec.name) has no such level; known are \(names.joined(separator: ", "))"
    )
  }

  private static func quantizer(_ options: EncodeOptions) throws(CommandError) -> QuantizerRange {
    var range = options.preset?.quantizer ?? QuantizerRange()
    if let initial = options.initialQuantizer { range.initial = initial }
    if let minimum = options.minimumQuantizer { range.minimum = minimum }
    if let maximum = options.maximumQuantizer { range.maximum = maximum }
    guard range.minimum <= range.maximum else {
      throw CommandError(
        .usage, "--min-qp \(range.minimum) is above --max-qp \(range.maximum); swap them")
    }
    if let initial = range.initial, !(range.minimum...range.maximum).contains(initial) {
      throw CommandError(
        .usage,
        "--init-qp \(initial) is outside --min-qp \(range.minimum) and --max-qp \(range.maximum)")
    }
    return range
  }
}
