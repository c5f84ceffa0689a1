/// Calls that may never return, such as opening the node of a driver that hangs.
package enum BoundedCall {
  /// Runs `body` on a thread of its own; nil when it has not returned in time.
  ///
  /// The thread is left behind then: a request that hangs in the kernel cannot be called off.
  ///
  /// - Throws: what the system says when it has no room for the thread.
  package static func run<Value: Sendable>(
    named name: String, within limit: Duration, _ body: @escaping @Sendable () -> Value
  ) throws(Errno) -> Value? {
    let outcome = try Outcome<Value>()
    try DeviceThread.start(named: name) { outcome.finish(body()) }
    return try outcome.value(until: .now + limit)
  }
}

/// A value that one thread makes and another waits for.
private final class Outcome<Value: Sendable>: Sendable {
  private let value = Locked(Value?.none)
  private let isDone: EventSignal

  init() throws(Errno) { isDone = try EventSignal() }

  func finish(_ result: Value) {
    value.withLock { $0 = result }
    isDone.raise()
  }

  func value(until deadline: MonotonicTime) throws(Errno) -> Value? {
    while true {
      if let value = value.withLock({ $0 }) { return value }
      guard MonotonicTime.now < deadline else { return nil }
      try isDone.wait(until: deadline)
    }
  }
}
