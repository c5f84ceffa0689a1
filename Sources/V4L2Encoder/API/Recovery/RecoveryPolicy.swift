/// How hard it is tried to go on after a device failed.
public struct RecoveryPolicy: Hashable, Sendable {
  /// How many times in a row an encoder is opened without any packet coming out of it.
  public var attempts: Int
  /// The pause before the second attempt; the first one follows at once, and every further pause is
  /// twice as long as the one before.
  public var firstPause: Duration
  /// No pause is longer.
  public var longestPause: Duration
  /// How long one recovery may look for an encoder, pauses included.
  public var limit: Duration

  /// Creates a policy; opening an encoder refuses one with negative numbers.
  public init(
    attempts: Int = 8, firstPause: Duration = .milliseconds(100),
    longestPause: Duration = .seconds(5), limit: Duration = .seconds(30)
  ) {
    self.attempts = attempts
    self.firstPause = firstPause
    self.longestPause = longestPause
    self.limit = limit
  }

  /// What makes no sense in it, as a sentence; nil for nothing.
  var finding: String? {
    guard attempts >= 0 else { return "\(attempts) recovery attempts; give 0 or more" }
    let times = [
      ("first pause", firstPause), ("longest pause", longestPause), ("time limit", limit),
    ]
    return times.first { $0.1 < .zero }.map { name, time in
      "the recovery's \(name) is \(time); give 0 or more"
    }
  }

  /// How long to wait before an attempt; the first is number 1.
  func pause(before attempt: Int) -> Duration {
    guard attempt > 1 else { return .zero }
    return min(longestPause, firstPause * (1 << min(attempt - 2, 20)))
  }
}

/// A device that failed, for whoever may know another encoder.
public struct DeviceLoss: Sendable {
  /// What ended the encoder, or the last attempt to open it again.
  public let error: EncoderError
  /// How many attempts have failed since the last packet.
  public let failedAttempts: Int
  /// Whether the device will not be tried again, so that no answer means the end.
  ///
  /// Never true when ``RecoveryPolicy/limit`` ends a recovery before its attempts are used up.
  public let isLastResort: Bool
  /// What the frames are and what is to be done with them: what was in force when the encoder
  /// failed.
  public let configuration: EncoderConfiguration
  /// What another encoder must report to: ``EncoderObserver/frameLeft`` tells which frames need not
  /// be encoded again, should that encoder fail too.
  public let observer: EncoderObserver
}

/// What a recovery was.
public struct EncoderRecovery: Hashable, Sendable {
  /// What the encoder ended with.
  public var cause: EncoderError
  /// How many attempts it took.
  public var attempts: Int
  /// How many frames were encoded again because their packets had not come out.
  public var framesEncodedAgain: Int
  /// From the failure until all of them were with the new encoder.
  public var duration: Duration
}
