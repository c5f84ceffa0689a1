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
    /// When anything happened last of all.
    var lastMove: MonotonicTime
    var lastLook: MonotonicTime
    /// When the next look is due.
    var nextLook: MonotonicTime
    /// For how long nothing was seen to happen.
    var quiet = Duration.zero
    var alarm: AlarmClock.Alarm?
    var isEnded = false
  }

  /// How long one look may add to a silence that comes to its end.
  ///
  /// A process that was stopped for a while has not been looking, and its device may need a moment.
  static let interval = Duration.seconds(2)

  private let state: Locked<State>
  private let patience: Duration
  private let clock: @Sendable () -> MonotonicTime

  /// Watches with more patience than the library has, which knows better what is wrong.
  init(
    _ deadlines: Deadlines, frameRate: Rational, recovery: RecoveryPolicy? = nil,
    clock: @escaping @Sendable () -> MonotonicTime = { .now }
  ) {
    let frames = frameRate.value > 0 ? Duration.seconds(3 / frameRate.value) : .zero
    let library = max(deadlines.progress, frames)
    // A caller sits out a whole recovery, and the end of the device before it.
    patience = library + .seconds(3) + (recovery.map { $0.limit + deadlines.setup } ?? .zero)
    self.clock = clock
    let now = clock()
    state = Locked(State(lastMove: now, lastLook: now, nextLook: now + patience))
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
    let now = clock()
    state.withLock { state in
      change(&state)
      // Another thread's may be newer.
      state.lastMove = max(state.lastMove, now)
    }
  }

  // MARK: - Looking

  /// When the next look is due.
  var nextLook: MonotonicTime { state.withLock { $0.nextLook } }

  /// Looks whether the device stands still.
  ///
  /// Looks are few, since each wakes a process that may have nothing else to do: one in `patience`
  /// while all goes well, and one that confirms what the last of them saw.
  func look() -> Bool {
    let now = clock()
    return state.withLock { state in
      let mark = patience - Self.interval
      if state.isInCall, !state.isWriting {
        let before = state.lastMove > state.lastLook ? Duration.zero : state.quiet
        let since = now - max(state.lastMove, state.lastLook)
        let wasLate = now - state.nextLook > Self.interval
        let limit = wasLate ? before : max(before, mark - Self.interval)
        state.quiet = min(before + since, limit + Self.interval)
      } else {
        state.quiet = .zero
      }
      let rest: Duration =
        if state.quiet < Self.interval { patience } else { max(Self.interval, mark - state.quiet) }
      state.lastLook = now
      state.nextLook = now + rest
      return state.quiet >= patience
    }
  }

  /// Looks from time to time until `end`, and calls `stalled` once if the device stands still.
  ///
  /// - Parameters:
  ///   - device: the path of the device.
  ///   - input: a file that is read within calls into the library, which may hang there as well.
  ///   - stalled: called by the alarm clock; must be quick.
  func begin(
    _ device: String, input: String? = nil, stalled: @escaping @Sendable (CommandError) -> Void
  ) {
    let alarm = AlarmClock.shared.set(at: nextLook) { [weak self] in
      guard let self, !state.withLock({ $0.isEnded }) else { return }
      guard look() else { return begin(device, input: input, stalled: stalled) }
      let remedy =
        input.map { ", or reading \($0) hangs; restart the device, or what serves the file" }
        ?? "; it may hang, so restart it"
      stalled(
        CommandError(
          .timedOut, "\(device) has not answered a request for \(patience)\(remedy)"))
    }
    let isEnded = state.withLock { state in
      state.alarm = alarm
      return state.isEnded
    }
    if isEnded { AlarmClock.shared.cancel(alarm) }
  }

  /// Looks no more.
  func end() {
    let alarm = state.withLock { state in
      state.isEnded = true
      return state.alarm
    }
    if let alarm { AlarmClock.shared.cancel(alarm) }
  }
}
