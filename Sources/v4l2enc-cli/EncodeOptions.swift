internal import V4L2Encoder

/// What the arguments of `encode` ask for, before anything is known of the input.
struct EncodeOptions: Sendable {
  var input: String?
  var output: String?
  var device = "auto"
  var codec: VideoCodec?
  var size: VideoSize?
  var format: PixelFormat?
  /// Bytes from row to row of raw input; nil when rows follow each other.
  var stride: Int?
  var frameRate: Rational?
  var frames: Int?
  var cropsOddSizes = false
  var preset: Preset?
  var bitrate: Int?
  var peakBitrate: Int?
  var rateControl: RateControlName?
  var quantizer: Int?
  var initialQuantizer: Int?
  var minimumQuantizer: Int?
  var maximumQuantizer: Int?
  var keyFrameInterval: Int?
  var profile: String?
  var level: String?
  var controls: [ControlSetting] = []
  /// How often in a row a failed device is opened again.
  var recoveryAttempts: Int?
  var overload = OverloadOptions()
  var timesPath: String?
  var statisticsPath: String?
  var tracePath: String?
  var progressPath: String?
  /// From one block of `progressPath`, or sample of `statisticsPath`, to the next.
  var reportPeriod = Duration.milliseconds(500)
  var showsProgress = true
  var verbosity = Console.Verbosity.normal

  /// Whether the driver was allowed to leave out frames.
  var skipsFrames: Bool {
    controls.contains { $0.id == EncoderControl.frameSkipMode.id && $0.value != 0 }
  }
}

/// The table of `v4l2enc encode`.
enum EncodeArguments {
  static let table = ArgumentTable<EncodeOptions>(
    command: "encode",
    summary: "Encodes raw video to H.264 or HEVC on a V4L2 memory-to-memory device.",
    usage: "v4l2enc encode INPUT -o OUTPUT [options]",
    sections: [
      .init(title: "Input and output", options: inputOptions),
      .init(title: "Device and codec", options: deviceOptions() + [recovery]),
      .init(title: "Quality", options: qualityOptions),
      .init(title: "Reports", options: reportOptions),
    ],
    notes: notes
  ) { (options, argument) throws(CommandError) in
    guard options.input == nil else {
      throw CommandError(.usage, "\(argument): there is already an input, \(options.input ?? "")")
    }
    options.input = argument
  }

  typealias Option = ArgumentOption<EncodeOptions>
  private static let anyCount = 1...Int(Int32.max)
  private static let quantizers = 0...51

  static let output = Option(
    "--output", "-o", value: "OUTPUT",
    help: "Elementary stream to write: a file, or - for standard output"
  ) { (options, text) throws(CommandError) in
    options.output = try Quantities.name(text, for: "--output")
  }

  static let frames = Option("--frames", value: "N", help: "Stop after this many frames") {
    (options, text) throws(CommandError) in
    options.frames = try Quantities.integer(text, for: "--frames", in: anyCount)
  }

  static let oddSizes = Option(
    "--crop-odd",
    help: "Leave out the last column or row of odd sizes, which 4:2:0 video cannot have"
  ) { $0.cropsOddSizes = true }

  private static let inputOptions: [Option] = [
    output,
    Option("--size", value: "WxH", help: "Size of raw input and test pictures") {
      (options, text) throws(CommandError) in options.size = try Quantities.size(text)
    },
    Option(
      "--format", value: "FORMAT",
      help: "Pixels of raw input and test pictures (default i420): \(RawFormats.names)"
    ) { (options, text) throws(CommandError) in
      options.format = try RawFormats.format(named: text)
    },
    Option(
      "--stride", value: "BYTES",
      help: "From row to row of raw input whose rows are padded, as those of rpicam-vid are to 64"
    ) { (options, text) throws(CommandError) in
      options.stride = try Quantities.integer(text, for: "--stride", in: 1...1 << 20)
    },
    Option(
      "--fps", value: "N[/D]", help: "Frames per second (default: the y4m header's, else 30)"
    ) { (options, text) throws(CommandError) in
      options.frameRate = try Quantities.frameRate(text)
    },
    frames,
    oddSizes,
  ]

  /// The options that choose the encoder; `codecDefault` says which codec it is without `--codec`.
  static func deviceOptions(codecDefault: String = "from OUTPUT's suffix, else h264") -> [Option] {
    [
      Option(
        "--device", value: "PATH|auto|virtual",
        help: "Encoder: a node, the first that fits (auto, the default), or one in this process, "
          + "which imitates a driver (virtual:NAME) or a dump (virtual:recorded:FILE)"
      ) { (options, text) throws(CommandError) in
        options.device = try Quantities.name(text, for: "--device")
      },
      Option(
        "--codec", value: "h264|hevc|fwht",
        help: "Codec (default: \(codecDefault)); fwht is that of the kernel's vicodec"
      ) { (options, text) throws(CommandError) in options.codec = try codec(named: text) },
      Option(
        "--profile", value: "P",
        help: "baseline, constrained-baseline, main, high; HEVC: main"
      ) { (options, text) throws(CommandError) in options.profile = text.lowercased() },
      Option("--level", value: "L|auto", help: "Level, such as 4.1 (default: the lowest that fits)")
      {
        (options, text) throws(CommandError) in
        options.level = text.lowercased() == "auto" ? nil : text
      },
      Option(
        "--set", value: "CONTROL=VALUE",
        help: "Set a codec control by its kernel name or number, after all others; may be repeated"
      ) { (options, text) throws(CommandError) in
        options.controls.append(try ControlArgument.parse(text))
      },
    ]
  }

