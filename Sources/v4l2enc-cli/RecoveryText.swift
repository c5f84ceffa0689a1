internal import V4L2Encoder

/// What the command says of a device that failed and was opened again.
enum RecoveryText {
  /// One line on a recovery.
  static func line(_ recovery: EncoderRecovery) -> String {
    let seconds = Units.seconds(recovery.duration)
    let attempts = recovery.attempts == 1 ? "" : " at attempt \(recovery.attempts)"
    return "going on after \(seconds) s\(attempts); \(recovery.framesEncodedAgain) frames are "
      + "encoded again"
  }
}
