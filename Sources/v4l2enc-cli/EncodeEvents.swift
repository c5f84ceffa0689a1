internal import V4L2Encoder

/// Tells what the library reports while it encodes, and counts what was lost.
final class EncodeEvents: Sendable {
  private let console: Console
  private let dropped = Locked(0)
  private let recovering = Locked(false)
  private let listeners = Locked(Listeners())

  init(_ console: Console) { self.console = console }

  /// Encoded pictures that came but belong to no frame, so that they are not in the output.
  var droppedPackets: Int { dropped.withLock { $0 } }

  /// Whether the device has failed and is looked for.
  var isRecovering: Bool { recovering.withLock { $0 } }

  /// Has something done whenever the device has failed and is looked for; `forget` takes it back.
  func whenRecovering(_ action: @escaping Listeners.Action) -> Int {
    listeners.withLock { $0.add(action) }
  }

  func forget(_ number: Int) { _ = listeners.withLock { $0.remove(number) } }

  /// What the library reports to.
  var observer: EncoderObserver {
    EncoderObserver(level: .debug) { [console] _, message in
      console.detail(message)
    } event: { [self] event in
      take(event)
    }
  }

  /// Says or counts one event.
  func take(_ event: EncoderEvent) {
    switch event {
    case .frameDropped(let time, let reason): console.detail("frame \(time) was dropped: \(reason)")
    case .frameRateDivided(1): console.note("the device keeps up again: every frame is encoded")
    case .frameRateDivided(let divisor):
      console.warning("the device cannot keep up: one of \(divisor) frames is encoded")
    case .frameSkipped(let time): console.detail("frame \(time) was skipped by the driver")
    case .corruptPacket(let time): console.warning("the driver marked frame \(time) as spoiled")
    case .unmatchedPacket(let count):
      dropped.withLock { $0 += 1 }
      console.detail("\(count) bytes came that belong to no frame; they were dropped")
    case .importRefused(let errno):
      console.warning("the driver cannot read frames in place (\(errno)); they are copied")
    case .frameCopied(let reason):
      console.warning("a frame is copied instead of being read in place: \(reason)")
    case .parameterSetsChanged(let time):
      console.detail("from frame \(time) on the stream has other parameter sets")
    case .reconfigured(let report): console.detail("the encoder goes on: \(report.summary)")
    case .streamSizeDiffers(let size):
      console.warning("the driver encodes \(size) instead of the size that was asked for")
    case .recovering(let error):
      recovering.withLock { $0 = true }
      console.warning("\(error.finding); trying to go on")
      for action in listeners.withLock({ $0.all }) { action() }
    case .recovered(let recovery):
      recovering.withLock { $0 = false }
      console.warning(RecoveryText.line(recovery))
    case .frameLost(let time): console.warning("frame \(time) was lost with the device")
    }
  }

  /// What is wrong with a stream that is complete as far as the library can tell, if the driver
  /// returned no picture for `skipped` frames.
  func losses(skipped: Int, isAsked: Bool) -> [CommandError] {
    var losses: [CommandError] = []
    let dropped = droppedPackets
    if dropped > 0 {
      losses.append(
        CommandError(
          .inputOutput,
          "the driver returned \(dropped) pictures with times of no frame; they are missing in the "
            + "output, so use another driver or device"))
    }
    if skipped > 0, !isAsked {
      losses.append(
        CommandError(
          .success,
          "the driver returned no picture for \(skipped) frames; a higher bitrate or --max-qp may "
            + "keep it from skipping", severity: .warning))
    }
    return losses
  }
}
