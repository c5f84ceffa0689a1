internal import CV4L2
internal import Synchronization

/// Requests to devices on the threads of those who ask for something, in the whole process.
///
/// A request may never return. The thread that it holds then is mostly one of those that run every
/// task of the process, which are no more than processors; some of them must stay free for
/// whoever is to be told.
package enum CallerRequests {
  private static let inside = Atomic<Int>(0)
  /// All processors but one; a single one leaves no choice.
  package static let limit = max(1, Int(cv4l2_processor_count()) - 1)

  /// Whether the calling thread may make requests, until `leave`; else `elsewhere` must.
  package static func enter() -> Bool {
    if inside.add(1, ordering: .relaxed).oldValue < limit { return true }
    leave()
    return false
  }

  package static func leave() { inside.subtract(1, ordering: .relaxed) }

  /// Makes requests on a thread of their own; nil when they have not returned in time.
  package static nonisolated(nonsending) func elsewhere<Answer: Sendable>(
    within limit: Duration, _ requests: @escaping @Sendable () -> Answer
  ) async -> Answer? {
    let answer = Deferred<Answer>()
    do throws(Errno) {
      try DeviceThread.start(named: "v4l2-request") { answer.fulfill(requests()) }
    } catch {
      // Without room for a thread, waiting here is all that is left.
      return requests()
    }
    return await answer.value(within: limit)
  }
}
