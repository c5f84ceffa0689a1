internal import V4L2Encoder

/// Which numbers are black and white in what is encoded.
enum RangeChoice: String, CaseIterable, Sendable {
  /// Those that the camera sends.
  case keep
  /// 16 to 235.
  case limited
  /// 0 to 255.
  case full

  static func named(_ name: String) throws(CommandError) -> RangeChoice {
    if let choice = RangeChoice(rawValue: name.lowercased()) { return choice }
    throw CommandError(.usage, "--range \(name): unknown; write keep, limited or full")
  }

  /// What the decoder of a camera's JPEG pictures is to make of them, which are full range.
  var ofDecodedJPEG: ColorDescription.Range { self == .limited ? .limited : .full }

  /// The colours to encode, and whether full range becomes limited range on the way.
  ///
  /// - Parameters:
  ///   - color: what the driver says of the frames; unspecified parts get what is usual for the
  ///     size.
  ///   - format: the format of the frames.
  ///   - camera: the format that the camera itself sends.
  ///   - size: the size of the encoded picture.
  /// - Returns: what the encoder is to be told, and whether the numbers must be converted.
  /// - Throws: when the camera's numbers are others, and nothing makes them what was asked for.
  func colors(
    of color: ColorDescription, in format: PixelFormat, from camera: PixelFormat, size: VideoSize
  ) throws(CommandError) -> (color: ColorDescription, limitsRange: Bool) {
    var color = color.completed(by: .usual(for: size))
    guard self != .keep else { return (color, false) }
    let wanted: ColorDescription.Range = self == .limited ? .limited : .full
    guard color.range != wanted else { return (color, false) }
    guard self == .limited || format.isRGB else {
      throw CommandError(
        .usage,
        "--range full: the camera sends \(RawFormats.name(of: camera)) in limited range, which "
          + "gains nothing by being stretched; leave --range out, or try --format mjpeg")
    }
    color.range = wanted
    return (color, !format.isRGB)
  }
}

extension ColorDescription {
  /// The same with what is usual in place of what is unspecified.
  fileprivate func completed(by usual: ColorDescription) -> ColorDescription {
    ColorDescription(
      primaries: primaries == .unspecified ? usual.primaries : primaries,
      transfer: transfer == .unspecified ? usual.transfer : transfer,
      matrix: matrix == .unspecified ? usual.matrix : matrix,
      range: range == .unspecified ? usual.range : range)
  }
}

extension PixelFormat {
  /// Whether range and matrix are chosen when the pixels are converted.
  fileprivate var isRGB: Bool {
    let formats: [PixelFormat] = [.rgb24, .bgr24, .bgra, .bgrx, .argb]
    return formats.contains(self)
  }
}
