internal import V4L2Encoder

/// Tells what a camera reports while it runs.
final class CameraEvents: Sendable {
  private let console: Console
  private let path: String
  private let patience: SignalPatience

  init(_ console: Console, path: String, patience: SignalPatience) {
    self.console = console
    self.path = path
    self.patience = patience
  }

  /// What the camera reports to.
  var observer: CaptureObserver { CaptureObserver { [self] event in take(event) } }

  /// Says one event.
  func take(_ event: CaptureEvent) {
    switch event {
    case .signalLost(let loss):
      console.warning("\(path): \(loss); \(wait)")
    case .signalReturned:
      console.note("\(path): the signal is back")
    case .timingsChanged(let size, let rate):
      console.note("\(path): the signal is now \(size)" + (rate.map { " at \($0) fps" } ?? ""))
    case .framesLost(let count, let sequence):
      console.detail("the camera lost \(count) frames before number \(sequence)")
    case .frameCorrupt(let sequence):
      console.detail("the camera's driver marked frame number \(sequence) as spoiled")
    case .frameUndecodable(let sequence, let reason):
      console.detail("frame number \(sequence) is left out: \(reason)")
    }
  }

  private var wait: String {
    switch patience {
    case .forEver: "waiting for it until stopped"
    case .upTo(let duration):
      "waiting \(Units.seconds(duration)) s for it (--signal-wait)"
    }
  }

  /// What is wrong with the pictures although the output is complete.
  static func losses(_ statistics: CaptureStatistics) -> [CommandError] {
    var losses: [CommandError] = []
    if statistics.framesUndecodable > 0 {
      losses.append(
        CommandError(
          .success,
          "\(statistics.framesUndecodable) of the camera's JPEG pictures were damaged and are left "
            + "out; check its cable, or use another --format", severity: .warning))
    }
    if statistics.framesCorrupt > 0 {
      losses.append(
        CommandError(
          .success,
          "the camera's driver marked \(statistics.framesCorrupt) frames as spoiled; "
            + "check its cable",
          severity: .warning))
    }
    return losses
  }
}
