import CV4L2
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Bitrate, frame rate and controls that change while frames are encoded.
@Suite(.timeLimit(.minutes(2))) struct SettingsTests {
  private let bitrate = UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)
  private let peak = UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_PEAK)

  /// Encodes ten frames, changes settings, and encodes ten more.
  private func encode(
    on selector: DeviceSelector, _ settings: DynamicSettings,
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> (packets: [EncodedPacket], outcomes: [ControlOutcome]) {
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.keyFrameInterval = 1000
        change(&$0)
      }, on: selector)
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<10 { try await encoder.encode(Harness.frame(time)) }
    let outcomes = try await encoder.update(settings)
    for time in Int64(10)..<20 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    await encoder.close()
    return (try await reader.value, outcomes)
  }

  @Test("a bitrate that the level in force does not allow is said, one that it allows is not")
  func bitratesAboveTheLevel() async throws {
    let lines = Locked<[String]>([])
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(try Harness.device()),
      observer: EncoderObserver(log: { _, line in lines.withLock { $0.append(line) } }))
    _ = try await encoder.update(DynamicSettings(bitrate: 900_000))
    #expect(lines.withLock { $0.count { $0.contains("still says level") } } == 0)
    _ = try await encoder.update(DynamicSettings(bitrate: 20_000_000))
    let needed = CodecLevel.minimum(
      codec: .h264, size: Harness.size, frameRate: Rational(25), bitrate: 20_000_000,
      profile: encoder.negotiated.profile)
    let name = try #require(needed).name
    let told = lines.withLock { $0.filter { $0.contains("still says level") } }
    #expect(told.count == 1 && told.first?.hasSuffix("to have level \(name)") == true)
    await encoder.close()
  }

  @Test func bitrateAndFrameRateChangeOnTheWay() async throws {
    let device = try Harness.device()
    let encoded = try await encode(
      on: .virtual(device),
      DynamicSettings(
        bitrate: 2_500_000, frameRate: Rational(50),
        controls: [ControlSetting(.h264MaxQP, 40)])
    ) { $0.timeBase = Rational(1, 1000) }
    #expect(
      encoded.outcomes.map(\.name) == [
        "BITRATE", "H264_MAX_QP", ControlOutcome.frameRateName,
      ])
    #expect(encoded.outcomes.allSatisfy { $0.result == .applied })
    #expect(encoded.outcomes.last?.requested == 50_000)
    #expect(device.appliedControls[bitrate] == 2_500_000)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_H264_MAX_QP)] == 40)
    #expect(encoded.packets.map(\.presentationTime) == (0..<20).map { $0 })
    #expect(encoded.packets.indices.filter { encoded.packets[$0].isKeyFrame } == [0])
    // A frame without a duration has that of the rate in force.
    #expect(
      encoded.packets.map(\.duration) == Array(repeating: 40, count: 10)
        + Array(repeating: 20, count: 10))
  }

  @Test func whatTheDriverClampsIsSaid() async throws {
    let encoded = try await encode(
      on: .virtual(try Harness.device()), DynamicSettings(bitrate: 900_000_000))
    #expect(encoded.outcomes.first?.result == .adjusted(to: 200_000_000))
  }

  @Test func oneControlBySetting() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(try Harness.device()))
    #expect(try await encoder.set(.bitrate, to: 1_500_000) == .applied)
    #expect(try await encoder.set(.ltrCount, to: 2) == .unsupported)
    #expect(try await encoder.update(DynamicSettings()) == [])
    await encoder.close()
    let error = await #expect(throws: EncoderError.self) {
      _ = try await encoder.set(.bitrate, to: 1_500_000)
    }
    #expect(error?.code == .closed)
  }

  @Test("a peak rises before the bitrate and falls after it")
  func orderOfPeakAndBitrate() async throws {
    let disguised = try DisguisedDevice("anything")
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.rateControl = .variable(bitrate: 1_000_000, peak: 2_000_000) },
      on: disguised.selector)
    let before = disguised.writes.count
    _ = try await encoder.update(DynamicSettings(bitrate: 3_000_000, peakBitrate: 4_000_000))
    _ = try await encoder.update(DynamicSettings(bitrate: 500_000, peakBitrate: 600_000))
    _ = try await encoder.update(DynamicSettings(bitrate: 550_000))
    let order = disguised.writes.dropFirst(before).map(\.id)
    #expect(order == [peak, bitrate, bitrate, peak, bitrate, peak])
    let error = await #expect(throws: EncoderError.self) {
      _ = try await encoder.update(DynamicSettings(bitrate: 700_000))
    }
    #expect(error?.code == .invalidConfiguration)
    #expect(error?.message.contains("peak") == true)
    await encoder.close()
  }

  @Test("what contradicts itself is refused before the driver is asked")
  func refusals() async throws {
    let disguised = try DisguisedDevice("anything")
    let encoder = try await H264Encoder.open(Harness.configuration(), on: disguised.selector)
    let before = disguised.requests.count
    for settings in [
      DynamicSettings(keyFrameInterval: 0), DynamicSettings(rateControl: .constant(bitrate: 1)),
      DynamicSettings(quantizer: QuantizerRange(minimum: 40, maximum: 30)),
      DynamicSettings(bitrate: 2_000_000, rateControl: .constant(bitrate: 2_000_000)),
      DynamicSettings(bitrate: 0), DynamicSettings(bitrate: .max),
      DynamicSettings(peakBitrate: 2_000_000), DynamicSettings(frameRate: Rational(0)),
      DynamicSettings(frameRate: Rational(1, 0)),
    ] {
      let error = await #expect(throws: EncoderError.self) {
        _ = try await encoder.update(settings)
      }
      #expect(error?.code == .invalidConfiguration, "\(settings)")
    }
    let asked = disguised.requests.dropFirst(before)
    #expect(!asked.contains(CV4L2_VIDIOC_S_EXT_CTRLS) && !asked.contains(CV4L2_VIDIOC_S_PARM))
    await encoder.close()
  }

  @Test(
    "controls that are locked while the queues stream are set between two stretches",
    arguments: ["allegro", "anything"])
  func changesAtRest(driver: String) async throws {
    let disguised = try DisguisedDevice(driver, lockedWhileStreaming: true)
    let encoded = try await encode(
      on: disguised.selector, DynamicSettings(bitrate: 2_500_000, frameRate: Rational(50)))
    #expect(encoded.outcomes.map(\.result) == [.applied, .applied])
    #expect(disguised.device.appliedControls[bitrate] == 2_500_000)
    #expect(encoded.packets.map(\.presentationTime) == (0..<20).map { $0 })
    #expect(encoded.packets.indices.filter { encoded.packets[$0].isKeyFrame } == [0, 10])
  }

  @Test("changes at rest go on beside somebody who encodes, and none is lost")
  func changesAtRestUnderLoad() async throws {
    let disguised = try DisguisedDevice("allegro", lockedWhileStreaming: true)
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.keyFrameInterval = 1000 }, on: disguised.selector)
    let reader = Harness.collect(encoder.packets)
    try await withDeadline(.seconds(60), "frames and changes") {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for time in Int64(0)..<200 { try await encoder.encode(Harness.frame(time)) }
        }
        for rate in 1...5 {
          group.addTask {
            let outcomes = try await encoder.update(
              DynamicSettings(controls: [ControlSetting(.bitrate, Int64(rate) * 1_000_000)]))
            #expect(outcomes.map(\.result) == [.applied])
          }
        }
        try await group.waitForAll()
      }
    }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<200).map { $0 })
  }

  @Test("a change that comes while the queues are started again gets a restart of its own")
  func changeDuringARestart() async throws {
    let (entered, gate) = (Gate(), Gate())
    let isHeld = Locked(false)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_STREAMON, isHeld.withLock({ $0 }), !entered.isOpenNow {
        entered.open()
        gate.wait()
      }
      return device.perform(request, argument)
    }
    defer { gate.open() }
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    isHeld.withLock { $0 = true }
    let first = Task {
      try await encoder.changeInput(size: VideoSize(width: 640, height: 360)).visibleSize.width
    }
    try await eventually("the first change starts the queues") { entered.isOpenNow }
    let second = Task {
      try await encoder.changeInput(size: VideoSize(width: 160, height: 96)).visibleSize.width
    }
    try await eventually("the second change waits") {
      encoder.session.engine.core.withLock { !$0.restJobs.isEmpty }
    }
    gate.open()
    let widths = try await withDeadline(.seconds(8), "both changes") {
      [try await first.value, try await second.value]
    }
    #expect(widths == [640, 160])
    await encoder.close()
  }

  @Test("a change that waits for a rest ends with the session")
  func aWaitingChangeEndsWithTheSession() async throws {
    let disguised = try DisguisedDevice("allegro", lockedWhileStreaming: true)
    let encoder = try await H264Encoder.open(Harness.configuration(), on: disguised.selector)
    try await encoder.encode(Harness.frame(0))
    let change = Task { try await encoder.update(DynamicSettings(bitrate: 2_000_000)) }
    await encoder.close()
    // It either was in time or is told why it was not; it does not hang.
    let result = try await withDeadline(.seconds(20), "the end of the change") {
      await change.result
    }
    if case .failure(let error) = result {
      #expect((error as? EncoderError)?.code == .closed)
    }
  }

  @Test("the way to spend bits, the key frame distance and quantizer bounds change on the way")
  func everythingElse() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
    let variable = try await encoder.update(
      DynamicSettings(
        rateControl: .variable(bitrate: 1_500_000, peak: 3_000_000), keyFrameInterval: 7,
        quantizer: QuantizerRange(initial: 30, minimum: 20, maximum: 40)))
    #expect(variable.filter { $0.result != .applied } == [])
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_MODE)] == 0)
    #expect(device.appliedControls[bitrate] == 1_500_000)
    #expect(device.appliedControls[peak] == 3_000_000)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_GOP_SIZE)] == 7)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_H264_MIN_QP)] == 20)
    #expect(encoder.configuration.rateControl == .variable(bitrate: 1_500_000, peak: 3_000_000))
    #expect(encoder.statistics.targetBitrate == 1_500_000)
    _ = try await encoder.update(DynamicSettings(rateControl: .constantQuantizer(33)))
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_H264_MAX_QP)] == 33)
    #expect(encoder.statistics.targetBitrate == nil)
    // Back again, the bounds are those of before.
    _ = try await encoder.update(DynamicSettings(rateControl: .constant(bitrate: 700_000)))
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_H264_MAX_QP)] == 40)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_MODE)] == 1)
    #expect(encoder.configuration.keyFrameInterval == 7)
    await encoder.close()
  }

  @Test("without leave to drain, what the driver locks is refused by name")
  func noDrain() async throws {
    for driver in ["allegro", "anything"] {
      let disguised = try DisguisedDevice(driver, lockedWhileStreaming: true)
      let encoded = try await encode(
        on: disguised.selector, DynamicSettings(bitrate: 2_500_000, mayDrain: false))
      #expect(encoded.packets.indices.filter { encoded.packets[$0].isKeyFrame } == [0])
      #expect(encoded.outcomes.map(\.name) == ["BITRATE"])
      switch (driver, encoded.outcomes.first?.result) {
      case ("allegro", .leftOut(let reason)): #expect(reason.contains("mayDrain"))
      case ("anything", .refused(.busy)): break
      default: Issue.record("\(driver): \(encoded.outcomes)")
      }
    }
  }

  @Test("a key frame now, by the driver's control or by a restart")
  func keyFrameNow() async throws {
    for driver in ["anything", "allegro"] {
      let control = UInt32(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME)
      let disguised = try DisguisedDevice(
        driver, lacking: driver == "allegro" ? [control] : [])
      let encoder = try await H264Encoder.open(
        Harness.configuration { $0.keyFrameInterval = 1000 }, on: disguised.selector)
      let reader = Harness.collect(encoder.packets)
      for time in Int64(0)..<5 { try await encoder.encode(Harness.frame(time)) }
      try await eventually("all packets are out") { encoder.statistics.packetsOut == 5 }
      try await encoder.requestKeyFrame()
      for time in Int64(5)..<8 { try await encoder.encode(Harness.frame(time)) }
      try await encoder.drain()
      await encoder.close()
      let packets = try await reader.value
      #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0, 5], "\(driver)")
    }
  }
}
