internal import V4L2Encoder

/// `v4l2enc devices --dump FILE`.
enum DumpCommand {
  /// Asks one device for everything and writes it down; what is to be shown on standard output.
  static func run(_ options: DevicesOptions, into file: String) throws(CommandError) -> String {
    try checkOptions(options)
    let name = try device(options)
    let trace = try trace(options, besides: file)
    let selector = try DeviceChoice.selector(name, trace?.trace)
    let dump: DeviceDump
    do throws(EncoderError) { dump = try DeviceDump(of: selector) } catch {
      trace?.finish()
      throw CommandError(error)
    }
    if let failure = trace?.finish() { throw failure }
    guard file != "-" else { return dump.jsonText }
    let (output, _) = try OutputFile.open(file)
    output.truncate()
    let bytes = Array(dump.jsonText.utf8)
    if let failure = OutputDescriptor.writeAll(bytes, to: output.descriptor) {
      throw OutputFile.error(failure, writing: file)
    }
    return "\(name): everything \(dump.driver) says of itself is in \(file)\n"
  }

  /// A dump is always whole, always JSON, and of one device.
  private static func checkOptions(_ options: DevicesOptions) throws(CommandError) {
    let meaningless = [
      ("--all", options.showsAll), ("--controls", options.showsControls),
      ("--json", options.asJSON), ("--also", !options.extraPaths.isEmpty && !options.paths.isEmpty),
    ]
    guard let (option, _) = meaningless.first(where: \.1) else { return }
    let what = option == "--also" ? "--dump of a device that is named" : "--dump"
    throw CommandError(.usage, "\(option) changes nothing with \(what); leave it out")
  }

  /// The file of `--trace`, which must not be that of the dump.
  private static func trace(
    _ options: DevicesOptions, besides dump: String
  ) throws(CommandError) -> TraceFile? {
    guard let path = options.tracePath else { return nil }
    let trace = try TraceFile(path)
    do throws(CommandError) {
      try FileIdentity.refuseClashes([
        ("--dump", "the file of --dump", FileIdentity(output: dump)),
        ("--trace", "the file of --trace", trace.file.identity),
      ])
    } catch {
      trace.file.removeIfUnused()
      throw error
    }
    trace.begin()
    return trace
  }

  /// The device that was named, or the only one that is there to be meant.
  private static func device(_ options: DevicesOptions) throws(CommandError) -> String {
    if let first = options.paths.first {
      guard options.paths.count == 1 else {
        throw CommandError(.usage, "--dump is of one device; name one of these")
      }
      return first
    }
    let encoders = DeviceCatalog.devices(besides: options.extraPaths).filter {
      $0.refusal == nil
    }.map(\.path)
    guard let first = encoders.first else {
      throw CommandError(
        .noDevice, "no usable encoder was found; name the device to dump: --dump FILE PATH")
    }
    guard encoders.count == 1 else {
      throw CommandError(
        .usage,
        "--dump is of one device; name one of these encoders: \(encoders.joined(separator: ", "))")
    }
    return first
  }
}
