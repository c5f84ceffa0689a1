internal import V4L2Encoder

/// What the arguments of `capture` ask for.
struct CaptureOptions: Sendable {
  /// What `encode` is asked for as well; its input is the camera, and its size, format and frame
  /// rate are what the camera is asked for.
  var encode = EncodeOptions()
  /// The camera's input; nil takes the one in force.
  var input: Int?
  /// The size to encode; nil is the camera's.
  var scale: VideoSize?
  /// Which numbers are to be black and white.
  var range = RangeChoice.keep
  /// How long to encode, by the frames' own times; nil until stopped.
  var duration: Duration?
  /// How long a lost signal may stay away.
  var signalPatience = SignalPatience.upTo(.seconds(60))
}

/// The table of `v4l2enc capture`.
enum CaptureArguments {
  static let table = ArgumentTable<CaptureOptions>(
    command: "capture",
    summary: "Encodes a camera's pictures to H.264 or HEVC on a V4L2 memory-to-memory device.",
    usage: "v4l2enc capture CAMERA -o OUTPUT [options]",
    sections: [
      .init(
        title: "Output", [EncodeArguments.output, EncodeArguments.frames], setting: \.encode),
      .init(title: "Camera", options: cameraOptions),
      .init(
        title: "Encoder and codec", EncodeArguments.deviceOptions() + [EncodeArguments.recovery],
        setting: \.encode),
      .init(title: "Overload", OverloadOptions.table, setting: \.encode),
      .init(title: "Quality", EncodeArguments.qualityOptions, setting: \.encode),
      .init(title: "Reports", EncodeArguments.reportOptions, setting: \.encode),
    ],
    notes: notes
  ) { (options, argument) throws(CommandError) in
    guard options.encode.input == nil else {
      throw CommandError(
        .usage, "\(argument): there is already a camera, \(options.encode.input ?? "")")
    }
    options.encode.input = argument
  }

  private typealias Option = ArgumentOption<CaptureOptions>

  private static let cameraOptions: [Option] = [
    Option(
      "--size", value: "WxH",
      help: "Size to ask the camera for (default: its largest up to 1920x1080 at 24 fps or more; "
        + "the signal's own with HDMI)"
    ) { (options, text) throws(CommandError) in options.encode.size = try Quantities.size(text) },
    Option("--fps", value: "N[/D]", help: "Frames per second to ask the camera for") {
      (options, text) throws(CommandError) in
      options.encode.frameRate = try Quantities.frameRate(text)
    },
    Option(
      "--format", value: "FORMAT",
      help: "Pixels to ask the camera for (default: what costs least): mjpeg, \(RawFormats.names)"
    ) { (options, text) throws(CommandError) in
      options.encode.format = try RawFormats.cameraFormat(named: text)
    },
    Option("--input", value: "N", help: "Input of the camera (default: the one in force)") {
      (options, text) throws(CommandError) in
      options.input = try Quantities.integer(text, for: "--input", in: 0...Int(Int32.max))
    },
    Option(
      "--scale", value: "WxH",
      help: "Size to encode (default: the camera's); then it stays the same when the camera's "
        + "changes"
    ) { (options, text) throws(CommandError) in
      options.scale = try Quantities.size(text, for: "--scale")
    },
    Option(
      "--range", value: "keep|limited|full",
      help: "Black and white in numbers: as the camera sends them (default), 16 to 235, 0 to 255"
    ) { (options, text) throws(CommandError) in options.range = try RangeChoice.named(text) },
    Option(
      "--duration", value: "TIME",
      help: "Stop this long after the first frame, by the camera's clock, such as 60s or 5m"
    ) {
      (options, text) throws(CommandError) in
      options.duration = try Quantities.time(text, for: "--duration")
    },
    Option(
      "--signal-wait", value: "TIME|forever",
      help: "How long a lost signal may stay away (default: 60s)"
    ) { (options, text) throws(CommandError) in
      options.signalPatience =
        text.lowercased() == "forever"
        ? .forEver : .upTo(try Quantities.time(text, for: "--signal-wait"))
    },
    EncodeArguments.oddSizes.setting(\.encode),
  ]

  private static let notes =
    "CAMERA is a node such as /dev/video0; v4l2enc capture without one lists the cameras.\n"
    + "The frames keep the camera's times, relative to the first one.\n"
    + EncodeArguments.commonNotes
}
