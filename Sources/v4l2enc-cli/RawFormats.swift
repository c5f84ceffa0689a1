internal import V4L2Encoder

/// The names of raw formats on the command line.
enum RawFormats {
  /// Every name with its format, in the order of the help.
  static let all: [(name: String, format: PixelFormat)] = [
    ("i420", .i420), ("nv12", .nv12), ("nv21", .nv21), ("yv12", .yv12), ("i422", .i422),
    ("yuyv", .yuyv), ("yuy2", .yuyv), ("uyvy", .uyvy), ("rgb24", .rgb24), ("bgr24", .bgr24),
    ("bgra", .bgra), ("bgrx", .bgrx), ("argb", .argb), ("gray", .grey),
  ]

  /// The names in one line.
  static var names: String { all.map(\.name).joined(separator: ", ") }

  /// What cameras send besides raw formats.
  private static let compressed: [(name: String, format: PixelFormat)] = [
    ("mjpeg", .mjpeg), ("jpeg", .jpeg),
  ]

  /// The format of a name.
  static func format(named name: String) throws(CommandError) -> PixelFormat {
    try format(named: name, among: all)
  }

  /// The format of a name that a camera may send, which may be JPEG pictures as well.
  static func cameraFormat(named name: String) throws(CommandError) -> PixelFormat {
    try format(named: name, among: compressed + all)
  }

  private static func format(
    named name: String, among formats: [(name: String, format: PixelFormat)]
  ) throws(CommandError) -> PixelFormat {
    if let entry = formats.first(where: { $0.name == name.lowercased() }) { return entry.format }
    let names = formats.map(\.name)
    throw CommandError(
      .usage,
      "--format \(name): unknown\(Suggestion.sentence(for: name, in: names)); known are "
        + names.joined(separator: ", "))
  }

  /// The name of a format, or its code.
  static func name(of format: PixelFormat) -> String {
    (all + compressed).first { $0.format == format }?.name ?? format.description
  }
}
