import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// A random run finds what it is to find.
@Suite(.timeLimit(.minutes(5))) struct RandomRunJudgementTests {
  private func plan(_ steps: [RandomPlan.Step]) -> RandomPlan {
    var plan = RandomPlan(seed: 0)
    plan.device = VirtualDevice.Configuration(h264: .null)
    plan.codec = .h264
    plan.configuration = RecoveryRun.configuration()
    plan.recovers = true
    plan.broadcastCapacity = nil
    plan.steps = steps
    return plan
  }

  /// A device that stands still once; an encoder opened again does well.
  private static let standstill = VirtualDevice.Fault.spoiling(.stuck, frame: 0, times: 1)

  @Test func aRecoveryWithoutAReasonIsFound() async throws {
    let plan = plan([.encode(frames: 4, keyFrameAt: nil), .drain])
    let outcome = try await RandomRun.outcome(of: plan) { step, device in
      if step != .drain { device.inject(Self.standstill) }
    }
    #expect(outcome.recoveries == 1)
    #expect(outcome.violations.count == 1, "\(outcome.violations)")
    #expect(outcome.violations.first?.contains("recovered without a reason") == true)
  }

  @Test func aRecoveryBeforeTheFirstFaultIsFound() async throws {
    let plan = plan([
      .encode(frames: 4, keyFrameAt: nil), .drain, .inject(Self.standstill),
      .encode(frames: 4, keyFrameAt: nil), .drain,
    ])
    var isFirst = true
    let outcome = try await RandomRun.outcome(of: plan) { _, device in
      if isFirst { device.inject(Self.standstill) }
      isFirst = false
    }
    #expect(outcome.recoveries == 2)
    #expect(outcome.violations.count == 1, "\(outcome.violations)")
  }

  @Test func aFaultExplainsItsOwnRecoveryAndNoLaterOne() async throws {
    let steps: [RandomPlan.Step] = [
      .inject(Self.standstill), .encode(frames: 4, keyFrameAt: nil), .drain, .removeFaults,
      .encode(frames: 3, keyFrameAt: nil), .reopen(drained: true),
    ]
    let fair = try await RandomRun.outcome(of: plan(steps))
    #expect(fair.recoveries == 1)
    #expect(fair.violations == [])
    let unfair = try await RandomRun.outcome(of: plan(steps)) { step, device in
      if step == steps[4] { device.inject(Self.standstill) }
    }
    #expect(unfair.recoveries == 2)
    #expect(unfair.violations.count == 1, "\(unfair.violations)")
    #expect(unfair.violations.first?.contains("recovered without a reason") == true)
  }
}
