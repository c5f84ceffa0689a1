import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Callers that are faster than the device get their input buffers back without a wait of the
/// device thread for each of them, and never later than the device allows.
@Suite(.timeLimit(.minutes(1))) struct InputReturnTests {
  private func open(_ driver: ImitatedDriver, keptBack: Int = 0) async throws -> H264Encoder {
    let transport = BentTransport(
      try Harness.device(nullDelay: keptBack), readiness: { driver.report($0) })
    return try await H264Encoder.open(
      Harness.configuration {
        $0.inputBuffers = 2
        $0.outputBuffers = 16
      }, on: transport.selector)
  }

  /// Encodes until the encoder knows the driver's habit; returns the time of the next frame.
  private func teach(_ encoder: H264Encoder) async throws -> Int64 {
    var time: Int64 = 0
    while !encoder.session.engine.core.withLock({ $0.inputReturns.comeWithPackets }) {
      try await encoder.encode(Harness.frame(time))
      time += 1
    }
    return time
  }

  @Test("a driver that returns both buffers of a job costs one wait per frame", arguments: [0, 2])
  func oneWait(keptBack: Int) async throws {
    let encoder = try await open(ImitatedDriver(), keptBack: keptBack)
    let reader = Harness.collect(encoder.packets)
    var next: Int64 = 0
    var fewest = Int.max
    // Two waits per frame unless something is learned, which a machine that is late undoes.
    for _ in 0..<20 where fewest >= 30 {
      let before = encoder.statistics.waits
      let end = next + 20
      while next < end {
        try await encoder.encode(Harness.frame(next))
        next += 1
      }
      fewest = min(fewest, encoder.statistics.waits - before)
    }
    #expect(fewest < 30)
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<next).map { $0 })
  }

  @Test("a driver that begins to return inputs long before their packets is noticed")
  func changedHabit() async throws {
    let driver = ImitatedDriver()
    let encoder = try await open(driver)
    let reader = Harness.collect(encoder.packets)
    let first = try await teach(encoder)
    // With all its packet buffers free the device takes every frame at once.
    try await encoder.drain()
    driver.habit = .inputFirst
    let start = MonotonicTime.now
    let count: Int64 = 10
    for time in first..<first + count { try await encoder.encode(Harness.frame(time)) }
    // Nearly as many seconds when each input is waited for with its packet.
    #expect(MonotonicTime.now - start < .seconds(5))
    driver.habit = .together
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<first + count).map { $0 })
  }
}

/// Decides when the buffers of a job are reported.
private final class ImitatedDriver: Sendable {
  enum Habit: Sendable {
    /// Both at once, or the input a moment before the packet when both are asked for: vicodec's
    /// `device_run` returns the input first, and poll may wake before it returns the packet.
    case together
    /// The input at once, the packet after a long time.
    case inputFirst
  }

  private struct State: Sendable {
    var habit = Habit.together
    /// Whether an input was reported whose packet was not.
    var isHalfway = false
    var lastPacket = MonotonicTime.now
  }

  private static let step = Duration.milliseconds(10)
  private static let longStep = Duration.seconds(1)
  private let state = Locked(State())

  var habit: Habit {
    get { state.withLock { $0.habit } }
    set { state.withLock { $0.habit = newValue } }
  }

  /// What the device thread is told of what is ready.
  func report(_ ready: Readiness) -> Readiness {
    guard ready.contains(.capture) else { return ready }
    switch habit {
    case .together: return reportTogether(ready)
    case .inputFirst: return reportInputFirst(ready)
    }
  }

  private func reportTogether(_ ready: Readiness) -> Readiness {
    let isSecondHalf = state.withLock { state in
      defer { state.isHalfway = !state.isHalfway && ready.contains(.output) }
      return state.isHalfway
    }
    if isSecondHalf { return ready }
    DeviceThread.sleep(Self.step)
    return ready.contains(.output) ? ready.subtracting(.capture) : ready
  }

  private func reportInputFirst(_ ready: Readiness) -> Readiness {
    let isDue = state.withLock { state in
      guard MonotonicTime.now - state.lastPacket >= Self.longStep else { return false }
      state.lastPacket = .now
      return true
    }
    if isDue { return ready }
    // Nothing else would end the wait when the packet's time comes.
    if !ready.contains(.output) { DeviceThread.sleep(.milliseconds(1)) }
    return ready.subtracting(.capture)
  }
}
