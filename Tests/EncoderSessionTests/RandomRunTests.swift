import Foundation
import TestSupport
import Testing
import V4L2Encoder

/// Random operations on random drivers with random faults.
///
/// `V4L2ENC_SEED` repeats the run of one seed; `V4L2ENC_SOAK=1` makes 500 runs that were never
/// made before.
@Suite(.timeLimit(.minutes(60))) struct RandomRunTests {
  /// The seeds of this run: always the same ones, so that a failure is of the change.
  private static var seeds: [UInt64] {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["V4L2ENC_SEED"].flatMap(UInt64.init) { return [seed] }
    guard environment["V4L2ENC_SOAK"] == "1" else { return Array(1...25) }
    return (0..<500).map { soakSeed + $0 }
  }

  private static let soakSeed = UInt64(Date().timeIntervalSince1970) * 1000

  @Test("nothing hangs, nothing leaks, every frame has a fate")
  func runs() async {
    // A process of its own, so that what it holds in the end is known.
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      let watch = RunWatch()
      // The first run makes what the runtime keeps for ever.
      _ = try await Self.outcome(of: RandomPlan(seed: 0))
      let before = ProcessResources.now
      var all = RandomOutcome()
      for seed in Self.seeds {
        let plan = RandomPlan(seed: seed)
        watch.runStarts(plan)
        var outcome = try await Self.outcome(of: plan)
        if await !Self.returns(to: before) {
          outcome.violations.append("held: \(ProcessResources.now), before: \(before)")
        }
        #expect(outcome.violations == [], "\(plan)")
        all.faults += outcome.faults
        all.frames += outcome.frames
        all.failedSessions += outcome.failedSessions
      }
      print("\(Self.seeds.count) runs from seed \(Self.seeds[0]): \(all)")
      #expect(all.frames > 0)
      #expect(Self.seeds.count == 1 || (all.faults > 0 && all.failedSessions > 0))
    }
    if let result { print(String(decoding: result.standardOutputContent, as: UTF8.self)) }
  }

  private static func outcome(of plan: RandomPlan) async throws -> RandomOutcome {
    switch plan.codec {
    case .hevc: try await RandomRun<HEVC>.outcome(of: plan)
    default: try await RandomRun<H264>.outcome(of: plan)
    }
  }

  /// Whether everything is given back within some time: devices are closed behind the callers' backs.
  private static func returns(to before: ProcessResources) async -> Bool {
    do {
      try await eventually("everything is given back") {
        let now = ProcessResources.now
        return now.descriptors <= before.descriptors && now.mappings <= before.mappings
          && now.threads <= before.threads
      }
      return true
    } catch {
      return false
    }
  }
}

/// Ends the process when a run blocks every thread that could notice.
private final class RunWatch: Sendable {
  private let latest = Locked<(plan: RandomPlan, since: MonotonicTime)?>(nil)

  init() {
    try? DeviceThread.start(named: "watch") { [self] in
      while true {
        DeviceThread.sleep(.seconds(1))
        guard let (plan, since) = latest.withLock({ $0 }), MonotonicTime.now - since > .seconds(240)
        else { continue }
        Issue.record("a run does not end: \(plan)")
        exit(EXIT_FAILURE)
      }
    }
  }

  func runStarts(_ plan: RandomPlan) { latest.withLock { $0 = (plan, .now) } }
}
