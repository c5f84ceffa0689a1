internal import Glibc
internal import Synchronization
internal import V4L2Encoder

/// That somebody wants the command to end early; wakes a reader that waits for input.
final class StopRequest: Sendable {
  private let raised = Atomic(false)
  private let listeners = Locked(Listeners())
  private let readEnd: OpenFile
  private let writeEnd: OpenFile

  /// Creates a request that nobody has made yet.
  init() throws(CommandError) {
    var ends: (Int32, Int32) = (-1, -1)
    let result = unsafe withUnsafeMutableBytes(of: &ends) { buffer in
      unsafe pipe(buffer.assumingMemoryBound(to: Int32.self).baseAddress)
    }
    guard result == 0 else {
      throw CommandError(.operatingSystem, "pipe: \(Errno.last.text)")
    }
    readEnd = OpenFile(ends.0)
    writeEnd = OpenFile(ends.1)
  }

  var isRaised: Bool { raised.load(ordering: .acquiring) }

  /// Asks for the end; asking twice is the same as once.
  func raise() {
    guard !raised.exchange(true, ordering: .acquiringAndReleasing) else { return }
    // The byte stays in the pipe, so every later wait ends at once as well.
    _ = OutputDescriptor.writeAll([0], to: writeEnd.descriptor)
    for action in listeners.withLock({ $0.removeAll() }) { action() }
  }

  /// Has something done when a stop is asked for, or at once if it was; `forget` takes it back.
  @discardableResult
  func whenRaised(_ action: @escaping Listeners.Action) -> Int? {
    let number = listeners.withLock { listeners in isRaised ? nil : listeners.add(action) }
    if number == nil { action() }
    return number
  }

  func forget(_ number: Int?) {
    if let number { _ = listeners.withLock { $0.remove(number) } }
  }

  /// Waits until the descriptor can be read; false when a stop was asked for first.
  func waitUnlessRaised(forReading descriptor: Int32) -> Bool {
    while !isRaised {
      var waits = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: readEnd.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      let count = unsafe poll(&waits, nfds_t(waits.count), -1)
      // POLLERR and POLLHUP count: read(2) says what they mean.
      if count > 0, waits[0].revents != 0, !isRaised { return true }
      if count < 0, Errno.last.rawValue != EINTR { return true }
    }
    return false
  }
}
