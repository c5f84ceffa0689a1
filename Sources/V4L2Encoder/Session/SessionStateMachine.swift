/// What a session may do next, and nothing else: no I/O, no clock, no continuation.
///
/// ```
/// streaming ─drain─▶ stopping ─frames settled─▶ draining ─end─▶ drained
///   drained ─encode─▶ restarting ─▶ streaming
/// any state ─▶ failed(error), closed
/// ```
package struct SessionStateMachine: Sendable {
  /// Where the session stands.
  package enum State: Hashable, Sendable {
    /// Frames are accepted.
    case streaming
    /// A drain was asked for; frames that are being written are waited for.
    case stopping
    /// The driver was told to stop; buffers come until one ends the drain.
    case draining(EndSign)
    /// Everything is out; the queues must be restarted before the next frame.
    case drained
    /// The queues are being restarted.
    case restarting
    /// The device failed; nothing more can be done with it.
    case failed(EncoderError)
    /// The session was closed.
    case closed
  }

  /// What the driver has said of the end of a drain, short of saying it for certain.
  package enum EndSign: Hashable, Sendable {
    /// Nothing.
    case none
    /// Something that may mean the end: an empty buffer, which is a skipped frame elsewhere, or
    /// that the driver knows no stop command.
    case vague
    /// The end-of-stream event, which may overtake buffers.
    case announced
  }

  /// What `encode` may do.
  package enum Admission: Hashable, Sendable {
    /// Take a free buffer.
    case proceed
    /// Wait: a drain or a restart is under way.
    case wait
    /// Ask for a restart, then wait.
    case restart
    /// Give up.
    case refuse(EncoderError)
  }

  /// What the device thread must do.
  package enum Command: Hashable, Sendable {
    /// Send `V4L2_ENC_CMD_STOP`.
    case stop
    /// STREAMOFF and STREAMON on both queues.
    case restart
    /// Clean up and end.
    case exit
  }

  package private(set) var state = State.streaming
  /// Frames between the reservation of a buffer and the end of their QBUF.
  package private(set) var framesInTransit = 0
  /// Whether any frame was queued since the queues were started.
  package private(set) var hasQueuedFrames = false
  private var command: Command?

  package init() {}

  /// The error that ends every further call, if there is one.
  package var terminalError: EncoderError? {
    switch state {
    case .failed(let error): error
    case .closed: EncoderError(.closed, "the encoder is closed")
    case .streaming, .stopping, .draining, .drained, .restarting: nil
    }
  }

  /// Whether CAPTURE buffers (encoded bytes) may still come.
  package var expectsPackets: Bool {
    switch state {
    case .streaming, .stopping, .draining: true
    case .drained, .restarting, .failed, .closed: false
    }
  }

  /// Asks what a frame that wants to be encoded may do.
  package mutating func admit() -> Admission {
    switch state {
    case .streaming: return .proceed
    case .stopping, .draining, .restarting: return .wait
    case .drained:
      state = .restarting
      command = .restart
      return .restart
    case .failed, .closed:
      guard let terminalError else { return .wait }
      return .refuse(terminalError)
    }
  }

  /// A buffer was reserved for a frame.
  package mutating func frameReserved() { framesInTransit += 1 }

  /// A reserved buffer was queued, or given back unused.
  package mutating func frameSettled(queued: Bool) {
    framesInTransit -= 1
    if queued { hasQueuedFrames = true }
    stopIfSettled()
  }

  /// Somebody wants everything out; false when there is nothing to wait for.
  package mutating func requestDrain() -> Bool {
    switch state {
    case .streaming:
      guard hasQueuedFrames || framesInTransit > 0 else { return false }
      state = .stopping
      stopIfSettled()
      return true
    case .stopping, .draining: return true
    case .drained, .restarting, .failed, .closed: return false
    }
  }

  /// Somebody wants other buffers or settings; false while frames are about, which must be drained
  /// before.
  package mutating func requestRestart() -> Bool {
    guard framesInTransit == 0, state == .drained || (state == .streaming && !hasQueuedFrames)
    else { return false }
    state = .restarting
    command = .restart
    return true
  }

  private mutating func stopIfSettled() {
    guard state == .stopping, framesInTransit == 0 else { return }
    if hasQueuedFrames {
      state = .draining(.none)
      command = .stop
    } else {
      // The only frame was given back unused: there is nothing to drain.
      state = .streaming
    }
  }

  /// Whether `nextCommand` would give one.
  package var hasCommand: Bool { command != nil }

  /// What the device thread must do now; each command is given once.
  package mutating func nextCommand() -> Command? {
    if case .restart = command, framesInTransit > 0 { return nil }
    defer { command = nil }
    return command
  }

  /// A CAPTURE buffer (encoded bytes) came; true when it ends the drain, which `drained` completes.
  ///
  /// An empty buffer is a skipped frame on some drivers and the end on s5p-mfc; without the LAST
  /// flag it ends the drain only if nothing is missing any more, else after a silence.
  package mutating func captureDequeued(
    isLast: Bool, isEmpty: Bool, nothingPending: Bool
  ) -> Bool {
    guard case .draining(let sign) = state else { return false }
    if isLast || (nothingPending && (isEmpty || sign != .none)) { return true }
    if isEmpty, sign == .none { state = .draining(.vague) }
    return false
  }

  /// DQBUF said EPIPE, or every frame is back from a driver that has no stop command; true when
  /// that ends the drain, false when no drain is under way.
  package func endOfStreamReached() -> Bool {
    guard case .draining = state else { return false }
    return true
  }

  /// The driver's end-of-stream event came.
  ///
  /// The event may overtake buffers that wait to be dequeued, so a silence must follow it.
  package mutating func endOfStreamAnnounced() {
    guard case .draining = state else { return }
    state = .draining(.announced)
  }

  /// The driver knows no stop command: only its silence, or the last packet, can end the drain.
  package mutating func stopIsUnknown() {
    guard case .draining(.none) = state else { return }
    state = .draining(.vague)
  }

  /// Nothing came for a while after a sign of the end; true when that ends the drain.
  package func silencePassed() -> Bool {
    guard case .draining(let sign) = state, sign != .none else { return false }
    return true
  }

  /// The drain's end is in every table; only now may anybody who waited for it go on.
  package mutating func drained() {
    guard case .draining = state else { return }
    state = .drained
    hasQueuedFrames = false
  }

  /// The queues stream again.
  package mutating func restarted() {
    guard case .restarting = state else { return }
    state = .streaming
  }

  /// The device failed; the first error stays.
  package mutating func fail(_ error: EncoderError) {
    switch state {
    case .failed, .closed: return
    case .streaming, .stopping, .draining, .drained, .restarting:
      state = .failed(error)
      command = nil
    }
  }

  /// Nobody wants the session any more.
  package mutating func close() {
    state = .closed
    command = .exit
  }
}
