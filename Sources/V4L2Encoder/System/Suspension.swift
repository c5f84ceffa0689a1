/// A suspended task that waits for exactly one `resume`.
///
/// The standard library's unchecked continuation, which allocates nothing, behind an interface
/// that the rest of the package can use without touching unsafe code. Whoever stores one must
/// resume it once; the tables that do so take it out before.
@safe package struct Suspension<Value: Sendable>: Sendable {
  private let continuation: UnsafeContinuation<Value, Never>

  fileprivate init(_ continuation: UnsafeContinuation<Value, Never>) {
    unsafe self.continuation = continuation
  }

  package func resume(returning value: Value) { unsafe continuation.resume(returning: value) }
}

/// Suspends the calling task; `body` stores the suspension where somebody will resume it.
package nonisolated(nonsending) func suspend<Value: Sendable>(
  _ body: (Suspension<Value>) -> Void
) async -> Value {
  unsafe await withUnsafeContinuation { (continuation: UnsafeContinuation<Value, Never>) in
    body(unsafe Suspension(continuation))
  }
}
