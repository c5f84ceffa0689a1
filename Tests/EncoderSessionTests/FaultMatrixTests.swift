import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Every fault at every place: the calls end in time with what the table says, every frame has a
/// fate, and everything is given back.
@Suite(.timeLimit(.minutes(5))) struct FaultMatrixTests {
  @Test("a session meets a fault", arguments: FaultCase.all)
  func session(_ faulty: FaultCase) async throws {
    let transport = BentTransport(try Harness.device())
    let device = transport.device
    device.inject(faulty.fault)
    // What hangs there holds the closing for the time of a set-up.
    let isAtClosing = faulty.testDescription.contains("closing")
    let configuration = Harness.configuration {
      $0.outputBuffers = 4
      // Short where that deadline has to pass, and else longer than a busy machine needs.
      let needsPatience = faulty.outcome.needsPatience
      $0.deadlines = Deadlines(
        setup: faulty.outcome == .refusesOpening(.deviceStalled)
          ? .seconds(1) : needsPatience || isAtClosing ? .seconds(4) : .seconds(20),
        progress: needsPatience ? .milliseconds(500) : .seconds(10), consumer: .seconds(10),
        silence: .milliseconds(50))
    }
    let account = FrameAccount()
    let outcome: FaultCase.Outcome
    do {
      let encoder = try await withDeadline(.seconds(15), "opening") {
        try await H264Encoder.open(
          configuration, on: transport.selector, observer: account.observer)
      }
      outcome = try await use(encoder, account, device)
    } catch let error as EncoderError {
      outcome = .refusesOpening(error.code)
    }
    #expect(outcome == faulty.outcome, "\(account.failure.map(String.init(describing:)) ?? "")")
    #expect(device.faultCount > 0)
    device.removeFaults()
    try await eventually("everything is given back") {
      device.openHandleCount == 0 && transport.liveMappingCount == 0
    }
  }

  /// Encodes, drains, encodes again, drains and closes; what an app has seen of the fault.
  private func use(
    _ encoder: H264Encoder, _ account: FrameAccount, _ device: VirtualDevice
  ) async throws -> FaultCase.Outcome {
    let reader = account.read(encoder.packets)
    var errors: [EncoderError] = []
    for times in [Int64(1)...12, 13...20] where encoder.isRunning {
      let isFed = Gate()
      let feeder = Task { () -> EncoderError? in
        defer { isFed.open() }
        return try await encoderError {
          for time in times { try await account.encode(time, with: encoder) }
        }
      }
      // A request that hangs in a caller's own call holds that caller. A drain beside it must end.
      let held = MonotonicTime.now + .seconds(1)
      while !isFed.isOpenNow, !account.isOver, MonotonicTime.now < held {
        try await Task.sleep(for: .milliseconds(2))
      }
      let drained = try await withDeadline(.seconds(15), "the drain") {
        try await encoderError { try await encoder.drain() }
      }
      if !isFed.isOpenNow, !encoder.isRunning { device.removeFaults() }
      let fed = try await withDeadline(.seconds(15), "encoding") { try await feeder.value }
      errors += [fed, drained].compactMap { $0 }
    }
    try await withDeadline(.seconds(15), "closing") { await encoder.close() }
    try await withDeadline(.seconds(15), "the reader's end") { await reader.value }
    #expect(
      account.contradictions(
        encoder.statistics, lossIsExplained: account.failure != nil, orderIsKnown: true) == [])
    if let failure = account.failure { return .failsSession(failure.code) }
    return errors.first.map { .refusesFrames($0.code) } ?? .goesOn
  }

  @Test("a device that restarts: gone for two seconds, then back")
  func reboot() async throws {
    let transport = BentTransport(try Harness.device())
    let device = transport.device
    let account = FrameAccount()
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: transport.selector, observer: account.observer)
    let reader = account.read(encoder.packets)
    for time in Int64(1)...5 { try await account.encode(time, with: encoder) }
    for request in VirtualDevice.Fault.Request.allCases {
      device.inject(.failing(request, with: Errno(rawValue: ENODEV), times: .max))
    }
    let back = MonotonicTime.now + .seconds(2)
    let error = try await withDeadline(.seconds(15), "noticing") {
      try await encoderError {
        for time in Int64(6)...100 { try await account.encode(time, with: encoder) }
      }
    }
    #expect(error?.code == .deviceLost)
    await encoder.close()
    await reader.value
    #expect(account.failure?.code == .deviceLost)
    #expect(
      account.contradictions(encoder.statistics, lossIsExplained: true, orderIsKnown: true) == [])
    var refusals: Set<EncoderError.Code> = []
    while MonotonicTime.now < back {
      let refusal = try await encoderError {
        _ = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
      }
      refusals.insert(try #require(refusal).code)
      try await Task.sleep(for: .milliseconds(100))
    }
    #expect(refusals == [.deviceLost])
    device.removeFaults()
    let next = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let packets = Harness.collect(next.packets)
    for time in Int64(1)...5 { try await next.encode(Harness.frame(time)) }
    try await next.drain()
    await next.close()
    #expect(try await packets.value.map(\.presentationTime) == [1, 2, 3, 4, 5])
    #expect(transport.liveMappingCount == 0 && device.openHandleCount == 0)
  }
}
