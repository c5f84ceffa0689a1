internal import V4L2Encoder

/// What a camera is asked for, decided from what it offers and what the encoder takes.
struct CameraPlan {
  var configuration: CaptureConfiguration
  /// How frames get from the camera to the encoder.
  let way: CameraChoice.Way

  /// The largest picture that is chosen where nobody asks for a size.
  private static let usualLimit = VideoSize(width: 1920, height: 1080)

  /// Decides.
  ///
  /// - Parameters:
  ///   - options: what was asked for.
  ///   - camera: what the camera offers.
  ///   - encoderFormats: what the encoder takes.
  /// - Throws: when nothing of what the camera offers fits.
  init(
    _ options: CaptureOptions, _ camera: CameraReport, encoderFormats: [PixelFormat]
  ) throws(CommandError) {
    if let refusal = CameraRefusal.refusal(of: camera, asked: options) { throw refusal }
    let input = try Self.input(options, camera)
    var offers = try Self.offers(camera, of: options.encode.format)
    if input?.hasDVTimings ?? false || input?.index != camera.currentInput {
      // The signal has one size, and of an input that is not in force nothing is known.
      offers = offers.map {
        CameraOffer(format: $0.format, isCompressed: $0.isCompressed, sizes: [])
      }
    } else if options.encode.size == nil {
      offers = Self.withinUsualLimit(offers)
    }
    offers = Self.smallestFirst(offers, encoderFormats)
    guard
      let choice = CameraChoice.best(
        among: offers, size: options.encode.size, frameRate: options.encode.frameRate,
        encoderFormats: encoderFormats)
    else {
      throw CommandError(
        .noInput,
        "\(camera.path) sends \(Self.names(camera.formats)), none of which the encoder can be given"
      )
    }
    var configuration = CaptureConfiguration(
      size: choice.size, format: choice.format,
      frameRate: options.encode.frameRate ?? Self.usualRate(of: choice, among: offers))
    configuration.input = options.input
    configuration.signalPatience = options.signalPatience
    configuration.jpeg = JPEGDecoding(
      format: encoderFormats.contains(.nv12) || !encoderFormats.contains(.i420) ? .nv12 : .i420,
      range: options.range.ofDecodedJPEG)
    if let rate = options.encode.frameRate {
      let frames = Duration.seconds(3 / rate.value)
      configuration.deadlines.progress = max(configuration.deadlines.progress, frames)
    }
    self.configuration = configuration
    way = choice.way
  }

  private static func input(
    _ options: CaptureOptions, _ camera: CameraReport
  ) throws(CommandError) -> CameraInput? {
    guard let asked = options.input else {
      return camera.inputs.first { $0.index == camera.currentInput }
    }
    if let input = camera.inputs.first(where: { $0.index == asked }) { return input }
    let known = camera.inputs.map { "\($0.index) (\($0.name))" }.joined(separator: ", ")
    throw CommandError(
      .usage,
      "--input \(asked): \(camera.path) has "
        + (known.isEmpty ? "no inputs to choose from" : "the inputs \(known)"))
  }

  private static func offers(
    _ camera: CameraReport, of format: PixelFormat?
  ) throws(CommandError) -> [CameraOffer] {
    guard let format else { return camera.formats }
    let offers = camera.formats.filter { $0.format == format }
    guard offers.isEmpty else { return offers }
    throw CommandError(
      .usage,
      "--format \(RawFormats.name(of: format)): \(camera.path) does not send it; it sends "
        + names(camera.formats))
  }

  private static func names(_ offers: [CameraOffer]) -> String {
    offers.map { RawFormats.name(of: $0.format) }.joined(separator: ", ")
  }

  /// Of formats that cost the same, the one with fewer bytes per picture, or that the encoder names
  /// first.
  private static func smallestFirst(
    _ offers: [CameraOffer], _ encoderFormats: [PixelFormat]
  ) -> [CameraOffer] {
    let square = VideoSize(width: 16, height: 16)
    let costs = offers.map { offer in
      let bytes = (try? RasterLayout.packed(offer.format, size: square))?.byteCount ?? .max
      return (offer, bytes, encoderFormats.firstIndex(of: offer.format) ?? .max)
    }
    return costs.sorted { ($0.1, $0.2) < ($1.1, $1.2) }.map(\.0)
  }

  /// The rate to ask for where nobody names one: 30 frames per second, or what comes next below.
  ///
  /// Drivers may start with any of theirs.
  static func usualRate(of choice: CameraChoice, among offers: [CameraOffer]) -> Rational? {
    let usual = Rational(30)
    let offer = offers.first { $0.format == choice.format }
    let rates = offer?.sizes.first { $0.contains(choice.size) }?.rates ?? []
    let possible = rates.map { rate in
      if rate.fastest.value <= usual.value { return rate.fastest }
      return rate.slowest.value <= usual.value ? usual : rate.slowest
    }
    let below = possible.filter { $0.value <= usual.value }
    return below.max { $0.value < $1.value } ?? possible.min { $0.value < $1.value }
  }

  /// Leaves out what is larger than usual, unless all of it is.
  static func withinUsualLimit(_ offers: [CameraOffer]) -> [CameraOffer] {
    let limited = offers.map { offer in
      var offer = offer
      offer.sizes = offer.sizes.compactMap { $0.limited(to: usualLimit) }
      return offer
    }
    let hadSizes = zip(offers, limited).contains { !$0.sizes.isEmpty && !$1.sizes.isEmpty }
    guard hadSizes else { return offers }
    // A format all of whose sizes are too large is not one without sizes.
    return zip(offers, limited).filter { $0.sizes.isEmpty || !$1.sizes.isEmpty }.map(\.1)
  }
}

extension CameraOffer.Size {
  fileprivate func contains(_ size: VideoSize?) -> Bool {
    guard let size else { return false }
    return (minimum.width...maximum.width).contains(size.width)
      && (minimum.height...maximum.height).contains(size.height)
  }

  /// The sizes of these up to a limit; nil when all are larger.
  fileprivate func limited(to limit: VideoSize) -> Self? {
    guard minimum.width <= limit.width, minimum.height <= limit.height else { return nil }
    var limited = self
    limited.maximum = VideoSize(
      width: min(
        maximum.width, minimum.width + Self.whole(limit.width - minimum.width, step.width)),
      height: min(
        maximum.height, minimum.height + Self.whole(limit.height - minimum.height, step.height)))
    return limited
  }

  private static func whole(_ distance: Int, _ step: Int) -> Int {
    let step = max(step, 1)
    return distance / step * step
  }
}

extension PixelFormat {
  /// Whether pictures in this format can be encoded at all, by whichever encoder.
  var isEncodable: Bool { isStillPicture || info != nil }
}
