internal import Foundation
internal import V4L2Encoder

/// Runs `operation` and fails when it takes longer than `limit`.
///
/// An operation that is late is cancelled and abandoned, even one that ignores cancellation, so
/// that a test fails by name where it would hang.
///
/// - Parameters:
///   - limit: how long the operation may take.
///   - what: what to call the operation in the failure.
///   - operation: what to run.
/// - Returns: what `operation` returns.
/// - Throws: `TestSupportError` at the deadline, and what `operation` throws.
public func withDeadline<Value: Sendable>(
  _ limit: Duration = .seconds(30), _ what: String = "the operation",
  _ operation: @escaping @concurrent @Sendable () async throws -> Value
) async throws -> Value {
  let race = Race<Value>()
  let work = Task { race.finish(await Result(catching: operation)) }
  let alarm = Task {
    try await Task.sleep(for: limit)
    race.finish(.failure(TestSupportError("\(what) took longer than \(limit)")))
  }
  defer {
    work.cancel()
    alarm.cancel()
  }
  return try await withTaskCancellationHandler {
    try await race.result()
  } onCancel: {
    work.cancel()
  }
}

/// Waits until `condition` holds and fails when it does not within `limit`.
///
/// For what gives no notice of its own, such as a file another process makes.
///
/// - Throws: `TestSupportError` at the deadline, and what `condition` throws.
public func eventually(
  within limit: Duration = .seconds(10), _ what: String,
  _ condition: @escaping @concurrent @Sendable () async throws -> Bool
) async throws {
  try await withDeadline(limit, what) {
    while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
  }
}

extension Result where Failure == any Error, Success: Sendable {
  fileprivate init(catching body: @concurrent @Sendable () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}

/// Hands the first of several results to one waiter.
private final class Race<Value: Sendable>: Sendable {
  private struct State {
    var result: Result<Value, any Error>?
    var waiter: CheckedContinuation<Value, any Error>?
  }
  private let state = Locked(State())

  func finish(_ result: Result<Value, any Error>) {
    let waiter = state.withLock { state -> CheckedContinuation<Value, any Error>? in
      guard state.result == nil else { return nil }
      state.result = result
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume(with: result)
  }

  func result() async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      let result = state.withLock { state in
        if state.result == nil { state.waiter = continuation }
        return state.result
      }
      if let result { continuation.resume(with: result) }
    }
  }
}
