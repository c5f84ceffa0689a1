internal import Glibc
internal import V4L2Encoder

/// Everything the command says: lines on standard error, and one status line on a terminal.
final class Console: Sendable {
  /// How much is said.
  enum Verbosity: Int, Sendable {
    case quiet
    case normal
    case verbose
  }

  let verbosity: Verbosity
  let showsStatus: Bool
  private let statusWidth = Locked(0)

  init(verbosity: Verbosity, progress: Bool) {
    self.verbosity = verbosity
    showsStatus = progress && verbosity != .quiet && isatty(STDERR_FILENO) == 1
  }

  /// Says what the user may want to know.
  func note(_ text: @autoclosure () -> String) {
    if verbosity != .quiet { line(text()) }
  }

  /// Says what helps to understand what happens.
  func detail(_ text: @autoclosure () -> String) {
    if verbosity == .verbose { line(text()) }
  }

  /// Says what went wrong although the command goes on.
  func warning(_ text: String) { line("warning: " + text) }

  /// Says why the command stops.
  func error(_ text: String) { line("error: " + text) }

  /// Replaces the status line.
  func status(_ text: String) {
    guard showsStatus else { return }
    statusWidth.withLock { width in
      let padding = String(repeating: " ", count: max(0, width - text.utf8.count))
      width = text.utf8.count
      Self.write("\r" + text + padding)
    }
  }

  private func line(_ text: String) {
    statusWidth.withLock { width in
      let clear = width == 0 ? "" : "\r" + String(repeating: " ", count: width) + "\r"
      width = 0
      Self.write(clear + "v4l2enc: " + text + "\n")
    }
  }

  private static func write(_ text: String) {
    // Nothing can be said about a standard error that takes nothing.
    _ = OutputDescriptor.writeAll(Array(text.utf8), to: STDERR_FILENO)
  }
}
