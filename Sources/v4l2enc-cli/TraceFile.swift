internal import V4L2Encoder

/// The file of `--trace`, complete up to the last request whatever ends the command.
struct TraceFile: Sendable {
  let trace: DeviceTrace
  let file: LineFile

  /// Opens the file without touching what an existing one holds.
  init(_ path: String) throws(CommandError) {
    let file = try LineFile(path, flushSize: 0)
    self.file = file
    trace = DeviceTrace { file.write($0) }
  }

  /// Cuts off what the file held, and writes what it begins with.
  func begin() {
    file.begin()
    file.write(
      "# v4l2enc \(V4L2EncCommand.version) trace: seconds, handle, request and what was given -> "
        + "result and what came back (duration)")
  }

  /// Writes down what has not returned; why the file could not be written, if it could not.
  @discardableResult
  func finish() -> CommandError? {
    trace.finish()
    return file.finish()
  }
}
