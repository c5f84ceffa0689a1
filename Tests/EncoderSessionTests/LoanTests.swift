import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Input buffers in the hands of callers: several at once, all of them, and over a drain.
@Suite(.timeLimit(.minutes(1))) struct LoanTests {
  @Test func severalLoansAtOnceAreQueuedInAnyOrder() async throws {
    let transport = BentTransport(try Harness.device())
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let loans = try await encoder.lendAll()
    #expect(loans.count >= 4)
    for (number, loan) in loans.enumerated() { #expect(loan.fill(with: UInt8(number))) }
    for (time, loan) in loans.reversed().enumerated() {
      try await loan.encode(Int64(time), with: encoder)
    }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<loans.count).map(Int64.init))
  }

  @Test func whoeverHoldsABufferPassesThoseWhoWaitForOne() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .seconds(30) },
      on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    let loans = try await encoder.lendAll()
    let waiter = Task { LentBuffer(try await encoder.nextInputBuffer()) }
    try await eventually("somebody waits for a buffer") { encoder.waitingCallers == 1 }
    try await withDeadline(.seconds(10), "queuing a lent buffer") {
      try await loans[0].encode(0, with: encoder)
    }
    // The waiter gets the very buffer when the device is done with it.
    let late = try await withDeadline(.seconds(10), "the waiter") { try await waiter.value }
    try await late.encode(1, with: encoder)
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1])
    withExtendedLifetime(loans) {}
  }

  @Test("the same after a drain, which makes holders wait as well")
  func holdersAreServedFirstAfterADrain() async throws {
    let (entered, gate) = (Gate(), Gate())
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_ENCODER_CMD, !entered.isOpenNow {
        entered.open()
        gate.wait()
      }
      return device.perform(request, argument)
    }
    defer { gate.open() }
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .seconds(30) }, on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let loans = try await encoder.lendAll()
    try await loans[0].encode(0, with: encoder)
    let drain = Task { try await encoder.drain() }
    try await eventually("the drain has begun") { entered.isOpenNow }
    // One buffer comes back with the restart, so the second of these goes without.
    let empty = [1, 2].map { _ in Task { LentBuffer(try await encoder.nextInputBuffer()) } }
    try await eventually("two wait for a buffer") { encoder.waitingCallers == 2 }
    let holder = Task { try await loans[1].encode(1, with: encoder) }
    try await eventually("the holder waits behind them") { encoder.waitingCallers == 3 }
    gate.open()
    try await withDeadline(.seconds(10), "the drain") { try await drain.value }
    try await withDeadline(.seconds(10), "the holder") { try await holder.value }
    for task in empty {
      _ = try await withDeadline(.seconds(10), "a waiter") { try await task.value }
    }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1])
    withExtendedLifetime(loans) {}
  }

  @Test func waitingForBuffersThatAreAllOnLoanIsNamed() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .milliseconds(700) },
      on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    let loans = try await encoder.lendAll()
    let error = try await encoderError {
      try await withDeadline(.seconds(20), "encoding while all are lent") {
        try await encoder.encode(Harness.frame(0))
      }
    }
    #expect(error?.code == .buffersLent)
    // That is no failure of the encoder: with a buffer it goes on.
    loans[0].giveBack()
    try await encoder.encode(Harness.frame(1))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [1])
    withExtendedLifetime(loans) {}
  }

  @Test func aBufferThatTheDriverRefusesBelongsToTheEncoderAgain() async throws {
    let isRefusing = Locked(true)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if queuesFrame(request, argument), isRefusing.withLock({ $0 }) { return -EINVAL }
      return device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let count = Int64(encoder.negotiated.inputBuffers)
    // More refusals than there are buffers, of loans and of frames.
    for time in 0..<2 * count {
      let loan = LentBuffer(try await encoder.nextInputBuffer())
      let refusals = [
        try await encoderError { try await loan.encode(time, with: encoder) },
        try await encoderError { try await encoder.encode(Harness.frame(time)) },
      ]
      for refusal in refusals {
        #expect(refusal?.operation == "VIDIOC_QBUF")
        #expect(refusal?.errno == .invalidArgument)
      }
    }
    isRefusing.withLock { $0 = false }
    for time in 100..<100 + 2 * count { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    #expect(encoder.statistics.framesIn == Int(2 * count))
    #expect(encoder.statistics.framesSkipped == 0)
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (100..<100 + 2 * count).map { $0 })
  }

  @Test func aLoanOfAnotherEncoderIsRefused() async throws {
    let first = try await H264Encoder.open(Harness.configuration(), on: .virtual(Harness.device()))
    let second = try await H264Encoder.open(Harness.configuration(), on: .virtual(Harness.device()))
    let count = first.negotiated.inputBuffers
    for _ in 0..<2 * count {
      let loan = LentBuffer(try await first.nextInputBuffer())
      let error = try await encoderError { try await loan.encode(0, with: second) }
      #expect(error?.code == .invalidFrame)
    }
    // Every one of them went back to where it came from.
    let loans = try await first.lendAll()
    #expect(loans.count == count)
    await first.close()
    await second.close()
  }

  @Test("the last row may come without its padding")
  func unpaddedLastRow() async throws {
    // 4:2:0 planes of 320x192 whose rows lie 512 and 256 bytes apart.
    let planes = [512 * 192, 256 * 96, 256 * 95 + 160]
    let total = UInt32(planes.reduce(0, +))
    let device = try Harness.device(api: .singlePlanar)
    let frames = V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
    let transport = BentTransport(device) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0 else { return result }
      if request == CV4L2_VIDIOC_S_FMT, argument.load(as: UInt32.self) == frames {
        let format = argument.assumingMemoryBound(to: v4l2_format.self)
        format.pointee.fmt.pix.bytesperline = 512
        format.pointee.fmt.pix.sizeimage = total
      }
      if request == CV4L2_VIDIOC_QUERYBUF, buffer(argument).pointee.type == frames {
        buffer(argument).pointee.length = total
      }
      return result
    }
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    var loan = try await encoder.nextInputBuffer()
    #expect(loan.planeCount == 3)
    for plane in 0..<loan.planeCount {
      let length = loan.withMutableBytes(ofPlane: plane) { $0.byteCount }
      #expect(length == planes[plane])
    }
    await encoder.close()
  }
}
