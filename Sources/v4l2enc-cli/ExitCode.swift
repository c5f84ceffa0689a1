internal import V4L2Encoder

/// How the command ends: in the codes of sysexits.h, and with the verdicts of `qualify`.
enum ExitCode: Int32 {
  case success = 0
  /// What `qualify` tried was not stable.
  case unstable = 1
  /// What `qualify` was to try could not be tried.
  case untested = 2
  case usage = 64
  case badData = 65
  case noInput = 66
  case noDevice = 69
  case software = 70
  case operatingSystem = 71
  case cannotCreate = 73
  case inputOutput = 74
  case timedOut = 75
  case noPermission = 77
  case hungUp = 129
  case interrupted = 130
  case terminated = 143
}

/// Why the command stops: one line with the remedy, and the code to end with.
struct CommandError: Error, Hashable {
  /// How grave it is.
  enum Severity: Hashable {
    /// Something is not as it should be, but what was asked for was done.
    case warning
    case error
  }

  let code: ExitCode
  let message: String
  var severity: Severity

  init(_ code: ExitCode, _ message: String, severity: Severity = .error) {
    self.code = code
    self.message = message
    self.severity = severity
  }
}

extension CommandError {
  /// What the library reported, in the codes of this command.
  init(_ error: EncoderError) {
    guard error.code != .wouldBlock else {
      self.init(
        .timedOut,
        "the encoder cannot keep up (--on-overrun fail); use a smaller picture, fewer frames per "
          + "second, or --on-overrun drop-newest")
      return
    }
    self.init(Self.code(of: error), error.description)
  }

  private static func code(of error: EncoderError) -> ExitCode {
    switch error.code {
    case .deviceUnavailable:
      if let errno = error.errno, errno.isPermission { return .noPermission }
      return .noDevice
    case .notAnEncoder, .deviceBusy, .unsupported: return .noDevice
    case .deviceLost, .recoveryFailed: return .inputOutput
    case .deviceStalled, .consumerStalled, .noSignal: return .timedOut
    case .invalidConfiguration: return .usage
    case .invalidFrame: return .badData
    case .outOfMemory: return .operatingSystem
    default: return .software
    }
  }
}
