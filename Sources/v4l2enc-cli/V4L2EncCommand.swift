internal import Glibc
internal import V4L2Encoder

/// The command `v4l2enc`.
@main
struct V4L2EncCommand {
  static let version = "0.1.0"

  static func main() {
    // Before anything else opens a file.
    StandardStreams.keepOutputPrivate()
    let signals = Signals()
    let arguments = Array(CommandLine.arguments.dropFirst())
    // The pool for tasks wakes once a second for as long as it exists (libdispatch's
    // `_dispatch_workq_monitor_pools`); what needs no more than one thread leaves it alone.
    let thread = try? WorkerThread()
    Task.detached(executorPreference: thread) {
      let code = await run(arguments, signals)
      exit(code.rawValue)
    }
    // An asynchronous `main` would leave this thread to the runtime, which lets signals in.
    signals.serve()
  }

  /// The page that lists the commands.
  static let help =
    """
    v4l2enc encodes raw video to H.264 and HEVC on V4L2 memory-to-memory devices.

    Usage: v4l2enc COMMAND [options]

    Commands:
      encode     Encode a raw or y4m file, a pipe or a test picture
      capture    Encode what a camera sends
      devices    List video devices and what they can do
      report     Make a page with charts of what --stats wrote
      qualify    Try how many streams a board encodes, and for how long

    Options:
      -h, --help     This text; v4l2enc COMMAND --help says more
      --version      The version

    Examples:
      v4l2enc devices
      v4l2enc encode clip.y4m -o clip.h264 --bitrate 4M
      v4l2enc encode test:motion -o test.hevc --device virtual
      v4l2enc capture /dev/video0 -o camera.h264 --duration 60
      v4l2enc report clip.jsonl -o clip.html
      ffmpeg -i clip.mp4 -f yuv4mpegpipe - | v4l2enc encode - -o clip.h264

    """

  private static func run(_ arguments: [String], _ signals: Signals) async -> ExitCode {
    let console = Console(verbosity: .normal, progress: false)
    do throws(CommandError) {
      return try await dispatch(arguments, signals)
    } catch {
      console.error(error.message)
      return error.code
    }
  }

  private static func dispatch(
    _ arguments: [String], _ signals: Signals
  ) async throws(CommandError) -> ExitCode {
    guard let command = arguments.first else {
      throw CommandError(
        .usage,
        "which command? encode, capture, devices, report or qualify (v4l2enc --help says more)")
    }
    let rest = Array(arguments.dropFirst())
    switch command {
    case "encode":
      switch try EncodeArguments.table.parse(rest, into: EncodeOptions()) {
      case .help: return try show(Help.page(EncodeArguments.table))
      case .run(let options): return await EncodeCommand.run(options, signals)
      }
    case "capture":
      switch try CaptureArguments.table.parse(rest, into: CaptureOptions()) {
      case .help: return try show(Help.page(CaptureArguments.table))
      case .run(let options): return await CaptureCommand.run(options, signals)
      }
    case "devices":
      switch try DevicesCommand.table.parse(rest, into: DevicesOptions()) {
      case .help: return try show(Help.page(DevicesCommand.table))
      case .run(let options):
        if let file = options.dumpPath { return try show(try DumpCommand.run(options, into: file)) }
        let reports = try DevicesCommand.reports(options)
        return try show(
          DevicesCommand.list(reports, options),
          ending: DevicesCommand.exitCode(reports, options))
      }
    case "report":
      switch try ReportCommand.table.parse(rest, into: ReportOptions()) {
      case .help: return try show(Help.page(ReportCommand.table))
      case .run(let options):
        let console = Console(verbosity: .normal, progress: false)
        return try show(try ReportCommand.run(options, console))
      }
    case "qualify":
      switch try QualifyArguments.table.parse(rest, into: QualifyOptions()) {
      case .help: return try show(Help.page(QualifyArguments.table))
      case .run(let options): return await QualifyCommand.run(options, signals)
      }
    case "--help", "-h", "help": return try show(help)
    case "--version": return try show("v4l2enc \(version)\n")
    default:
      let known = ["encode", "capture", "devices", "report", "qualify", "--help", "--version"]
      let kind = command.hasPrefix("-") ? "option" : "command"
      throw CommandError(
        .usage,
        "unknown \(kind) \(command)\(Suggestion.sentence(for: command, in: known))"
          + "; v4l2enc --help lists all")
    }
  }

  /// Writes to standard output.
  private static func show(
    _ text: String, ending code: ExitCode = .success
  ) throws(CommandError) -> ExitCode {
    try StandardStreams.requireOutput()
    if let failure = OutputDescriptor.writeAll(Array(text.utf8), to: StandardStreams.output) {
      throw OutputFile.error(failure, writing: "standard output")
    }
    return code
  }
}
