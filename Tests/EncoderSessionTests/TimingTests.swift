import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// What is late, what rests and what is stuck.
@Suite(.timeLimit(.minutes(1))) struct TimingTests {
  private let deadlines = Deadlines(
    setup: .seconds(10), progress: .milliseconds(600), consumer: .seconds(10),
    silence: .milliseconds(100))

  private func open(
    _ transport: BentTransport, observer: EncoderObserver = EncoderObserver(),
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> H264Encoder {
    try await H264Encoder.open(
      Harness.configuration {
        $0.deadlines = deadlines
        change(&$0)
      }, on: transport.selector, observer: observer)
  }

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
    let encoder = try await open(transport) { $0.inputBuffers = 6 }
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
    let encoder = try await open(transport)
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
    let encoder = try await open(try keepingBack(3)) { $0.inputBuffers = 4 }
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
      MonotonicTime.now - isSlow > deadlines.progress * 2
    }
    let drain = Task { try await encoder.drain() }
    let isDraining = MonotonicTime.now
    try await eventually("a long conversion beside a drain") {
      MonotonicTime.now - isDraining > deadlines.progress * 2
    }
    let offered = OfferedFrame(frame: frame, options: FrameOptions(), start: .now)
    #expect(try await engine.submit(offered, in: index) == nil)
    try await drain.value
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1, 2, 3])
  }

  @Test("a frame that its caller never brings is not waited for for ever", arguments: [0, 3])
  func aWriterWhoNeverComesBack(others: Int) async throws {
    let encoder = try await open(try keepingBack(3)) {
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

  @Test("a device that says ready and has nothing, for ever, is asked less often and then given up")
  func readyForEverWithoutBuffers() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      takesPacket(request, argument) || takesFrameBack(request, argument)
        ? -EAGAIN : device.perform(request, argument)
    }
    let lines = Locked<[String]>([])
    let observer = EncoderObserver(
      level: .info, log: { _, line in lines.withLock { $0.append(line) } })
    let encoder = try await open(transport, observer: observer)
    let reader = Harness.collect(encoder.packets)
    let error = try await encoderError {
      for time in Int64(0)..<20 { try await encoder.encode(Harness.frame(time)) }
    }
    #expect(error?.message.contains("though it says that buffers are ready") == true)
    #expect(error?.code == .deviceStalled)
    // Twice the deadline at four milliseconds each, both queues, and the first few; thousands
    // before.
    #expect(transport.requests.count { $0 == CV4L2_VIDIOC_DQBUF } < 900)
    #expect(lines.withLock { $0.count { $0.contains("ready and has none") } } == 1)
    await encoder.close()
    #expect(try await encoderError { _ = try await reader.value }?.code == .deviceStalled)
  }

  @Test("queues that say in vain that they are ready are left alone together, not in turn")
  func vainWakesOfBothQueues() {
    var wakes = VainWakes()
    let start = MonotonicTime.now
    #expect(wakes.roundEnded(.capture, progress: start)?.queues == nil)
    var pause: VainWakes.Pause?
    for _ in 0..<9 { pause = wakes.roundEnded(.capture, progress: start) }
    #expect(pause?.queues == .capture)
    // Its place is taken by the other one, as soon as somebody waits for that.
    #expect(wakes.roundEnded(.output, progress: start)?.queues == [.capture, .output])
    #expect(wakes.roundEnded(.capture, progress: start)?.queues == [.capture, .output])
    // A paused round reports nothing.
    #expect(wakes.roundEnded([], progress: start)?.queues == nil)
    #expect(wakes.roundEnded(.output, progress: start)?.queues == [.capture, .output])
    #expect(wakes.roundEnded(.output, progress: start + .milliseconds(1))?.queues == nil)
    for _ in 0..<9 { pause = wakes.roundEnded(.output, progress: start + .milliseconds(1)) }
    #expect(pause?.queues == .output)
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
    let encoder = try await open(transport)
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
    let encoder = try await open(transport) { $0.deadlines.progress = .seconds(1) }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<2 {
      try await encoder.encode(Harness.frame(time))
      try await encoder.drain()
    }
    await encoder.close()
    #expect(starts.withLock { $0 } == 4)
    #expect(try await reader.value.map(\.presentationTime) == [0, 1])
  }

  @Test("a skipped frame does not end the drain before the slow frames behind it")
  func slowFramesAfterASkippedOne() async throws {
    let state = Locked((count: 0, until: MonotonicTime.now))
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      // The device behind is done long before, and its end-of-stream event would say so.
      if request == CV4L2_VIDIOC_SUBSCRIBE_EVENT { return -EINVAL }
      guard takesPacket(request, argument) else { return device.perform(request, argument) }
      if state.withLock({ MonotonicTime.now < $0.until }) { return -EAGAIN }
      let result = device.perform(request, argument)
      guard result == 0 else { return result }
      let number = state.withLock { state -> Int in
        state.count += 1
        state.until = .now + .milliseconds(250)
        return state.count
      }
      // Rate control skipped the second picture.
      if number == 2 { buffer(argument).pointee.m.planes.pointee.bytesused = 0 }
      return result
    } isSilent: {
      state.withLock { MonotonicTime.now < $0.until }
    }
    let events = Locked<[EncoderEvent]>([])
    let observer = EncoderObserver(event: { event in events.withLock { $0.append(event) } })
    let encoder = try await open(transport, observer: observer) {
      $0.deadlines.progress = .seconds(5)
    }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<4 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 2, 3])
    #expect(events.withLock { $0 } == [.frameSkipped(presentationTime: 1)])
  }

  @Test("no stop command and the last frame skipped without a buffer: silence ends the drain")
  func silenceInsteadOfTheLastFrame() async throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_ENCODER_CMD { return -ENOTTY }
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      let isLast = count.withLock { count -> Bool in
        count += 1
        return count == 5
      }
      guard isLast else { return result }
      // As bcm2835-codec: the buffer stays with the driver.
      return device.perform(CV4L2_VIDIOC_QBUF, argument) == 0 ? -EAGAIN : -EIO
    }
    let events = Locked<[EncoderEvent]>([])
    let observer = EncoderObserver(event: { event in events.withLock { $0.append(event) } })
    let encoder = try await open(transport, observer: observer) {
      $0.deadlines.progress = .seconds(1)
    }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<5 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    #expect(encoder.statistics.framesSkipped == 1)
    #expect(encoder.statistics.drains == 1)
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1, 2, 3])
    #expect(events.withLock { $0 } == [.frameSkipped(presentationTime: 4)])
  }

  @Test("LAST on every buffer, outside a drain, means nothing")
  func unsolicitedLast() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      if result == 0, takesPacket(request, argument) {
        buffer(argument).pointee.flags |= UInt32(V4L2_BUF_FLAG_LAST)
      }
      return result
    }
    let encoder = try await open(transport) { $0.deadlines.progress = .seconds(2) }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<30 { try await encoder.encode(Harness.frame(time)) }
    try await eventually("every packet") { encoder.statistics.packetsOut == 30 }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<30).map(Int64.init))
  }

  @Test("an event that cannot be read does not make the event loop spin")
  func unreadableEvents() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      request == CV4L2_VIDIOC_DQEVENT ? -EINVAL : device.perform(request, argument)
    }
    let encoder = try await open(transport)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0))
    try await encoder.drain()
    let (start, before) = (MonotonicTime.now, encoder.statistics.waits)
    try await eventually("some time of rest") { MonotonicTime.now - start > .milliseconds(300) }
    // One wait per deadline and a few for what was under way; a spinning loop makes thousands.
    let rounds = Double((MonotonicTime.now - start).inNanoseconds) / 6e8
    #expect(encoder.statistics.waits - before < Int(rounds) + 20)
    #expect(transport.requests.count { $0 == CV4L2_VIDIOC_DQEVENT } == 1)
    await encoder.close()
    #expect(try await reader.value.count == 1)
  }

  @Test("a packet's latency counts the time its frame waited for a buffer")
  func latencyIncludesWaiting() async throws {
    let gate = Gate()
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      takesFrameBack(request, argument) && !gate.isOpenNow
        ? -EAGAIN : device.perform(request, argument)
    }
    let encoder = try await open(transport) {
      $0.inputBuffers = 2
      $0.deadlines.progress = .seconds(10)
    }
    let reader = Harness.collect(encoder.packets)
    let feeder = Task {
      for time in Int64(0)..<Int64(encoder.negotiated.inputBuffers + 1) {
        try await encoder.encode(Harness.frame(time))
      }
    }
    try await eventually("the last frame waits") { encoder.waitingCallers == 1 }
    let start = MonotonicTime.now
    try await eventually("a measurable wait") { MonotonicTime.now - start > .milliseconds(150) }
    let waited = MonotonicTime.now - start
    gate.open()
    try await feeder.value
    try await encoder.drain()
    await encoder.close()
    let last = try await reader.value.last
    #expect(last.map { $0.latency >= waited } == true)
  }
}
