internal import V4L2Encoder

/// What the arguments of `qualify` ask for.
struct QualifyOptions: Sendable {
  /// What `encode` is asked for as well; its input is the moving test picture.
  var encode = EncodeOptions()
  /// How long to try each number of streams, shortest first.
  var durations: [Duration] = [.seconds(30), .seconds(300)]
  /// How many streams to try at once, fewest first.
  var streams = [1]
  var limits = QualifyLimits()
  var journalPath: String?
  /// Whether what the journal knows is tried again.
  var retries = false
  /// Whether a software encoder is measured for comparison.
  var comparesSoftware = true
}

/// What a step must keep to besides what no encoder may do.
struct QualifyLimits: JSONRecord, Hashable, Sendable {
  /// Of 99 of 100 packets, in microseconds.
  var latency: Int?
  /// Of the whole process, in percent of one processor.
  var processorPercent: Double?

  mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("latency_us", &latency)
    try fields("cpu_percent", &processorPercent)
  }
}

/// The table of `v4l2enc qualify`.
enum QualifyArguments {
  static let table = ArgumentTable<QualifyOptions>(
    command: "qualify",
    summary: "Tries whether a board encodes for long, with one stream and with more.",
    usage: "v4l2enc qualify --journal FILE [options]",
    sections: [
      .init(title: "What to try", options: stepOptions),
      .init(
        title: "Device and codec", EncodeArguments.deviceOptions(codecDefault: "h264"),
        setting: \.encode),
      .init(title: "Quality", EncodeArguments.qualityOptions, setting: \.encode),
      .init(title: "Messages", options: messageOptions),
    ],
    notes: notes
  ) { (_, argument) throws(CommandError) in
    throw CommandError(
      .usage,
      "\(argument): qualify encodes test pictures and takes no input; name the device with "
        + "--device")
  }

  private typealias Option = ArgumentOption<QualifyOptions>

  private static let stepOptions: [Option] = [
    Option(
      "--journal", value: "FILE",
      help: "Where every step is written down before it begins; after a crash of the machine the "
        + "next start says which one did it and leaves it out"
    ) { (options, text) throws(CommandError) in
      options.journalPath = try Quantities.file(text, for: "--journal")
    },
    Option(
      "--duration", value: "TIME[,TIME]...",
      help: "How long to try each number of streams, such as 30s,5m,24h (default: 30s,5m)"
    ) { (options, text) throws(CommandError) in
      options.durations = try Quantities.durations(text, for: "--duration")
    },
    Option(
      "--streams", value: "N|N..M|N,M...", help: "How many streams at once (default: 1)"
    ) { (options, text) throws(CommandError) in
      options.streams = try Quantities.counts(text, for: "--streams", in: 1...64)
    },
    Option(
      "--max-latency", value: "TIME",
      help: "What 99 of 100 frames may take, such as 30ms (default: anything)"
    ) { (options, text) throws(CommandError) in
      options.limits.latency = try Quantities.time(text, for: "--max-latency").inMicroseconds
    },
    Option(
      "--max-cpu", value: "PERCENT",
      help: "Share of one processor that the command may use, such as 10% (default: anything)"
    ) { (options, text) throws(CommandError) in
      options.limits.processorPercent = try Quantities.percent(text, for: "--max-cpu")
    },
    Option("--retry", help: "Try again what the journal knows, crashes too") { $0.retries = true },
    Option("--no-software", help: "No comparison with a software encoder") {
      $0.comparesSoftware = false
    },
    Option("--size", value: "WxH", help: "Size of the pictures (default: 1280x720)") {
      (options, text) throws(CommandError) in options.encode.size = try Quantities.size(text)
    },
    Option("--fps", value: "N[/D]", help: "Frames per second of each stream (default: 30)") {
      (options, text) throws(CommandError) in
      options.encode.frameRate = try Quantities.frameRate(text)
    },
    Option(
      "--format", value: "FORMAT", help: "Pixels of the pictures (default: i420), as with encode"
    ) { (options, text) throws(CommandError) in
      options.encode.format = try RawFormats.format(named: text)
    },
  ]

  private static let messageOptions: [Option] = [
    Option("--no-progress", help: "No status line (there is none without a terminal)") {
      $0.encode.showsProgress = false
    },
    Option("--quiet", "-q", help: "Only warnings, errors and the table") {
      $0.encode.verbosity = .quiet
    },
    Option("--verbose", "-v", help: "What was negotiated, and what the library logs") {
      $0.encode.verbosity = .verbose
    },
    Option("--help", "-h", help: "This text") { _ in },
  ]

  private static let notes =
    Help.paragraph(
      "Steps are tried from short to long, and from few streams to many; what asks for more than "
        + "one that failed is left out. In each step it is checked that every frame comes back, "
        + "that the stream can be read, that frames come at their rate and bits not above theirs, "
        + "that memory and open files do not grow (in steps of 4 s and longer), that the board does "
        + "not throttle, and that the kernel logs no defect.")
    + Preset.notes
    + "\nExit codes:\n"
    + Help.row("0", "Stable: every step was")
    + Help.row("1", "Unstable: some step was not, hung, or did not come back")
    + Help.row("2", "Untested: some step could not be tried, and none was unstable")
    + Help.row("64, 65", "Wrong arguments; a damaged journal")
    + Help.row("69, 77", "No usable device; no permission")
    + Help.row("70, 71, 73, 74", "A defect; no memory; cannot create or write the journal")
    + Help.row("129, 130, 143", "Stopped (SIGHUP, Ctrl-C, SIGTERM); the journal goes on from there")
}
