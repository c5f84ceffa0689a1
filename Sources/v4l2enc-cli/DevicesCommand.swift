internal import V4L2Encoder

/// What the arguments of `devices` ask for.
struct DevicesOptions: Sendable {
  var showsAll = false
  var asJSON = false
  var paths: [String] = []
}

/// `v4l2enc devices`.
enum DevicesCommand {
  static let table = ArgumentTable<DevicesOptions>(
    command: "devices",
    summary: "Lists video devices, what they encode, and why others cannot be used.",
    usage: "v4l2enc devices [--all] [--json] [PATH|virtual]...",
    sections: [
      .init(
        title: "Options",
        options: [
          ArgumentOption(
            "--all", help: "Everything that is known of every node, refused ones too"
          ) { $0.showsAll = true },
          ArgumentOption("--json", help: "An array of objects, for programs") {
            $0.asJSON = true
          },
          ArgumentOption("--help", "-h", help: "This text") { _ in },
        ])
    ],
    notes: ""
  ) { (options, argument) throws(CommandError) in options.paths.append(argument) }

  /// What is known of the devices that were named, or of all.
  static func reports(_ options: DevicesOptions) throws(CommandError) -> [DeviceReport] {
    var reports = options.paths.isEmpty ? DeviceCatalog.devices() : []
    for path in options.paths {
      reports += DeviceCatalog.examine(try DeviceChoice.selector(path))
    }
    return reports
  }

  /// A device that was named must be usable; a list of all is as long as it is.
  static func exitCode(_ reports: [DeviceReport], _ options: DevicesOptions) -> ExitCode {
    let isMissing = !options.paths.isEmpty && reports.contains { $0.refusal != nil }
    return isMissing ? .noDevice : .success
  }

  /// The text of the list.
  static func list(_ reports: [DeviceReport], _ options: DevicesOptions) -> String {
    if options.asJSON { return JSON.array(reports.map(json)).text + "\n" }
    guard !reports.isEmpty else {
      return "There is no /dev/video* node; v4l2enc encode --device virtual works without one.\n"
    }
    return reports.map { describe($0, all: options.showsAll) }.joined()
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
  static func json(_ report: DeviceReport) -> JSON {
    .object([
      ("path", .string(report.path)),
      ("usable", .boolean(report.refusal == nil)),
      ("refusal", report.refusal.map(JSON.string) ?? .null),
      ("kind", .string(report.kind.rawValue)),
      ("driver", .string(report.driver)),
      ("card", .string(report.card)),
      ("bus", .string(report.bus)),
      ("multiplanar", report.isMemoryToMemory ? .boolean(report.isMultiplanar) : .null),
      ("codecs", .array(report.codecs.map(json))),
      ("raw_formats", .array(report.rawFormats.map { .string($0.description) })),
    ])
  }

  private static func json(_ codec: DeviceReport.Codec) -> JSON {
    .object([
      ("format", .string(codec.format.description)),
      ("minimum_size", codec.minimumSize.map { .string($0.description) } ?? .null),
      ("maximum_size", codec.maximumSize.map { .string($0.description) } ?? .null),
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
