import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Devices that fail, hang or are interrupted.
@Suite(.timeLimit(.minutes(2))) struct DeviceFailureTests {
  @Test("interrupted requests are repeated")
  func interruptions() async throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let isInterrupted = count.withLock { count -> Bool in
        count += 1
        return count % 3 != 0
      }
      return isInterrupted ? -EINTR : device.perform(request, argument)
    }
    #expect(try await transport.encode().times == times(0..<24))
  }

  @Test(
    "a device that fails ends every call, and what came before can be read",
    arguments: [EIO, ENODEV, ENOTCONN, ECONNABORTED])
  func lostDevice(code: Int32) async throws {
    let accepted = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      guard takesPacket(request, argument) else { return device.perform(request, argument) }
      guard accepted.withLock({ $0 }) < 5 else { return -code }
      let result = device.perform(request, argument)
      if result == 0 { accepted.withLock { $0 += 1 } }
      return result
    }
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collectToTheEnd(encoder.packets)
    do throws(EncoderError) {
      for time in Int64(0)..<100 {
        let frame: VideoFrame
        do { frame = try Harness.frame(time) } catch { return }
        try await encoder.encode(frame)
      }
      try await encoder.drain()
      Issue.record("the loss went unnoticed")
    } catch {
      #expect(error.code == .deviceLost)
      #expect(error.operation == "VIDIOC_DQBUF")
      #expect(error.errno?.rawValue == code)
    }
    // What the device gave out before is all there, and nothing else.
    let (times, error) = await reader.value
    #expect(accepted.withLock { $0 } == 5)
    #expect(times == [0, 1, 2, 3, 4])
    #expect(error?.code == .deviceLost)
    await encoder.close()
  }

  @Test("a device that returns nothing is called stalled", .timeLimit(.minutes(1)))
  func stalledDevice() async throws {
    let transport = BentTransport(try Harness.device(), isDeaf: true) { request, argument, device in
      request == CV4L2_VIDIOC_DQBUF ? -EAGAIN : device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .milliseconds(300) },
      on: transport.selector)
    do throws(EncoderError) {
      for time in Int64(0)..<100 {
        let frame: VideoFrame
        do { frame = try Harness.frame(time) } catch { return }
        try await encoder.encode(frame)
      }
      Issue.record("the stall went unnoticed")
    } catch {
      #expect(error.code == .deviceStalled)
    }
    await encoder.close()
  }

  @Test(
    "a request that never returns while somebody waits is called stalled",
    .timeLimit(.minutes(1)))
  func frozenRequest() async throws {
    let gate = Gate()
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if takesPacket(request, argument) { gate.wait() }
      return device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .milliseconds(200) },
      on: transport.selector)
    try await encoder.encode(Harness.frame(0))
    do throws(EncoderError) {
      try await encoder.drain()
      Issue.record("the drain ended")
    } catch {
      #expect(error.code == .deviceStalled)
    }
    gate.open()
    await encoder.close()
  }

  @Test("a device that hangs while it is opened is given up", .timeLimit(.minutes(1)))
  func hangingOpen() async throws {
    let gate = Gate()
    defer { gate.open() }
    let transport = BentTransport(try Harness.device(), openGate: gate)
    do throws(EncoderError) {
      _ = try await H264Encoder.open(
        Harness.configuration { $0.deadlines.setup = .milliseconds(200) },
        on: transport.selector)
      Issue.record("opened")
    } catch {
      #expect(error.code == .deviceStalled)
    }
  }
}
