internal import Glibc
internal import V4L2Encoder

/// A text file that is written line by line, and flushed in large pieces unless asked otherwise.
///
/// A failure does not stop the encoding; `finish` reports the first one.
final class LineFile: Sendable {
  private struct State {
    var isBegun = false
    var pending: [UInt8] = []
    var failure: CommandError?
  }

  private let file: OpenFile
  private let path: String
  private let created: Bool
  private let state = Locked(State())
  private let flushSize: Int
  /// Whether it is a file on a disk, whose writes do not wait for anybody.
  let isRegular: Bool
  /// When a reader who takes nothing is given up.
  private let limit = Locked(MonotonicTime?.none)

  /// Opens the file without touching what an existing one holds.
  ///
  /// - Parameters:
  ///   - path: where the file is, or will be.
  ///   - flushSize: how many bytes may wait; 0 writes every line at once.
  /// - Throws: `CommandError` when it cannot be opened.
  init(_ path: String, flushSize: Int = 32 << 10) throws(CommandError) {
    self.path = path
    self.flushSize = flushSize
    (file, created) = try OutputFile.open(path)
    isRegular = file.isRegular
  }

  /// Standard output, whose lines are written at once.
  ///
  /// - Throws: `CommandError` when it is closed.
  static func standardOutput(for option: String) throws(CommandError) -> LineFile {
    try StandardStreams.requireOutput(for: "\(option) -")
    return LineFile(OpenFile(StandardStreams.output))
  }

  private init(_ standardOutput: OpenFile) {
    path = "standard output"
    flushSize = 0
    file = standardOutput
    created = false
    isRegular = file.isRegular
  }

  /// Which file this is.
  var identity: FileIdentity? { file.identity }

  /// Cuts off what the file held.
  func begin() {
    state.withLock { $0.isBegun = true }
    // What standard output holds already is not this program's.
    if file.descriptor != StandardStreams.output { file.truncate() }
  }

  /// Removes a file that was created for nothing.
  func removeIfUnused() {
    if created, !state.withLock({ $0.isBegun }) { _ = unsafe unlink(path) }
  }

  /// Adds one line.
  func write(_ line: String) {
    state.withLock { state in
      state.pending += line.utf8
      state.pending.append(0x0a)
      if state.pending.count >= flushSize { flush(&state) }
    }
  }

  /// How long a reader who takes nothing is waited for from now on; nil is without end.
  func limitWaiting(to patience: Duration?) {
    limit.withLock { $0 = patience.map { MonotonicTime.now + $0 } }
  }

  /// Writes what is pending.
  func flush() { state.withLock { flush(&$0) } }

  /// Writes what is pending; the first failure of all, if there was one.
  func finish() -> CommandError? {
    state.withLock { state in
      flush(&state)
      return state.failure
    }
  }

  private func flush(_ state: inout State) {
    guard state.failure == nil, !state.pending.isEmpty else { return }
    let errno =
      isRegular
      ? OutputDescriptor.writeAll(state.pending, to: file.descriptor)
      : OutputDescriptor.writeAll(state.pending, to: file.descriptor) { limit.withLock { $0 } }
    if let errno {
      state.failure = OutputFile.error(errno, writing: path)
    }
    state.pending.removeAll(keepingCapacity: true)
  }
}
