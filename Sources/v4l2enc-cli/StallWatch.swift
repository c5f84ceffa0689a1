internal import V4L2Encoder

/// Notices a device that stands still while a call into the library does not return.
///
/// The library keeps its deadlines itself, but it cannot take a caller's thread out of a request
/// that the kernel does not end, as when the program behind a device file is frozen.
final class StallWatch: Sendable {
  private struct State {
    var framesIn = 0
    /// Since when the feeder is inside a call; nil while it reads.
    var callStart: MonotonicTime?
    /// When the last packet came, or was written.
    var lastPacket = MonotonicTime.now
    var isWriting = false
  }

  private let state = Locked(State())
  private let patience: Duration

  /// Watches with more patience than the library has, which knows better what is wrong.
  init(_ deadlines: Deadlines, frameRate: Rational) {
    let frames = frameRate.value > 0 ? Duration.seconds(3 / frameRate.value) : .zero
    patience = max(deadlines.progress, frames) + .seconds(3)
  }

  /// Frames that the encoder accepted.
  var framesIn: Int { state.withLock { $0.framesIn } }

  /// A call into the library begins.
  func callBegins() { state.withLock { $0.callStart = .now } }

  /// A call into the library has returned; `accepted` when it took a frame.
  func callEnded(accepted: Bool) {
    state.withLock { state in
      state.callStart = nil
      if accepted { state.framesIn += 1 }
    }
  }

  /// A packet came; until it is written, the output's reader is who everybody waits for.
  func packetCame() { state.withLock { $0.isWriting = true } }

  /// The packet is written.
  func packetIsWritten() {
    state.withLock { state in
      state.isWriting = false
      state.lastPacket = .now
    }
  }

  /// Whether the device stands still.
  func hasStalled(at now: MonotonicTime) -> Bool {
    state.withLock { state in
      guard let start = state.callStart, !state.isWriting else { return false }
      return now - start >= patience && now - state.lastPacket >= patience
    }
  }

  /// Waits until the device stands still; nil when the task is cancelled before.
  func stall(of device: String) async -> CommandError? {
    while true {
      do { try await Task.sleep(for: .milliseconds(500)) } catch { return nil }
      guard hasStalled(at: .now) else { continue }
      return CommandError(
        .timedOut,
        "\(device) has not answered a request for \(patience); it may hang, so restart it")
    }
  }
}
