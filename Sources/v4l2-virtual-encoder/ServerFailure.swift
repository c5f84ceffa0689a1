internal import Glibc

/// Why the server cannot start: one line for the user, with the remedy, and the exit code.
struct ServerFailure: Error {
  let message: String
  let exitCode: Int32

  /// What to use where device files cannot be served.
  static let inProcessRemedy =
    "use the in-process device instead: v4l2enc encode … --device virtual"

  static func usage(_ message: String) -> ServerFailure {
    ServerFailure(message: "\(message) (see --help)", exitCode: EX_USAGE)
  }

  static func unavailable(_ message: String) -> ServerFailure {
    ServerFailure(message: message, exitCode: EX_UNAVAILABLE)
  }

  static func notPermitted(_ message: String) -> ServerFailure {
    ServerFailure(message: message, exitCode: EX_NOPERM)
  }

  static func cannotCreate(_ message: String) -> ServerFailure {
    ServerFailure(message: message, exitCode: EX_CANTCREAT)
  }

  static func system(_ message: String) -> ServerFailure {
    ServerFailure(message: message, exitCode: EX_OSERR)
  }
}

/// The system's words for an error number.
func describe(errno number: Int32) -> String { String(cString: strerror(number)) }

/// Writes one line to standard error.
func report(_ message: String) {
  let line = "v4l2-virtual-encoder: \(message)\n"
  _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}
