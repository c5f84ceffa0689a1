/// Writes down everything that goes between this library and a device, a line for each request.
///
/// A line gives the seconds since the trace began, the number of the handle, the request with what
/// was given, then what came back and how long that took:
///
/// ```
/// 0.004127 1 VIDIOC_S_FMT capture-mplane H264 1280x720 planes 0/524288 -> 0 H264 1280x720 … (9 us)
/// ```
///
/// Give it to a device by ``DeviceSelector/traced(by:)``. A device that is not traced is not slowed
/// down.
public final class DeviceTrace: Sendable {
  private struct Call {
    var text: String
    var start: MonotonicTime
    /// Whether a line has said already that it does not return.
    var isOverdue = false
  }

  private struct State {
    var calls: [Int: Call] = [:]
    var callCount = 0
    var handleCount = 0
  }

  /// A request that has been made and has not returned yet.
  struct Token {
    fileprivate var number: Int
  }

  private let start = MonotonicTime.now
  private let state = Locked(State())
  private let write: @Sendable (String) -> Void

  /// Creates a trace.
  ///
  /// - Parameter write: takes one line without its end; called from any thread, by one at a time,
  ///   while the device waits.
  public init(write: @escaping @Sendable (_ line: String) -> Void) { self.write = write }

  /// Writes down the requests that have not returned, to be called when nobody waits for them any
  /// more.
  public func finish() {
    state.withLock { state in
      for number in state.calls.keys.sorted() {
        guard let call = state.calls[number], !call.isOverdue else { continue }
        report(call, "not returned after", until: .now)
        state.calls[number]?.isOverdue = true
      }
    }
  }

  func nextHandle() -> Int {
    state.withLock { state in
      state.handleCount += 1
      return state.handleCount
    }
  }

  func begin(_ text: String) -> Token {
    let now = MonotonicTime.now
    return state.withLock { state in
      reportOverdueCalls(&state, now)
      state.callCount += 1
      state.calls[state.callCount] = Call(text: text, start: now)
      return Token(number: state.callCount)
    }
  }

  func end(_ token: Token, _ result: @autoclosure () -> String) {
    let now = MonotonicTime.now
    state.withLock { state in
      guard let call = state.calls.removeValue(forKey: token.number) else { return }
      let microseconds = (now - call.start).inNanoseconds / 1000
      write("\(stamp(call.start)) \(call.text) -> \(result()) (\(microseconds) us)")
    }
  }

  /// What hangs is seen in the trace even when the process is ended from outside.
  private func reportOverdueCalls(_ state: inout State, _ now: MonotonicTime) {
    for (number, call) in state.calls where !call.isOverdue && now - call.start > .seconds(2) {
      report(call, "not returned yet after", until: now)
      state.calls[number]?.isOverdue = true
    }
  }

  private func report(_ call: Call, _ what: String, until now: MonotonicTime) {
    let milliseconds = (now - call.start).inNanoseconds / 1_000_000
    write("\(stamp(call.start)) \(call.text) -> \(what) \(milliseconds) ms")
  }

  private func stamp(_ time: MonotonicTime) -> String {
    let microseconds = (time - start).inNanoseconds / 1000
    let fraction = String(microseconds % 1_000_000)
    return "\(microseconds / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count)
      + fraction
  }
}
