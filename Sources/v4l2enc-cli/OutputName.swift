internal import V4L2Encoder

/// What the name of the output says about its content.
enum OutputName {
  private static let suffixes: [String: VideoCodec] = [
    "h264": .h264, "264": .h264, "avc": .h264, "h265": .hevc, "hevc": .hevc, "265": .hevc,
    "fwht": .fwht,
  ]
  private static let containers = ["mp4", "m4v", "mov", "mkv", "webm", "ts", "m2ts", "flv", "avi"]

  /// The output that was named; there is none by default.
  static func required(_ output: String?) throws(CommandError) -> String {
    if let output { return output }
    throw CommandError(.usage, "where to? name the output with -o OUTPUT, or -o - for a pipe")
  }

  /// The codec of an output; `asked` wins where the name says nothing.
  static func codec(for output: String, asked: VideoCodec?) throws(CommandError) -> VideoCodec {
    if let scheme = output.firstRange(of: "://") {
      throw CommandError(
        .usage,
        "\(output): network outputs (\(output[..<scheme.lowerBound])://) do not exist yet; "
          + "write .h264 or .hevc, or - and pipe it on")
    }
    guard let suffix = suffix(of: output) else { return asked ?? .h264 }
    if containers.contains(suffix) {
      // The streams need not say their frame rate, and FFmpeg assumes 25 then.
      throw CommandError(
        .usage,
        "\(output): containers (.\(suffix)) are not written yet; "
          + "write .h264 or .hevc and wrap it, such as with "
          + "ffmpeg -r RATE -i IN.h264 -c copy OUT.\(suffix)"
      )
    }
    guard let named = suffixes[suffix] else { return asked ?? .h264 }
    if let asked, asked != named {
      throw CommandError(
        .usage,
        "--codec \(asked.rawValue) contradicts the suffix of \(output) (\(named.name)); "
          + "change one of them")
    }
    return named
  }

  private static func suffix(of path: String) -> String? {
    guard let name = path.split(separator: "/").last, let dot = name.lastIndex(of: "."),
      dot != name.startIndex
    else { return nil }
    return name[name.index(after: dot)...].lowercased()
  }
}
