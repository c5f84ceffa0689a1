import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What drivers are known to do that the kernel's documentation does not say.
@Suite(.timeLimit(.minutes(2))) struct DriverRuleTests {
  struct Outcome {
    var packets: [EncodedPacket]
    var statistics: EncoderStatistics
    var report: NegotiationReport
    var events: [EncoderEvent]
    var times: [Int64] { packets.map(\.presentationTime) }
  }

  /// Encodes twice with a drain in between: each ending must leave the device usable.
  private func encode(
    _ transport: BentTransport, frames: Int = 12, drains: Int = 2,
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> Outcome {
    let events = Locked<[EncoderEvent]>([])
    let observer = EncoderObserver(event: { event in events.withLock { $0.append(event) } })
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.deadlines = Deadlines(
          setup: .seconds(5), progress: .seconds(2), consumer: .seconds(2),
          silence: .milliseconds(50))
        change(&$0)
      }, on: transport.selector, observer: observer)
    let reader = Harness.collect(encoder.packets)
    for round in 0..<drains {
      for index in 0..<frames {
        try await encoder.encode(Harness.frame(Int64(round * frames + index)))
      }
      try await encoder.drain()
    }
    let (statistics, report) = (encoder.statistics, encoder.negotiated)
    await encoder.close()
    return Outcome(
      packets: try await reader.value, statistics: statistics, report: report,
      events: events.withLock { $0 })
  }

  private let all = (0..<Int64(24)).map { $0 }

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
    #expect(try await encode(transport).times == all)
    #expect(try await encode(spying).times == all)
    #expect(commands.withLock { $0 } == [UInt32(V4L2_ENC_CMD_STOP), UInt32(V4L2_ENC_CMD_STOP)])
  }

  @Test func captureIsNegotiatedBeforeOutput() async throws {
    let types = Locked<[UInt32]>([])
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_S_FMT {
        types.withLock { $0.append(argument.load(as: UInt32.self)) }
      }
      return device.perform(request, argument)
    }
    _ = try await encode(transport)
    #expect(
      types.withLock { $0.prefix(2) } == [
        V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue,
      ])
  }

  @Test("no ENCODER_CMD: the last frame's packet ends the drain", arguments: [ENOTTY, EINVAL])
  func noStopCommand(code: Int32) async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      request == CV4L2_VIDIOC_ENCODER_CMD ? -code : device.perform(request, argument)
    }
    let outcome = try await encode(transport)
    #expect(outcome.times == all)
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
    #expect(try await encode(transport).times == all)
  }

  @Test("neither LAST nor EPIPE: the EOS event and silence end the drain")
  func endBySilence() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard takesPacket(request, argument) else { return result }
      if result == 0 { buffer(argument).pointee.flags &= ~UInt32(V4L2_BUF_FLAG_LAST) }
      return result == -EPIPE ? -EAGAIN : result
    }
    #expect(try await encode(transport).times == all)
  }

  @Test("frames without a packet are reported, and do not hang the drain")
  func skippedFrames() async throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      let number = count.withLock { count -> Int in
        count += 1
        return count
      }
      guard number == 3 || number == 7 else { return result }
      // The encoder produced nothing: its buffer comes back empty.
      let planes = buffer(argument).pointee.m.planes
      planes?.pointee.bytesused = 0
      return 0
    }
    let outcome = try await encode(transport, frames: 10, drains: 1)
    #expect(outcome.times == [0, 1, 3, 4, 5, 7, 8, 9])
    #expect(outcome.statistics.framesSkipped == 2)
    #expect(
      outcome.events == [.frameSkipped(presentationTime: 2), .frameSkipped(presentationTime: 6)])
  }

  @Test("a buffer of parameter sets alone belongs to the next picture")
  func separateHeaders() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_S_EXT_CTRLS,
        controlNumber(argument) == V4L2_CID_MPEG_VIDEO_HEADER_MODE
      {
        argument.assumingMemoryBound(to: v4l2_ext_controls.self).pointee.controls.pointee.value =
          Int32(V4L2_MPEG_VIDEO_HEADER_MODE_SEPARATE.rawValue)
      }
      return device.perform(request, argument)
    }
    let outcome = try await encode(transport)
    #expect(outcome.times == all)
    #expect(outcome.packets[0].isKeyFrame && outcome.packets[0].hasParameterSets)
    #expect(outcome.packets[12].isKeyFrame && outcome.packets[12].hasParameterSets)
    #expect(outcome.report.differences.contains { $0.contains("HEADER_MODE") })
  }

  @Test("a driver that cannot repeat parameter sets: the library inserts them")
  func insertedParameterSets() async throws {
    let absent = [
      UInt32(V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR),
      UInt32(V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER),
    ]
    let device = try Harness.device()
    let transport = BentTransport(device) { request, argument, device in
      let isControl = request == CV4L2_VIDIOC_S_EXT_CTRLS || request == CV4L2_VIDIOC_G_EXT_CTRLS
      if isControl, absent.contains(controlNumber(argument)) { return -EINVAL }
      return device.perform(request, argument)
    }
    let outcome = try await encode(transport, frames: 25, drains: 1)
    #expect(outcome.report.parameterSets == .inserted)
    let keys = outcome.packets.filter(\.isKeyFrame)
    #expect(keys.map(\.presentationTime) == [0, 10, 20])
    #expect(keys.allSatisfy { $0.hasParameterSets })
    for absentControl in outcome.report.controls where absent.contains(absentControl.id) {
      #expect(absentControl.result == .unsupported)
    }
  }

  @Test("key frames are read from the bitstream, as wave5 flags them wrongly")
  func wrongKeyFrameFlag() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      if result == 0, takesPacket(request, argument) {
        buffer(argument).pointee.flags ^= UInt32(V4L2_BUF_FLAG_KEYFRAME)
      }
      return result
    }
    let outcome = try await encode(transport, frames: 12, drains: 1)
    #expect(outcome.packets.indices.filter { outcome.packets[$0].isKeyFrame } == [0, 10])
  }

  @Test("a driver that does not copy times is served in order, and the packets say so")
  func timesNotCopied() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      if result == 0, takesPacket(request, argument) {
        buffer(argument).pointee.flags &= ~UInt32(V4L2_BUF_FLAG_TIMESTAMP_COPY)
        buffer(argument).pointee.timestamp = timeval(tv_sec: 0, tv_usec: 0)
      }
      return result
    }
    let outcome = try await encode(transport)
    #expect(outcome.times == all)
    #expect(outcome.packets.allSatisfy { $0.isTimeInferred })
  }

  @Test func theErrorFlagSpoilsOneBuffer() async throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      let isThird = count.withLock { count -> Bool in
        count += 1
        return count == 3
      }
      if isThird { buffer(argument).pointee.flags |= UInt32(V4L2_BUF_FLAG_ERROR) }
      return result
    }
    let outcome = try await encode(transport)
    #expect(outcome.times == all)
    #expect(outcome.packets.indices.filter { outcome.packets[$0].isCorrupt } == [2])
    #expect(outcome.events == [.corruptPacket(presentationTime: 2)])
  }

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
    #expect(try await encode(transport).times == all)
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
    let reader = Task { () -> ([Int64], EncoderError?) in
      var times: [Int64] = []
      do throws(EncoderError) {
        for try await packet in encoder.packets { times.append(packet.presentationTime) }
        return (times, nil)
      } catch {
        return (times, error)
      }
    }
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

  @Test(
    "buffers that cannot be are a protocol violation, never a trap",
    arguments: ["index", "bytesused", "data_offset"])
  func impossibleBuffers(what: String) async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      switch what {
      case "index": buffer(argument).pointee.index = 77
      case "bytesused": buffer(argument).pointee.m.planes.pointee.bytesused = .max
      default: buffer(argument).pointee.m.planes.pointee.data_offset = .max
      }
      return result
    }
    do throws(any Error) {
      _ = try await encode(transport)
      Issue.record("accepted")
    } catch let error as EncoderError {
      #expect(error.code == .protocolViolation)
    }
  }

  @Test("a size that the driver clamps is refused by name")
  func clampedSize() async throws {
    let transport = BentTransport(try Harness.device())
    do throws(EncoderError) {
      _ = try await H264Encoder.open(
        Harness.configuration {
          $0.size = VideoSize(width: 8000, height: 400)
          $0.level = CodecLevel.named("6.2", codec: .h264)
        }, on: transport.selector)
      Issue.record("opened")
    } catch {
      #expect(error.code == .unsupported)
      #expect(error.message.contains("8000x400"))
      #expect(error.message.contains("4096"))
    }
  }

  @Test("padding that cannot be cropped is refused, and no crop without padding is fine")
  func noSelection() async throws {
    let bend: BentTransport.Bend = { request, argument, device in
      request == CV4L2_VIDIOC_S_SELECTION ? -ENOTTY : device.perform(request, argument)
    }
    let plain = BentTransport(try Harness.device(), bend: bend)
    #expect(try await encode(plain).times == all)
    let padded = BentTransport(try Harness.device(), bend: bend)
    do throws(EncoderError) {
      _ = try await H264Encoder.open(
        Harness.configuration { $0.size = VideoSize(width: 320, height: 186) },
        on: padded.selector)
      Issue.record("opened")
    } catch {
      #expect(error.code == .unsupported)
      #expect(error.operation == "VIDIOC_S_SELECTION")
    }
  }

  @Test func everythingAskedAndNotAppliedIsReported() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_S_PARM { return -ENOTTY }
      let id = controlNumberOrZero(request, argument)
      if id == UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_MODE) { return -EINVAL }
      if request == CV4L2_VIDIOC_S_EXT_CTRLS, id == UInt32(V4L2_CID_MPEG_VIDEO_BITRATE) {
        // As bcm2835-codec: multiples of 25000 only.
        let control = argument.assumingMemoryBound(to: v4l2_ext_controls.self).pointee.controls
        control?.pointee.value = (control?.pointee.value ?? 0) / 25_000 * 25_000
      }
      return device.perform(request, argument)
    }
    let outcome = try await encode(transport) { $0.rateControl = .constant(bitrate: 1_010_000) }
    #expect(outcome.times == all)
    let differences = outcome.report.differences
    #expect(differences.contains { $0.contains("frame rate") && $0.contains("ENOTTY") })
    #expect(differences.contains { $0.contains("BITRATE_MODE") && $0.contains("no such control") })
    #expect(differences.contains { $0.contains("1010000") && $0.contains("1000000") })
    #expect(differences.count == 3)
  }

  @Test("no extended controls at all: the old requests do")
  func oldControlRequests() async throws {
    let device = try Harness.device()
    let transport = BentTransport(device) { request, argument, device in
      request == CV4L2_VIDIOC_S_EXT_CTRLS || request == CV4L2_VIDIOC_G_EXT_CTRLS
        ? -ENOTTY : device.perform(request, argument)
    }
    let outcome = try await encode(transport)
    #expect(outcome.times == all)
    #expect(outcome.report.differences == [])
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == 1_000_000)
  }
}

/// The control's number if the request carries one.
private func controlNumberOrZero(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> UInt32 {
  request == CV4L2_VIDIOC_S_EXT_CTRLS || request == CV4L2_VIDIOC_G_EXT_CTRLS
    ? controlNumber(argument) : 0
}
