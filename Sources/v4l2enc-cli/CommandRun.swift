/// What the commands that encode have in common around their work.
enum CommandRun {
  /// Does the work with signals that end it in good order, which is what `note` says; says what
  /// ended it otherwise.
  @concurrent static func run(
    _ options: EncodeOptions, _ signals: Signals,
    stopping note: String = "what was read is encoded and written",
    _ work: @Sendable (Console, StopRequest) async throws(CommandError) -> ExitCode
  ) async -> ExitCode {
    let console = Console(verbosity: options.verbosity, progress: options.showsProgress)
    do throws(CommandError) {
      let stop = try StopRequest()
      signals.protect(stop, console, note)
      do throws(CommandError) {
        return try await work(console, stop)
      } catch {
        // What was cut off by a stop, such as an input that had not begun, is no failure.
        if let code = signals.exitCode { return code }
        throw error
      }
    } catch {
      console.error(error.message)
      return error.code
    }
  }
}
