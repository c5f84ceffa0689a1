public import V4L2Encoder

/// What a capture source reported.
public final class CaptureEventLog: Sendable {
  private let log = Locked<[CaptureEvent]>([])

  /// Creates an empty log.
  public init() {}

  /// The observer that fills the log.
  public var observer: CaptureObserver {
    CaptureObserver(event: { [self] event in log.withLock { $0.append(event) } })
  }

  /// Everything so far.
  public var events: [CaptureEvent] { log.withLock { $0 } }

  /// What was reported of the signal so far.
  public var signalEvents: [CaptureEvent] {
    events.filter { event in
      switch event {
      case .signalLost, .signalReturned, .timingsChanged: true
      case .framesLost, .frameCorrupt, .frameUndecodable: false
      }
    }
  }

  /// Waits until an event was reported.
  ///
  /// - Throws: `TestSupportError` when it is not within half a minute.
  public func wait(for event: CaptureEvent) async throws {
    try await eventually(within: .seconds(30), "\(event)") { self.events.contains(event) }
  }
}
