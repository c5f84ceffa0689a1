/// A value that arrives once, from any thread, and may be waited for up to a deadline.
package final class Deferred<Value: Sendable>: Sendable {
  private struct State {
    var value: Value?
    var isAbandoned = false
    var waiters: [Suspension<Value?>] = []

    mutating func takeWaiters() -> [Suspension<Value?>] {
      defer { waiters = [] }
      return waiters
    }
  }

  private let state = Locked(State())

  package init() {}

  /// Delivers the value; false when it came too late or for the second time.
  @discardableResult
  package func fulfill(_ value: Value) -> Bool {
    let (accepted, waiters) = state.withLock { state -> (Bool, [Suspension<Value?>]) in
      guard state.value == nil, !state.isAbandoned else { return (false, []) }
      state.value = value
      return (true, state.takeWaiters())
    }
    for waiter in waiters { waiter.resume(returning: value) }
    return accepted
  }

  /// Waits for the value; nil when it has not come in time, and then it never will.
  package nonisolated(nonsending) func value(within limit: Duration) async -> Value? {
    let alarm = AlarmClock.shared.set(at: .now + limit) { self.abandon() }
    defer { AlarmClock.shared.cancel(alarm) }
    return await value()
  }

  /// Waits for the value; nil when somebody else, who waited up to a deadline, has given it up.
  package nonisolated(nonsending) func value() async -> Value? {
    await suspend { suspension in
      let (isDone, value) = state.withLock { state -> (Bool, Value?) in
        if state.value != nil || state.isAbandoned { return (true, state.value) }
        state.waiters.append(suspension)
        return (false, nil)
      }
      if isDone { suspension.resume(returning: value) }
    }
  }

  private func abandon() {
    let waiters = state.withLock { state -> [Suspension<Value?>] in
      guard state.value == nil else { return [] }
      state.isAbandoned = true
      return state.takeWaiters()
    }
    for waiter in waiters { waiter.resume(returning: nil) }
  }
}