  static let recovery = Option(
    "--recover", value: "N",
    help: "When the device fails, open it again, N times in a row at most, and for no longer than "
      + "30 s; no frame is lost"
  ) { (options, text) throws(CommandError) in
    options.recoveryAttempts = try Quantities.integer(text, for: "--recover", in: 1...1000)
  }

  static let qualityOptions: [Option] = [
    Option("--preset", value: "live|recording|safe", help: "A set of values, see below") {
      (options, text) throws(CommandError) in options.preset = try Preset.named(text)
    },
    Option(
      "--bitrate", "-b", value: "RATE",
      help: "Target, such as 4M or 500k (default: 0.1 bit per pixel, HEVC 0.07)"
    ) { (options, text) throws(CommandError) in
      options.bitrate = try Quantities.bitrate(text, for: "--bitrate")
    },
    Option("--peak-bitrate", value: "RATE", help: "Peak of vbr (default: 1.5 times the bitrate)") {
      (options, text) throws(CommandError) in
      options.peakBitrate = try Quantities.bitrate(text, for: "--peak-bitrate")
    },
    Option(
      "--rate-control", value: "cbr|vbr|cq",
      help: "Constant bitrate (default), variable bitrate, constant quantizer"
    ) { (options, text) throws(CommandError) in options.rateControl = try rateControl(named: text)
    },
    Option("--qp", value: "N", help: "Quantizer of cq, 0 (best) to 51; implies cq") {
      (options, text) throws(CommandError) in
      options.quantizer = try Quantities.integer(text, for: "--qp", in: quantizers)
    },
    Option("--init-qp", value: "N", help: "Quantizer of the first picture") {
      (options, text) throws(CommandError) in
      options.initialQuantizer = try Quantities.integer(text, for: "--init-qp", in: quantizers)
    },
    Option("--min-qp", value: "N", help: "Lowest quantizer allowed (default 10)") {
      (options, text) throws(CommandError) in
      options.minimumQuantizer = try Quantities.integer(text, for: "--min-qp", in: quantizers)
    },
    Option("--max-qp", value: "N", help: "Highest quantizer allowed (default 51)") {
      (options, text) throws(CommandError) in
      options.maximumQuantizer = try Quantities.integer(text, for: "--max-qp", in: quantizers)
    },
    Option("--gop", value: "N", help: "Pictures from key frame to key frame (default: 2 seconds)") {
      (options, text) throws(CommandError) in
      options.keyFrameInterval = try Quantities.integer(
        text, for: "--gop", in: ConfigurationCheck.keyFrameIntervals)
    },
  ]

  /// What every command says of `--trace`.
  static let traceHelp = "Write every request to the device, and its answer, to this file"

  static let reportOptions: [Option] = [
    Option("--save-pts", value: "FILE", help: "Write presentation times, mkvmerge format v2") {
      (options, text) throws(CommandError) in
      options.timesPath = try Quantities.file(text, for: "--save-pts")
    },
    Option("--stats", value: "FILE", help: "Write a line of JSON per packet and per period") {
      (options, text) throws(CommandError) in
      options.statisticsPath = try Quantities.file(text, for: "--stats")
    },
    Option("--trace", value: "FILE", help: traceHelp) {
      (options, text) throws(CommandError) in
      options.tracePath = try Quantities.file(text, for: "--trace")
    },
    Option(
      "--progress", value: "FILE|-",
      help: "Write how far it is, as FFmpeg's -progress does: lines key=value"
    ) { (options, text) throws(CommandError) in
      options.progressPath = try Quantities.name(text, for: "--progress")
    },
    Option(
      "--stats-period", value: "TIME",
      help: "How often --progress and --stats write, such as 2s or 100ms (default: 0.5s)"
    ) {
      (options, text) throws(CommandError) in
      options.reportPeriod = try Quantities.time(text, for: "--stats-period")
    },
    Option("--no-progress", help: "No status line (there is none without a terminal)") {
      $0.showsProgress = false
    },
    Option("--quiet", "-q", help: "Only warnings and errors") { $0.verbosity = .quiet },
    Option(
      "--verbose", "-v", help: "What was negotiated, and each control as asked and applied"
    ) { $0.verbosity = .verbose },
    Option("--help", "-h", help: "This text") { _ in },
  ]

  private static let notes =
    "INPUT:\n"
    + Help.row("FILE", "y4m, recognised by its first bytes, or raw frames, which need --size")
    + Help.row("-", "The same from standard input")
    + Help.row("test:bars, test:motion", "Built-in pictures (default 1280x720, 10 seconds)")
    + commonNotes

  /// What all commands that encode explain.
  static let commonNotes =
    Preset.notes
    + "\nExit codes (sysexits.h):\n"
    + Help.row("0", "Done")
    + Help.row("64, 65, 66", "Wrong arguments; damaged input; no such input")
    + Help.row("69, 77", "No usable device; no permission")
    + Help.row("70, 71", "A defect; no memory")
    + Help.row("73, 74, 75", "Cannot create output; read, write or device error; timed out")
    + Help.row("129, 130, 143", "Stopped (SIGHUP, Ctrl-C, SIGTERM); what was encoded is written")

  private static func codec(named name: String) throws(CommandError) -> VideoCodec {
    switch name.lowercased() {
    case "h264", "h.264", "avc": return .h264
    case "hevc", "h265", "h.265": return .hevc
    case "fwht": return .fwht
    default: throw CommandError(.usage, "--codec \(name): unknown; codecs are h264, hevc and fwht")
    }
  }

  private static func rateControl(named name: String) throws(CommandError) -> RateControlName {
    if let known = RateControlName(rawValue: name.lowercased()) { return known }
    throw CommandError(.usage, "--rate-control \(name): unknown; write cbr, vbr or cq")
  }
}
