/// Asks a camera's input for its signal.
struct SignalWatch: Sendable {
  /// What was found.
  enum Reading {
    /// There is a signal, or nothing says otherwise; timings only of digital signals.
    case present(DVTimings?)
    case absent(SignalLoss)
  }

  private let handle: any DeviceHandle
  private let input: Int?
  /// Whether size and rate are those of a digital signal.
  let hasDVTimings: Bool
  /// Whether the driver tells of changes by an event.
  let hasEvents: Bool

  /// Asks to be told of changes at the input in force.
  init(_ handle: any DeviceHandle) {
    self.handle = handle
    input = handle.currentInput()
    hasDVTimings = input.flatMap { handle.input($0) }?.hasDVTimings ?? false
    do throws(Errno) {
      try handle.subscribeSourceChange(input: input ?? 0)
      hasEvents = true
    } catch {
      hasEvents = false
    }
  }

  /// Asks for the signal.
  func read() -> Reading {
    if hasDVTimings {
      do throws(Errno) {
        return .present(try handle.measureTimings())
      } catch {
        if let loss = SignalLoss(timingsErrno: error) { return .absent(loss) }
      }
    }
    if let loss = input.flatMap({ handle.input($0) })?.signalLoss { return .absent(loss) }
    return .present(nil)
  }
}
