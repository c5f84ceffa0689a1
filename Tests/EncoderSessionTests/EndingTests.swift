import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// How sessions end: what is given back, when, and what readers are told.
@Suite(.timeLimit(.minutes(1))) struct EndingTests {
  @Test("closing at once does not hide the loss from the reader", arguments: 1...20)
  func aLossIsNotHiddenByClose(round: Int) async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      queuesFrame(request, argument) ? -ENODEV : device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let told = try await encoderError { try await encoder.encode(Harness.frame(0)) }
    await encoder.close()
    #expect(told?.code == .deviceLost)
    #expect(try await encoderError { _ = try await reader.value }?.code == .deviceLost)
  }

  @Test func closingReleasesACallerWhoseRequestWaitsInsideTheDriver() async throws {
    let (entered, stopped) = (Gate(), Gate())
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_STREAMOFF { stopped.open() }
      guard queuesFrame(request, argument) else { return device.perform(request, argument) }
      entered.open()
      let deadline = MonotonicTime.now + .seconds(10)
      while !stopped.isOpenNow, MonotonicTime.now < deadline {
        DeviceThread.sleep(.milliseconds(5))
      }
      return -EINVAL
    }
    let device = transport.device
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.deadlines.setup = .seconds(5)
        $0.deadlines.progress = .milliseconds(300)
      }, on: transport.selector)
    let feeder = Task.detached { try await encoder.encode(Harness.frame(0)) }
    try await eventually("the caller is inside its request") { entered.isOpenNow }
    await encoder.close()
    #expect(stopped.isOpenNow)
    #expect(device.openHandleCount == 0)
    let error = try await withDeadline(.seconds(10), "the caller") {
      try await encoderError { try await feeder.value }
    }
    #expect(error?.operation == "VIDIOC_QBUF")
  }

  @Test("whoever waited for a drain goes on after everything of it was told")
  func aDrainEndsAfterItsEvents() async throws {
    let device = try Harness.device()
    let loan = Locked(LentBuffer?.none)
    let isTold = Gate()
    let observer = EncoderObserver(event: { _ in
      // A buffer that comes back makes the encoder look for somebody to resume.
      loan.withLock { $0.take() }?.giveBack()
      DeviceThread.sleep(.milliseconds(100))
      isTold.open()
    })
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(device), observer: observer)
    let reader = Harness.collect(encoder.packets)
    let buffer = LentBuffer(try await encoder.nextInputBuffer())
    loan.withLock { $0 = buffer }
    device.inject(.spoiling(.skipped, frame: 1))
    for time in Int64(0)..<2 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    #expect(isTold.isOpenNow)
    #expect(encoder.statistics.drains == 1 && encoder.statistics.framesSkipped == 1)
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0])
  }

  @Test("the descriptor is closed after the last caller's request has returned")
  func closingWaitsForRequests() async throws {
    let (isArmed, entered, closed) = (Gate(), Gate(), Gate())
    let isInside = Locked(false)
    let closedInside = Locked<[Bool]>([])
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      guard takesFrameBack(request, argument) else { return device.perform(request, argument) }
      guard isArmed.isOpenNow, !entered.isOpenNow else { return -EAGAIN }
      isInside.withLock { $0 = true }
      entered.open()
      let deadline = MonotonicTime.now + .milliseconds(400)
      while !closed.isOpenNow, MonotonicTime.now < deadline { DeviceThread.sleep(.milliseconds(5)) }
      isInside.withLock { $0 = false }
      return -EAGAIN
    } closing: {
      let isInside = isInside.withLock { $0 }
      closedInside.withLock { $0.append(isInside) }
      closed.open()
    }
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.inputBuffers = 2
        $0.deadlines.progress = .seconds(5)
      }, on: transport.selector)
    let count = encoder.negotiated.inputBuffers
    for time in 0..<count { try await encoder.encode(Harness.frame(Int64(time))) }
    try await eventually("every packet") { encoder.statistics.packetsOut == count }
    isArmed.open()
    let feeder = Task.detached { try await encoder.encode(Harness.frame(99)) }
    try await eventually("a caller is inside a request") { entered.isOpenNow }
    await encoder.close()
    #expect(closedInside.withLock { $0 } == [false])
    let error = try await encoderError { try await feeder.value }
    #expect(error?.code == .closed)
  }

  @Test("a closed handle answers EBADF, though its number may belong to another file")
  func closedHandlesRefuse() throws {
    let handle = try KernelTransport().open("/dev/null")
    handle.close()
    let other = open("/dev/null", O_RDWR)
    defer { close(other) }
    let error = #expect(throws: Errno.self) { try handle.streamOn(1) }
    #expect(error?.rawValue == EBADF)
  }

  @Test func aPacketIsDeliveredThoughItsBufferCannotBeReturned() async throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_QBUF, !queuesFrame(request, argument) {
        let number = count.withLock { count -> Int in
          count += 1
          return count
        }
        // Four buffers are queued when the encoder is opened.
        if number == 5 { return -EIO }
      }
      return device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.outputBuffers = 4 }, on: transport.selector)
    #expect(encoder.negotiated.outputBuffers == 4)
    let reader = Harness.collectToTheEnd(encoder.packets)
    try await encoder.encode(Harness.frame(7))
    let (times, error) = await reader.value
    #expect(times == [7])
    #expect(error?.operation == "VIDIOC_QBUF")
    #expect(error?.errno?.rawValue == EIO)
    await encoder.close()
  }

  @Test(
    "closing leaves no mapping of the device's memory behind",
    arguments: VirtualDevice.Configuration.Interface.allCases)
  func mappingsAreUndone(api: VirtualDevice.Configuration.Interface) async throws {
    let device = try Harness.device(api: api)
    let transport = BentTransport(device)
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let report = encoder.negotiated
    #expect(transport.liveMappingCount >= report.inputBuffers + report.outputBuffers)
    let loan = LentBuffer(try await encoder.nextInputBuffer())
    for time in Int64(0)..<12 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    try await encoder.encode(Harness.frame(12))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.count == 13)
    #expect(device.openHandleCount == 0)
    // What is on loan stays good until its holder drops it.
    #expect(transport.liveMappingCount >= 1)
    #expect(transport.liveMappingCount < report.inputBuffers)
    #expect(loan.fill(with: 7))
    loan.giveBack()
    #expect(transport.liveMappingCount == 0)
  }

  @Test("neither do failures", arguments: [CV4L2_VIDIOC_STREAMON, CV4L2_VIDIOC_DQBUF])
  func mappingsAreUndoneAfterFailures(request: UInt) async throws {
    let device = try Harness.device()
    let transport = BentTransport(device) { asked, argument, device in
      asked == request ? -ENODEV : device.perform(asked, argument)
    }
    let error = try await encoderError {
      let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
      try await encoder.encode(Harness.frame(0))
      defer { withExtendedLifetime(encoder) {} }
      try await encoder.drain()
    }
    #expect(error?.code == .deviceLost)
    #expect(transport.mappingCount > 0)
    try await eventually("everything is given back") {
      transport.liveMappingCount == 0 && device.openHandleCount == 0
    }
  }
}
