internal import V4L2Encoder

/// What went into one output, whichever encoders made it.
final class EncodeTally: Sendable {
  /// How far the output is.
  struct Progress: Sendable {
    var packets = 0
    var bytes = 0
    /// Where the picture ends that is shown last, in units of the time base.
    var outTime: Int64 = 0
    /// Frames of which the encoders that have ended made no picture: skipped or dropped.
    var framesMissing = 0
    /// Since counting began.
    var elapsed = Duration.zero
  }

  private struct State {
    var meter: Meter
    var framesIn = 0
    var framesSkipped = 0
    var framesDropped = 0
  }

  private let state: Locked<State>

  /// Starts counting, and the clock by which the speed is told.
  init(timeBase: Rational, expectedFrames: Int?) {
    state = Locked(State(meter: Meter(timeBase: timeBase, expectedFrames: expectedFrames)))
  }

  /// Counts a packet that was written; its number, and the status line when a new one is due.
  func add(_ packet: EncodedPacket, wantsStatus: Bool) -> (index: Int, status: String?) {
    state.withLock { state in
      state.meter.add(packet)
      return (state.meter.packets - 1, wantsStatus ? state.meter.status() : nil)
    }
  }

  /// Adds what one encoder took, what its driver returned no picture for, and what was not given to
  /// its device.
  func add(framesIn: Int, skipped: Int, dropped: Int) {
    state.withLock { state in
      state.framesIn += framesIn
      state.framesSkipped += skipped
      state.framesDropped += dropped
    }
  }

  /// How far the output is now.
  func progress() -> Progress {
    state.withLock { state in
      Progress(
        packets: state.meter.packets, bytes: state.meter.bytes, outTime: state.meter.outTime,
        framesMissing: state.framesSkipped + state.framesDropped, elapsed: state.meter.elapsed)
    }
  }

  /// Frames that the encoders took.
  var framesIn: Int { state.withLock { $0.framesIn } }
  /// Frames for which the drivers returned no picture.
  var framesSkipped: Int { state.withLock { $0.framesSkipped } }
  /// Packets written.
  var packetsWritten: Int { state.withLock { $0.meter.packets } }

  /// What was done, in one line; `framesLost` is nil for what is no camera.
  func summary(framesLost: Int? = nil) -> String {
    state.withLock { state in
      state.meter.summary(
        framesIn: state.framesIn, skipped: state.framesSkipped, dropped: state.framesDropped,
        lost: framesLost)
    }
  }
}
