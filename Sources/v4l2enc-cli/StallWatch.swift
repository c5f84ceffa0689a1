internal import V4L2Encoder

/// Notices a device that stands still while a call into the library does not return.
///
/// The library keeps its deadlines itself, but it cannot take a caller's thread out of a request
/// that the kernel does not end, as when the program behind a device file is frozen.
final class StallWatch: Sendable {
  private struct State {
    var framesIn = 0
    /// Whether the feeder is inside a call; otherwise it reads.
    var isInCall = false
    var isWriting = false
    /// Whether anything happened since the last look.
    var hasMoved = false
    /// For how many looks nothing has happened.
    var quietLooks = 0
  }

  /// Looks are counted, not time: a process that was stopped for a while has not been looking.
  ///
  /// They are few, since each wakes a process that may have nothing else to do.
  static let interval = Duration.seconds(2)

  private let state = Locked(State())
  private let patience: Duration

  /// Watches with more patience than the library has, which knows better what is wrong.
  init(_ deadlines: Deadlines, frameRate: Rational, recovery: RecoveryPolicy? = nil) {
    let frames = frameRate.value > 0 ? Duration.seconds(3 / frameRate.value) : .zero
    let library = max(deadlines.progress, frames)
    // A caller sits out a whole recovery, and the end of the device before it.
    patience = library + .seconds(3) + (recovery.map { $0.limit + deadlines.setup } ?? .zero)
  }

  /// Frames that the encoder accepted.
  var framesIn: Int { state.withLock { $0.framesIn } }

  /// A call into the library begins.
  func callBegins() { move { $0.isInCall = true } }

  /// A call into the library has returned; `accepted` when it took a frame.
  func callEnded(accepted: Bool) {
    move { state in
      state.isInCall = false
      if accepted { state.framesIn += 1 }
    }
  }

  /// A packet came; until it is written, the output's reader is who everybody waits for.
  func packetCame() { move { $0.isWriting = true } }

  /// The packet is written.
  func packetIsWritten() { move { $0.isWriting = false } }

  private func move(_ change: (inout State) -> Void) {
    state.withLock { state in
      change(&state)
      state.hasMoved = true
    }
  }

  /// Looks whether the device stands still; to be called at every interval.
  func look() -> Bool {
    state.withLock { state in
      let isQuiet = state.isInCall && !state.isWriting && !state.hasMoved
      state.hasMoved = false
      state.quietLooks = isQuiet ? state.quietLooks + 1 : 0
      return Self.interval * state.quietLooks >= patience
    }
  }

  /// Waits until the device stands still; nil when the task is cancelled before.
  func stall(of device: String) async -> CommandError? {
    while true {
      do { try await Task.sleep(for: Self.interval) } catch { return nil }
      guard look() else { continue }
      return CommandError(
        .timedOut,
        "\(device) has not answered a request for \(patience); it may hang, so restart it")
    }
  }
}
