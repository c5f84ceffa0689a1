internal import V4L2Encoder

/// What the arguments of `devices` ask for.
struct DevicesOptions: Sendable {
  var showsAll = false
  var asJSON = false
  var tracePath: String?
  var showsControls = false
  var dumpPath: String?
  var extraPaths: [String] = []
  var paths: [String] = []
}

/// `v4l2enc devices`.
enum DevicesCommand {
  static let table = ArgumentTable<DevicesOptions>(
    command: "devices",
    summary: "Lists video devices, what they encode, and why others cannot be used.",
    usage: "v4l2enc devices [options] [PATH|virtual]...",
    sections: [
      .init(
        title: "Options",
        options: [
          ArgumentOption(
            "--all", help: "Everything that is known of every node, refused ones too"
          ) { $0.showsAll = true },
          ArgumentOption(
            "--controls", help: "The controls of each encoder: ranges, menus, defaults, values"
          ) { $0.showsControls = true },
          ArgumentOption("--json", help: "An array of objects, for programs") {
            $0.asJSON = true
          },
          ArgumentOption(
            "--also", value: "PATH",
            help: "Look at this node besides those with known names; may be repeated"
          ) { (options, text) throws(CommandError) in
            options.extraPaths.append(try Quantities.name(text, for: "--also"))
          },
          ArgumentOption(
            "--dump", value: "FILE",
            help: "Write everything that one device says of itself to this file, or - for standard "
              + "output; without PATH of the machine's encoder"
          ) { (options, text) throws(CommandError) in
            options.dumpPath = try Quantities.name(text, for: "--dump")
          },
          ArgumentOption("--trace", value: "FILE", help: EncodeArguments.traceHelp) {
            (options, text) throws(CommandError) in
            options.tracePath = try Quantities.file(text, for: "--trace")
          },
          ArgumentOption("--help", "-h", help: "This text") { _ in },
        ])
    ],
    notes: """
      Without PATH every /dev/video*, /dev/video-enc*, /dev/v4l2-nvenc and /dev/nvhost-msenc is
      looked at, and the paths in V4L2ENC_DEVICES, which have colons between them. The node that
      V4L2ENC_DEVICE names is what --device auto takes.

      """
  ) { (options, argument) throws(CommandError) in options.paths.append(argument) }

  /// What is known of the devices that were named, or of all.
  static func reports(_ options: DevicesOptions) throws(CommandError) -> [DeviceReport] {
    let file = try options.tracePath.map { path throws(CommandError) in try TraceFile(path) }
    file?.begin()
    var reports =
      options.paths.isEmpty
      ? DeviceCatalog.devices(besides: options.extraPaths, trace: file?.trace) : []
    for path in options.paths + (options.paths.isEmpty ? [] : options.extraPaths) {
      reports += DeviceCatalog.examine(try DeviceChoice.selector(path, file?.trace))
    }
    if let failure = file?.finish() { throw failure }
    return reports
  }

  /// A device that was named must be usable; a list of all is as long as it is.
  static func exitCode(_ reports: [DeviceReport], _ options: DevicesOptions) -> ExitCode {
    guard !options.paths.isEmpty, let refused = reports.first(where: { $0.refusal != nil }) else {
      return .success
    }
    return refused.error.map { CommandError($0).code } ?? .noDevice
  }

  /// The text of the list.
  static func list(_ reports: [DeviceReport], _ options: DevicesOptions) -> String {
    if options.asJSON {
      return JSON.array(reports.map { json($0, controls: options.showsControls) }).text + "\n"
    }
    let list = reports.map { report in
      describe(report, all: options.showsAll)
        + (options.showsControls ? ControlListing.text(of: report) : "")
    }.joined()
    guard reports.allSatisfy({ $0.refusal != nil }) else { return list }
    return list + conclusion(reports, options)
  }

