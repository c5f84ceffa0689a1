import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Where a drain ends, whatever drivers say of it and do not say.
@Suite(.timeLimit(.minutes(2))) struct DrainTests {
  @Test func theStartCommandIsNeverSent() async throws {
    let transport = BentTransport(try Harness.device())
    let commands = Locked<[UInt32]>([])
    let spying = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_ENCODER_CMD {
        let command = argument.assumingMemoryBound(to: v4l2_encoder_cmd.self).pointee
        commands.withLock { $0.append(command.cmd) }
      }
      return device.perform(request, argument)
    }
    #expect(try await transport.encode().times == times(0..<24))
    #expect(try await spying.encode().times == times(0..<24))
    #expect(commands.withLock { $0 } == [UInt32(V4L2_ENC_CMD_STOP), UInt32(V4L2_ENC_CMD_STOP)])
  }

  @Test("no ENCODER_CMD: the last frame's packet ends the drain", arguments: [ENOTTY, EINVAL])
  func noStopCommand(code: Int32) async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      request == CV4L2_VIDIOC_ENCODER_CMD ? -code : device.perform(request, argument)
    }
    let outcome = try await transport.encode()
    #expect(outcome.times == times(0..<24))
    #expect(outcome.statistics.drains == 2)
  }

  @Test("no LAST flag: EPIPE ends the drain, as on amphion")
  func endByBrokenPipe() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      if result == 0, takesPacket(request, argument) {
        buffer(argument).pointee.flags &= ~UInt32(V4L2_BUF_FLAG_LAST)
      }
      return result
    }
    #expect(try await transport.encode().times == times(0..<24))
  }

  @Test("neither LAST nor EPIPE: the EOS event and silence end the drain")
  func endBySilence() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard takesPacket(request, argument) else { return result }
      if result == 0 { buffer(argument).pointee.flags &= ~UInt32(V4L2_BUF_FLAG_LAST) }
      return result == -EPIPE ? -EAGAIN : result
    }
    #expect(try await transport.encode().times == times(0..<24))
  }

  @Test("a drain that never ends is called stalled", .timeLimit(.minutes(1)))
  func stalledDrain() async throws {
    // The command is taken and nothing follows, as when one queue does not stream.
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      request == CV4L2_VIDIOC_ENCODER_CMD ? 0 : device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .milliseconds(300) },
      on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0))
    do throws(EncoderError) {
      try await encoder.drain()
      Issue.record("the drain ended")
    } catch {
      #expect(error.code == .deviceStalled)
    }
    await encoder.close()
    let told = await #expect(throws: EncoderError.self) { _ = try await reader.value }
    #expect(told?.code == .deviceStalled)
    #expect(encoder.statistics.packetsOut == 1)
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
    let encoder = try await Harness.openHasty(transport, observer: observer) {
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
    let encoder = try await Harness.openHasty(transport, observer: observer) {
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
    let encoder = try await Harness.openHasty(transport) { $0.deadlines.progress = .seconds(2) }
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<30 { try await encoder.encode(Harness.frame(time)) }
    try await eventually("every packet") { encoder.statistics.packetsOut == 30 }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<30).map(Int64.init))
  }
}
