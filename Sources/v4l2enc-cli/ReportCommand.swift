internal import V4L2Encoder

/// What the arguments of `report` ask for.
struct ReportOptions: Sendable {
  var input: String?
  var output: String?
}

/// `v4l2enc report`.
enum ReportCommand {
  static let table = ArgumentTable<ReportOptions>(
    command: "report",
    summary: "Makes a page of what --stats wrote: frame sizes, bitrate, latency, the machine.",
    usage: "v4l2enc report FILE -o PAGE.html",
    sections: [
      .init(
        title: "Options",
        options: [
          ArgumentOption(
            "--output", "-o", value: "PAGE", help: "Page to write: a file, or - for standard output"
          ) { (options, text) throws(CommandError) in
            options.output = try Quantities.name(text, for: "--output")
          },
          ArgumentOption("--help", "-h", help: "This text") { _ in },
        ])
    ],
    notes: """
      FILE is what v4l2enc encode or capture --stats FILE has written, or is still writing; - is
      standard input. The page needs no network and no script.

      """
  ) { (options, argument) throws(CommandError) in
    guard options.input == nil else {
      throw CommandError(.usage, "\(argument): there is already a file, \(options.input ?? "")")
    }
    options.input = argument
  }

  /// Writes the page; what is to be shown on standard output.
  static func run(_ options: ReportOptions, _ console: Console) throws(CommandError) -> String {
    guard let input = options.input else {
      throw CommandError(.usage, "which file? write v4l2enc report FILE.jsonl -o PAGE.html")
    }
    guard let output = options.output else {
      throw CommandError(.usage, "where to? name the page with -o PAGE.html, or -o - for a pipe")
    }
    var reader = try LineReader(input)
    let log = try StatisticsLog(&reader, name: input == "-" ? "standard input" : input)
    if log.isCutOff {
      console.warning("\(log.name) is cut off; its last line is left out")
    }
    let page = ReportPage(log).text
    guard output != "-" else { return page }
    let (file, _) = try OutputFile.open(output)
    try FileIdentity.refuseClashes([
      ("FILE", "the file to read", reader.identity), ("-o", "FILE", file.identity),
    ])
    file.truncate()
    if let failure = OutputDescriptor.writeAll(Array(page.utf8), to: file.descriptor) {
      throw OutputFile.error(failure, writing: output)
    }
    return ""
  }
}
