import Foundation
import TestSupport
import Testing
import V4L2Encoder

/// Random operations on random drivers with random faults.
///
/// `V4L2ENC_SEED` repeats the run of one seed, `V4L2ENC_SEEDS` makes so many runs from it on;
/// `V4L2ENC_SOAK=1` makes 500 runs that were never made before.
@Suite(.timeLimit(.minutes(60))) struct RandomRunTests {
  /// The seeds of this run: always the same ones, so that a failure is of the change.
  private static var seeds: (first: UInt64, count: Int, isChosen: Bool) {
    let environment = ProcessInfo.processInfo.environment
    let first = environment["V4L2ENC_SEED"].flatMap(UInt64.init)
    let isSoak = environment["V4L2ENC_SOAK"] == "1"
    let count =
      environment["V4L2ENC_SEEDS"].flatMap(Int.init) ?? (first != nil ? 1 : isSoak ? 500 : 25)
    return (first ?? (isSoak ? soakSeed : 1), max(1, count), first != nil)
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
      _ = try await RandomRun.outcome(of: RandomPlan(seed: 0))
      let before = ProcessResources.now
      var all = RandomOutcome()
      let seeds = Self.seeds
      var runs = 0
      // What the usual seeds meet depends on the machine's pace too: sometimes it takes some more.
      while runs < seeds.count || (!seeds.isChosen && !all.hasMetEverything && runs < 200) {
        let seed = seeds.first + UInt64(runs)
        runs += 1
        let plan = RandomPlan(seed: seed)
        watch.runStarts(plan)
        var outcome = try await RandomRun.outcome(of: plan)
        if await !Self.returns(to: before) {
          outcome.violations.append("held: \(ProcessResources.now), before: \(before)")
        }
        // What a child process records of an issue does not reach the log.
        for violation in outcome.violations { print("violation: \(violation), in\n\(plan)") }
        #expect(outcome.violations == [])
        all.faults += outcome.faults
        all.frames += outcome.frames
        all.failedSessions += outcome.failedSessions
        all.recoveries += outcome.recoveries
      }
      print("\(runs) runs from seed \(seeds.first): \(all)")
      #expect(all.frames > 0)
      #expect(seeds.isChosen || all.hasMetEverything)
    }
    if let result { print(String(decoding: result.standardOutputContent, as: UTF8.self)) }
  }

  /// Whether everything is given back within some time: devices are closed behind the callers'
  /// backs.
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
        print("a run does not end: \(plan)")
        fflush(nil)
        exit(EXIT_FAILURE)
      }
    }
  }

  func runStarts(_ plan: RandomPlan) { latest.withLock { $0 = (plan, .now) } }
}

extension RandomOutcome {
  /// Whether the runs are a proof of anything.
  fileprivate var hasMetEverything: Bool { faults > 0 && failedSessions > 0 && recoveries > 0 }
}
