import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// What is late and what rests: only a device that owes something is called stalled.
@Suite(.timeLimit(.minutes(1))) struct StallTests {
  /// A device that gives packets `count` frames late and refers to the frames it keeps back.
  private func keepingBack(_ count: Int) throws -> BentTransport {
    let held = Locked(0)
    return BentTransport(try Harness.device(nullDelay: count)) { request, argument, device in
      if takesFrameBack(request, argument), held.withLock({ $0 }) <= count { return -EAGAIN }
      let result = device.perform(request, argument)
      guard result == 0 else { return result }
      if queuesFrame(request, argument) { held.withLock { $0 += 1 } }
      if takesFrameBack(request, argument) { held.withLock { $0 -= 1 } }
      if request == CV4L2_VIDIOC_STREAMOFF { held.withLock { $0 = 0 } }
      return result
    }
  }

  @Test(
    "an encoder without work is not stalled, whatever the device keeps back", arguments: [0, 3])
  func aRestIsNoStall(keptBack: Int) async throws {
    let transport = try keepingBack(keptBack)
    let encoder = try await Harness.openHasty(transport) { $0.inputBuffers = 6 }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<2 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.rest()
    try await encoder.encode(Harness.frame(2))
    // A drain brings everything out; what is kept back afterwards is no debt either.
    try await encoder.drain()
    for time in Int64(3)..<5 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.rest()
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<5).map(Int64.init))
  }

  @Test("a buffer that came back late and that nobody has fetched is no stall")
  func unfetchedBuffersAreNoStall() async throws {
    let missing = Locked(Int.max)
    let isLate = Locked(true)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if takesFrameBack(request, argument), isLate.withLock({ $0 }) {
        // Too late only for the last question that the packets give rise to.
        if missing.withLock({ $0 == 0 }) { isLate.withLock { $0 = false } }
        return -EAGAIN
      }
      let result = device.perform(request, argument)
      if result == 0, takesPacket(request, argument) { missing.withLock { $0 -= 1 } }
      return result
    }
    let encoder = try await Harness.openHasty(transport)
    let reader = Harness.collect(encoder.packets)
    // No buffer is left free, which would excuse the device.
    let count = Int64(encoder.negotiated.inputBuffers)
    missing.withLock { $0 = Int(count) }
    for time in 0..<count { try await encoder.encode(Harness.frame(time)) }
    try await eventually("every packet") { encoder.statistics.packetsOut == Int(count) }
    try await encoder.rest()
    try await encoder.encode(Harness.frame(count))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0...count).map { $0 })
  }

  @Test("a frame that takes long to write is no stall, with a drain behind it or without")
  func aSlowWriterIsNoStall() async throws {
    let encoder = try await Harness.openHasty(try keepingBack(3)) { $0.inputBuffers = 4 }
    #expect(encoder.negotiated.inputBuffers == 4)
    let reader = Harness.collect(encoder.packets)
    let engine = encoder.session.engine
    for time in Int64(0)..<3 { try await encoder.encode(Harness.frame(time)) }
    let frame = try Harness.frame(3)
    let claim = InputClaim(frame: frame, patience: .wait)
    // What `encode` does, with time between the reservation and the end of the conversion.
    guard case .buffer(let index) = try await engine.reserve(claim) else {
      Issue.record("no buffer")
      return
    }
    let isSlow = MonotonicTime.now
    try await eventually("a long conversion") {
      MonotonicTime.now - isSlow > Harness.hasty.progress * 2
    }
    let drain = Task { try await encoder.drain() }
    let isDraining = MonotonicTime.now
    try await eventually("a long conversion beside a drain") {
      MonotonicTime.now - isDraining > Harness.hasty.progress * 2
    }
    let offered = OfferedFrame(frame: frame, options: FrameOptions(), start: .now)
    #expect(try await engine.submit(offered, in: index) == nil)
    try await drain.value
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1, 2, 3])
  }

  @Test("a frame that its caller never brings is not waited for for ever", arguments: [0, 3])
  func aWriterWhoNeverComesBack(others: Int) async throws {
    let encoder = try await Harness.openHasty(try keepingBack(3)) {
      $0.inputBuffers = 4
      $0.deadlines.setup = .seconds(1)
    }
    let reader = Harness.collect(encoder.packets)
    let engine = encoder.session.engine
    for time in 0..<Int64(others) { try await encoder.encode(Harness.frame(time)) }
    let claim = InputClaim(frame: try Harness.frame(Int64(others)), patience: .wait)
    guard case .buffer(let index) = try await engine.reserve(claim) else {
      Issue.record("no buffer")
      return
    }
    let error = try await encoderError { try await encoder.drain() }
    #expect(error?.code == .deviceStalled)
    #expect(error?.message.contains(others > 0 ? "returned none of" : "was not given") == true)
    engine.cancelReservation(of: index)
    await encoder.close()
    #expect(try await encoderError { _ = try await reader.value }?.code == .deviceStalled)
  }

  @Test("the time before a frame came is not held against the device, though it holds others")
  func aRestIsNotHeldAgainstTheNextFrame() async throws {
    let queued = Locked(0)
    let returned = Locked(0)
    let slow = Locked(false)
    let since = Locked<MonotonicTime?>(nil)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if queuesFrame(request, argument) {
        queued.withLock { $0 += 1 }
        if slow.withLock({ $0 }) { since.withLock { $0 = $0 ?? .now } }
      }
      // The device keeps its last frame, as one that refers to it, and is slow with the next.
      let keeps = queued.withLock { $0 } - returned.withLock { $0 } < 2
      if takesFrameBack(request, argument), keeps || slow.withLock({ $0 }) { return -EAGAIN }
      if takesPacket(request, argument), let since = since.withLock({ $0 }),
        MonotonicTime.now < since + .milliseconds(100)
      {
        DeviceThread.sleep(.milliseconds(5))
        return -EAGAIN
      }
      let result = device.perform(request, argument)
      if result == 0, takesFrameBack(request, argument) { returned.withLock { $0 += 1 } }
      return result
    }
    let encoder = try await Harness.openHasty(transport)
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<8 { try await encoder.encode(Harness.frame(time)) }
    try await eventually("every packet") { encoder.statistics.packetsOut == 8 }
    try await encoder.rest()
    slow.withLock { $0 = true }
    try await encoder.encode(Harness.frame(8))
    try await eventually("the packet after the rest") {
      encoder.statistics.packetsOut == 9 || !encoder.isRunning
    }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<9).map(Int64.init))
  }

  @Test("starting again may take as long as setting up, longer than a frame")
  func slowRestart() async throws {
    let starts = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_STREAMON {
        let number = starts.withLock { starts -> Int in
          starts += 1
          return starts
        }
        // Two queues start when the encoder is opened; the third start is the restart's first.
        if number == 3 { DeviceThread.sleep(.milliseconds(2800)) }
      }
      return device.perform(request, argument)
    }
    let encoder = try await Harness.openHasty(transport) { $0.deadlines.progress = .seconds(1) }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<2 {
      try await encoder.encode(Harness.frame(time))
      try await encoder.drain()
    }
    await encoder.close()
    #expect(starts.withLock { $0 } == 4)
    #expect(try await reader.value.map(\.presentationTime) == [0, 1])
  }
}
