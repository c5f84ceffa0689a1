import Glibc
import TestSupport
import Testing

@testable import V4L2Encoder

@Suite(.timeLimit(.minutes(1))) struct DeviceThreadTests {
  /// A handler such as the one that stands in for lost pages of a file must run where they are
  /// read.
  @Test func itsOwnFaultsReachItsHandlers() async throws {
    let mask = Deferred<[Int32: Bool]>()
    try DeviceThread.start(named: "mask") {
      var set = sigset_t()
      pthread_sigmask(SIG_BLOCK, nil, &set)
      mask.fulfill(
        Dictionary(
          uniqueKeysWithValues: [SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGINT, SIGTERM, SIGUSR1].map {
            ($0, sigismember(&set, $0) == 1)
          }))
    }
    let isBlocked = try #require(await mask.value(within: .seconds(30)))
    for fault in [SIGBUS, SIGSEGV, SIGFPE, SIGILL] { #expect(isBlocked[fault] == false) }
    for signal in [SIGINT, SIGTERM, SIGUSR1] { #expect(isBlocked[signal] == true) }
  }
}
