import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Requests that never return, made by callers: who is held by them, and who is told.
@Suite(.timeLimit(.minutes(2))) struct HangingRequestTests {
  private static let deadlines = Deadlines(
    setup: .seconds(10), progress: .milliseconds(500), consumer: .seconds(10),
    silence: .milliseconds(100))

  @Test("callers that hang in more devices than there are processors hold up no task")
  func tasksGoOnBesideHangingCallers() async throws {
    let devices = try (0..<CallerRequests.limit + 3).map { _ in try Harness.device() }
    // All threads that run tasks may be held: then only a thread can end the test.
    let (isOver, isRescued) = (Gate(), Gate())
    try DeviceThread.start(named: "rescue") {
      let deadline = MonotonicTime.now + .seconds(60)
      while !isOver.isOpenNow, MonotonicTime.now < deadline {
        DeviceThread.sleep(.milliseconds(20))
      }
      if !isOver.isOpenNow { isRescued.open() }
      for device in devices { device.removeFaults() }
    }
    let told = Told()
    var encoders: [H264Encoder] = []
    var readers: [Task<[EncodedPacket], any Error>] = []
    var callers: [Task<Void, Never>] = []
    for device in devices {
      let encoder = try await H264Encoder.open(
        Harness.configuration { $0.deadlines = Self.deadlines }, on: .virtual(device))
      device.inject(.hanging(.queueFrame))
      encoders.append(encoder)
      readers.append(Harness.collect(encoder.packets))
      for time in Int64(0)..<3 {
        callers.append(
          Task.detached { await told.note { try await encoder.encode(Harness.frame(time)) } })
      }
    }
    let count = callers.count - CallerRequests.limit
    try await eventually(within: .seconds(45), "everybody is told who can be") {
      told.codes.count >= count
    }
    for reader in readers {
      #expect(try await encoderError { _ = try await reader.value }?.code == .deviceStalled)
    }
    #expect(!isRescued.isOpenNow)
    isOver.open()
    for caller in callers { await caller.value }
    #expect(Set(told.codes) == [.deviceStalled])
    for encoder in encoders { await encoder.close() }
    try await eventually("every device is given back") {
      devices.allSatisfy { $0.openHandleCount == 0 }
    }
  }

  @Test("an encoder is opened again while the caller of the former one still hangs")
  func recoveryBesideAHangingCaller() async throws {
    let devices = [try Harness.device(), try Harness.device()]
    let next = Locked(0)
    let encoder = try await RecoveringEncoder.open(
      Harness.configuration { $0.deadlines = Self.deadlines }
    ) { (configuration, observer) async throws(EncoderError) -> any VideoEncoder in
      let number = next.withLock { next in
        defer { next += 1 }
        return min(next, devices.count - 1)
      }
      return try await H264Encoder.open(
        configuration, on: .virtual(devices[number]), observer: observer)
    }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<4 { try await encoder.encode(Harness.frame(time)) }
    devices[0].inject(.hanging(.queueFrame))
    let held = Task.detached { try await encoder.encode(Harness.frame(4)) }
    try await eventually("the caller hangs") { devices[0].faultCount == 1 }
    // Whoever asks next is served by the next device.
    for time in Int64(5)..<8 { try await encoder.encode(Harness.frame(time)) }
    #expect(encoder.statistics.recoveries == 1)
    devices[0].removeFaults()
    try await held.value
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime).sorted() == (0..<8).map { $0 })
  }

  @Test("a frame that another thread hands over is not refused while it may still come out")
  func oneFate() async throws {
    // All that callers may hold is held, so that the frame is handed over by a thread of its own.
    var entered = 0
    while CallerRequests.enter() { entered += 1 }
    defer { for _ in 0..<entered { CallerRequests.leave() } }
    let deadlines = Deadlines(
      setup: .seconds(1), progress: .milliseconds(500), consumer: .seconds(60),
      silence: .milliseconds(100))
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.deadlines = deadlines
        $0.packetCapacity = 1
      }, on: .virtual(device))
    try await encoder.encode(Harness.frame(0))
    try await eventually("packets wait for their reader") {
      !encoder.session.engine.mailbox.hasRoom()
    }
    device.inject(.hanging(.queueFrame))
    let held = Task { try await encoder.encode(Harness.frame(1)) }
    try await eventually("the request hangs") { device.faultCount == 1 }
    let since = MonotonicTime.now
    try await eventually("all deadlines but the reader's pass") {
      MonotonicTime.now - since > .seconds(3)
    }
    #expect(encoder.statistics.framesIn == 1)
    device.removeFaults()
    let reader = Harness.collect(encoder.packets)
    try await held.value
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1])
  }

  @Test("what a caller is told of his frame at the session's end is what is counted and read")
  func fateAtTheEnd() async throws {
    for packetComes in [false, true] {
      // All that callers may hold is held, so that the frame is handed over by a thread of its own.
      var entered = 0
      while CallerRequests.enter() { entered += 1 }
      defer { for _ in 0..<entered { CallerRequests.leave() } }
      let (isInside, mayReturn) = (Gate(), Gate())
      defer { mayReturn.open() }
      let end = MonotonicTime.now + .seconds(60)
      let device = try Harness.device()
      let transport = BentTransport(device) { request, argument, device in
        guard queuesFrame(request, argument) else { return device.perform(request, argument) }
        // The driver has the frame before its request returns, or after it was held up.
        let early = packetComes ? device.perform(request, argument) : nil
        isInside.open()
        while !mayReturn.isOpenNow, MonotonicTime.now < end {
          DeviceThread.sleep(.milliseconds(5))
        }
        return early ?? device.perform(request, argument)
      }
      let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
      let account = FrameAccount()
      let reader = account.read(encoder.packets)
      let caller = Task { try await account.encode(0, with: encoder) }
      try await eventually("the request is under way") { isInside.isOpenNow }
      if packetComes {
        try await eventually("the packet is out") { encoder.statistics.packetsOut == 1 }
      }
      encoder.session.engine.fail(EncoderError(.deviceLost, "the device is gone"))
      let error = try await encoderError { try await caller.value }
      #expect(error?.code == (packetComes ? nil : .deviceLost))
      mayReturn.open()
      await encoder.close()
      await reader.value
      #expect(encoder.statistics.framesIn == (packetComes ? 1 : 0))
      #expect(
        account.contradictions(encoder.statistics, lossIsExplained: true, orderIsKnown: true) == [])
    }
  }

  @Test("a caller behind a request that hangs can be cancelled")
  func cancellationBehindAHangingCaller() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .seconds(60) }, on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    device.inject(.hanging(.queueFrame))
    let held = Task.detached { try await encoder.encode(Harness.frame(0)) }
    try await eventually("the caller hangs") { device.faultCount == 1 }
    let next = Task.detached { try await encoder.encode(Harness.frame(1)) }
    try await eventually("the next one waits for his turn") {
      encoder.session.engine.core.withLock { $0.machine.framesInTransit } == 2
    }
    next.cancel()
    #expect(try await encoderError { try await next.value }?.code == .cancelled)
    device.removeFaults()
    try await held.value
    try await encoder.encode(Harness.frame(2))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 2])
  }

  @Test("a turn that was passed has not begun until its holder runs")
  func aTurnBeginsWithItsHolder() async {
    let turn = Locked(QueuingTurn())
    #expect(turn.withLock { $0.take() && $0.begun != nil })
    let error = await suspend { (suspension: Suspension<EncoderError?>) in
      let successor = QueuingTurn.Successor(identity: 1, suspension: suspension)
      #expect(!turn.withLock { $0.takeOrWait(successor) })
      let next = turn.withLock { $0.pass().next }
      #expect(turn.withLock { $0.isTaken && $0.begun == nil })
      (next ?? successor).suspension.resume(returning: nil)
    }
    #expect(error == nil)
    turn.withLock { $0.begin() }
    #expect(turn.withLock { $0.begun } != nil)
    #expect(turn.withLock { $0.pass().next } == nil && !turn.withLock { $0.isTaken })
  }

  @Test("a change of settings that never returns ends the encoder by its deadline")
  func hangingSettings() async throws {
    for change in [true, false] {
      let device = try Harness.device()
      let encoder = try await H264Encoder.open(
        Harness.configuration { $0.deadlines = Self.deadlines }, on: .virtual(device))
      device.inject(.hanging(.setControl))
      let error = try await encoderError {
        if change {
          _ = try await encoder.update(
            DynamicSettings(rateControl: .constant(bitrate: 500_000)))
        } else {
          try await encoder.requestKeyFrame()
        }
      }
      #expect(error?.code == .deviceStalled)
      #expect(!encoder.isRunning)
      device.removeFaults()
      await encoder.close()
      #expect(device.openHandleCount == 0)
    }
  }
}

/// What callers were told.
private final class Told: Sendable {
  private let list = Locked<[EncoderError.Code]>([])

  var codes: [EncoderError.Code] { list.withLock { $0 } }

  func note(_ body: @Sendable () async throws -> Void) async {
    guard let error = try? await encoderError(of: body) else { return }
    list.withLock { $0.append(error.code) }
  }
}