  /// What to do where no device is usable.
  private static func conclusion(_ reports: [DeviceReport], _ options: DevicesOptions) -> String {
    if let mistaken = options.paths.first {
      return "\(capitalized(DeviceCatalog.advice(insteadOf: mistaken))).\n"
    }
    let reason =
      DeviceCatalog.boardLacksEncoder
      ?? (reports.isEmpty ? "there is no /dev/video* node" : "none of these nodes is an encoder")
    return "\(capitalized(reason)); v4l2enc encode --device virtual works without one.\n"
  }

  private static func capitalized(_ text: String) -> String {
    text.prefix(1).uppercased() + text.dropFirst()
  }

  /// A device in words; one line when it is no usable encoder and not everything is wanted.
  static func describe(_ report: DeviceReport, all: Bool) -> String {
    let name = report.card.isEmpty ? "" : " \(report.card)"
    let driver = report.driver.isEmpty ? "" : " (\(report.driver))"
    var text = "\(report.path):\(name)\(driver)"
    if let refusal = report.refusal {
      let isUnnamed = name.isEmpty && driver.isEmpty
      text = isUnnamed ? DeviceChoice.named(refusal, report.path) : "\(text): \(refusal)"
      guard all else { return text + "\n" }
    }
    text += "\n"
    for codec in report.codecs {
      var line = "  encodes \(codecName(codec.format))"
      if let least = codec.minimumSize, let most = codec.maximumSize {
        line += ", \(least) to \(most)"
      } else if let most = codec.maximumSize {
        line += ", up to \(most)"
      }
      if all, let rate = codec.maximumFrameRate {
        line += ", \(rate) frames per second at most"
      }
      text += line + "\n"
    }
    guard all else { return text }
    text += "  kind: \(report.kind.rawValue)\n"
    if !report.bus.isEmpty { text += "  bus: \(report.bus)\n" }
    if report.isMemoryToMemory {
      text += "  API: \(report.isMultiplanar ? "multi-planar" : "single-planar")\n"
    }
    let formats = report.rawFormats.map(\.description).joined(separator: ", ")
    if !formats.isEmpty { text += "  takes: \(formats)\n" }
    return text
  }

  private static func codecName(_ format: PixelFormat) -> String {
    switch format {
    case .h264: "H.264"
    case .hevc, .h265: "HEVC"
    default: format.description
    }
  }

  /// A device as a JSON object; absent facts are null.
  static func json(_ report: DeviceReport, controls: Bool = false) -> JSON {
    .object(
      [
        ("path", .string(report.path)),
        ("usable", .boolean(report.refusal == nil)),
        ("refusal", report.refusal.map(JSON.string) ?? .null),
        ("error", report.error.map { .string($0.code.description) } ?? .null),
        ("kind", .string(report.kind.rawValue)),
        ("driver", .string(report.driver)),
        ("card", .string(report.card)),
        ("bus", .string(report.bus)),
        ("multiplanar", report.isMemoryToMemory ? .boolean(report.isMultiplanar) : .null),
        ("codecs", .array(report.codecs.map(json))),
        ("raw_formats", .array(report.rawFormats.map { .string($0.description) })),
      ] + (controls ? [("controls", ControlListing.json(of: report))] : []))
  }

  private static func json(_ codec: DeviceReport.Codec) -> JSON {
    .object([
      ("format", .string(codec.format.description)),
      ("minimum_size", codec.minimumSize.map { .string($0.description) } ?? .null),
      ("maximum_size", codec.maximumSize.map { .string($0.description) } ?? .null),
      ("maximum_frame_rate", codec.maximumFrameRate.map { .string($0.description) } ?? .null),
    ])
  }
}

extension DeviceReport {
  /// Whether the device has the two queues of which the interface is asked about.
  fileprivate var isMemoryToMemory: Bool {
    switch kind {
    case .encoder, .decoder, .converter: true
    case .camera, .other, .unknown: false
    }
  }
}
