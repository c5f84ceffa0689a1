internal import V4L2Encoder

/// What becomes of a camera's pictures on their way to the encoder.
struct CameraPictures {
  let description: SourceDescription
  /// What makes them the size and the range that was asked for; nil where they are already.
  var scaler: FrameScaler?

  private static let defaultRate = Rational(30)

  /// Decides for pictures of one kind.
  ///
  /// - Parameters:
  ///   - format: what the camera's frames are like.
  ///   - options: what was asked for.
  ///   - scaledFormat: what pictures are scaled to.
  /// - Throws: when they cannot be made what was asked for.
  init(
    _ format: CaptureFormat, _ options: CaptureOptions, scaledFormat: PixelFormat
  ) throws(CommandError) {
    let size = options.scale ?? format.size
    let colors = try options.range.colors(
      of: format.color, in: format.format, from: format.cameraFormat, size: size)
    // Whoever names a size gets the same kind of frames whatever the signal becomes, so that the
    // encoder can go on.
    var scaler: FrameScaler?
    if options.scale != nil || colors.limitsRange {
      do throws(EncoderError) {
        scaler = try FrameScaler(
          from: format.format, size: format.size, to: scaledFormat, size: size,
          color: colors.color, limitsRange: colors.limitsRange)
      } catch {
        throw CommandError(error)
      }
    }
    // Timings that were measured wrongly give rates that no encoder takes.
    let told = format.frameRate.flatMap { Quantities.frameRates.contains($0.value) ? $0 : nil }
    let rate = told ?? options.encode.frameRate
    var description = SourceDescription(
      size: size, format: scaler?.format ?? format.format, frameRate: rate ?? Self.defaultRate)
    description.timeBase = CameraSource.timeBase
    description.color = colors.color
    if scaler == nil { description.memory = format.inputMemory }
    if rate == nil {
      description.remarks.append("\(Self.defaultRate) fps assumed (the camera does not tell)")
    }
    self.description = description
    self.scaler = scaler
  }
}
