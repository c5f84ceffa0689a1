/// Drivers that encode one stretch of frames, with one choice of settings, each time they are
/// opened.
extension EngineLoop {
  /// Opens the device anew; both queues are stopped, and what was agreed is gone.
  ///
  /// - Throws: what the opening says, or `deviceLost` when it is another device now.
  func openAnew() throws(EncoderError) {
    let capabilities: DeviceCapabilities
    do throws(Errno) {
      try reopen()
      capabilities = try handle.queryCapabilities()
    } catch {
      throw EncoderError("open", error, device: device.path, while: "opening it anew")
    }
    guard capabilities == device.capabilities else {
      throw EncoderError(
        .deviceLost,
        "\(device.path) is another device since it was opened anew (\(capabilities.card), "
          + "\(capabilities.bus)); open a new encoder")
    }
    try? handle.subscribeEndOfStream()
    engine.observer.emit(.info, "opened \(device.path) anew")
  }

  /// A signal may interrupt it, as it may the first opening.
  private func reopen() throws(Errno) {
    let deadline = MonotonicTime.now + .seconds(2)
    while true {
      do throws(Errno) {
        return try handle.reopen()
      } catch {
        guard error == .interrupted, MonotonicTime.now < deadline else { throw error }
      }
    }
  }

  /// Makes a device that has encoded ready for another stretch with what is in force; the session
  /// ends when that fails.
  mutating func renew() {
    let (inForce, mustCopy, hasReportedCopy) = engine.core.withLock { core in
      core.hasRefusedImport = core.hasRefusedImport || core.mustCopy
      return (core.configuration, core.hasRefusedImport, core.hasReportedCopy)
    }
    var asked = inForce
    if mustCopy { asked.inputMemory = .copied }
    do throws(EncoderError) {
      try startAfresh()
      try prepareStream(asked, keeping: inForce)
      engine.core.withLock { $0.hasReportedCopy = hasReportedCopy }
    } catch {
      engine.fail(error)
    }
  }
}
