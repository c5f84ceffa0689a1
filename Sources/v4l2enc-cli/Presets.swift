internal import V4L2Encoder

/// How bits are spent, by its name on the command line.
enum RateControlName: String, CaseIterable, Sendable {
  case cbr
  case vbr
  case cq
}

/// A named set of values; an option given besides it wins.
struct Preset: Sendable {
  let name: String
  /// What `--help` says.
  let help: String
  let rateControl: RateControlName
  /// The names of the profile, per codec.
  let profiles: [VideoCodec: String]
  /// Pictures from one key frame to the next; nil is two seconds.
  var keyFrameInterval: Int?
  var quantizer: QuantizerRange?

  /// Every preset, in the order of the help.
  static let all = [
    Preset(
      name: "live",
      help: "CBR, Constrained Baseline (HEVC: Main), no B-frames, headers at every IDR",
      rateControl: .cbr, profiles: [.h264: "constrained-baseline", .hevc: "main"]),
    Preset(
      name: "recording",
      help: "VBR with a peak of 1.5 times the bitrate, High (HEVC: Main)",
      rateControl: .vbr, profiles: [.h264: "high", .hevc: "main"]),
    Preset(
      name: "safe",
      help: "known stable on Rockchip, good for any driver: CBR, init QP 26, QP 10 to 51, GOP 30",
      rateControl: .cbr, profiles: [:], keyFrameInterval: 30,
      quantizer: QuantizerRange(initial: 26, minimum: 10, maximum: 51)),
  ]

  /// What the help of every command that takes presets explains.
  static let notes =
    "\nPresets (any option given besides one wins):\n"
    + all.map { Help.row($0.name, $0.help) }.joined()

  static func named(_ name: String) throws(CommandError) -> Preset {
    if let preset = all.first(where: { $0.name == name }) { return preset }
    let names = all.map(\.name)
    throw CommandError(
      .usage,
      "--preset \(name): unknown\(Suggestion.sentence(for: name, in: names)); "
        + "presets are \(names.joined(separator: ", "))")
  }
}
