internal import Glibc
internal import V4L2Encoder
internal import VirtualV4L2Device

/// One open file of the device: who waits on it, for what.
///
/// A request that would wait stays unanswered here until a change lets it succeed or a signal
/// interrupts its caller; it occupies no thread meanwhile.
final class OpenFile: Sendable {
  /// A number no other open file of this server ever had.
  let number: UInt64
  /// The device's side.
  let handle: any ServedHandle
  /// Whether the file was non-blocking when it was opened.
  let openedNonBlocking: Bool

  fileprivate struct State {
    var pollWish: PollWish?
    /// What the pollers want to hear of, in poll(2) bits.
    var pollInterest: UInt32 = 0
    var waiting: [WaitingRequest] = []
    /// A thread is trying the waiting requests again; only that thread answers them.
    var isRetrying = false
    /// Something changed since that thread began.
    var mustRetryAgain = false
  }
  private let state = Locked(State())
  /// Called when a waiting request, named by its ticket, was answered.
  private let forget: @Sendable (UInt64) -> Void

  init(
    number: UInt64, handle: any ServedHandle, openedNonBlocking: Bool,
    forget: @escaping @Sendable (UInt64) -> Void
  ) {
    self.number = number
    self.handle = handle
    self.openedNonBlocking = openedNonBlocking
    self.forget = forget
    handle.onChange { [weak self] in self?.somethingChanged() }
  }

  /// Frees everything the program held.
  func close() {
    let (wish, waiting) = state.withLock { state in
      defer { state = State() }
      return (state.pollWish, state.waiting)
    }
    wish?.discard()
    for request in waiting { answer(request, -EBADF) }
    handle.close()
  }

  // MARK: Readiness

  /// What is ready now; keeps `wish` until something of `interest` becomes ready.
  ///
  /// Both under one lock, so that no change falls between.
  func poll(interest: UInt32, wish: PollWish?) -> UInt32 {
    let (bits, superseded) = state.withLock { state in
      var superseded: PollWish?
      if let wish {
        superseded = state.pollWish
        state.pollWish = wish
        state.pollInterest |= interest
      }
      return (handle.readiness().pollBits, superseded)
    }
    superseded?.discard()
    return bits
  }

  private func somethingChanged() {
    let (wish, mustRetry) = state.withLock { state in
      var wish: PollWish?
      if let kept = state.pollWish {
        let bits = handle.readiness().pollBits
        if bits & (state.pollInterest | UInt32(POLLERR | POLLHUP)) != 0 {
          wish = kept
          state.pollWish = nil
          state.pollInterest = 0
        }
      }
      return (wish, state.beginRetrying())
    }
    wish?.notify()
    if mustRetry { retry() }
  }

  // MARK: Requests that wait

  /// Takes a request in that could not be answered yet; `publish` then lets it be answered.
  func add(_ request: WaitingRequest) {
    state.withLock { $0.waiting.append(request) }
  }

  /// Ends the time in which a request is only prepared.
  func publish(_ ticket: UInt64) {
    let mustRetry = state.withLock { state in
      guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else {
        return false
      }
      state.waiting[index].isPublished = true
      return state.beginRetrying()
    }
    if mustRetry { retry() }
  }

  /// Answers a waiting request with an error, unless it has been answered.
  func fail(_ ticket: UInt64, _ error: Int32) {
    let request = state.withLock { state -> WaitingRequest? in
      guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else { return nil }
      guard state.waiting[index].isPublished, !state.isRetrying else {
        state.waiting[index].failure = error
        return nil
      }
      return state.waiting.remove(at: index)
    }
    if let request { answer(request, -error) }
  }

  private func retry() {
    repeat {
      let batch = state.withLock { state in
        state.mustRetryAgain = false
        return state.waiting.filter(\.isPublished)
      }
      for request in batch {
        let result = request.failure.map { -$0 } ?? attempt(request)
        guard result != -EAGAIN || request.failure != nil else { continue }
        state.withLock { $0.waiting.removeAll { $0.ticket == request.ticket } }
        answer(request, result)
      }
    } while state.withLock { $0.continueRetrying() }
  }

  private func attempt(_ request: WaitingRequest) -> Int32 {
    request.argument.withBytes { handle.ioctl(request.command, $0, caller: request.caller) }
  }

  private func answer(_ request: WaitingRequest, _ result: Int32) {
    forget(request.ticket)
    request.argument.withBytes { base in
      request.request.reply(
        result, to: request.command,
        argument: UnsafeRawBufferPointer(start: base, count: request.replySize))
    }
  }
}

extension OpenFile.State {
  /// Whether the caller is to try the waiting requests again; otherwise somebody else will.
  fileprivate mutating func beginRetrying() -> Bool {
    guard waiting.contains(where: \.isPublished) else { return false }
    mustRetryAgain = isRetrying
    defer { isRetrying = true }
    return !isRetrying
  }

  fileprivate mutating func continueRetrying() -> Bool {
    // A failure that came meanwhile was left to the retrying thread.
    isRetrying = mustRetryAgain || waiting.contains { $0.isPublished && $0.failure != nil }
    return isRetrying
  }
}

/// A request whose answer is put off.
struct WaitingRequest: Sendable {
  /// Names the request for as long as the server runs; unlike its address, never used again.
  let ticket: UInt64
  let request: FuseRequest
  let command: UInt32
  let argument: ArgumentCopy
  let replySize: Int
  let caller: CallingThread
  /// Whether it may be answered: not before libfuse knows whom to tell of an interruption.
  var isPublished = false
  /// The errno to answer with, set while only the retrying thread may answer.
  var failure: Int32?
}

/// A request's struct, kept beyond the call that brought it.
// Only the thread that retries or answers a request touches the bytes.
final class ArgumentCopy: @unchecked Sendable {
  private let bytes: UnsafeMutableRawPointer

  init(copying source: UnsafeRawBufferPointer) {
    bytes = .allocate(byteCount: max(source.count, 1), alignment: 16)
    UnsafeMutableRawBufferPointer(start: bytes, count: source.count).copyMemory(from: source)
  }

  deinit { bytes.deallocate() }

  func withBytes<Result>(_ body: (UnsafeMutableRawPointer) -> Result) -> Result {
    withExtendedLifetime(self) { body(bytes) }
  }
}
