import CV4L2
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What the library does differently for one family of drivers, seen from the driver.
@Suite(.timeLimit(.minutes(2))) struct FamilyRuleTests {
  private let forceKeyFrame = UInt32(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME)
  private let forceFrameType = UInt32(V4L2_CID_MPEG_MFC51_VIDEO_FORCE_FRAME_TYPE)

  /// Encodes frames, asking for a key frame with one of them.
  private func encode(
    _ disguised: DisguisedDevice, keyFrameAt position: Int64,
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> ([EncodedPacket], NegotiationReport) {
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.keyFrameInterval = 1000
        change(&$0)
      }, on: disguised.selector)
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<10 {
      try await encoder.encode(
        Harness.frame(time), options: FrameOptions(forceKeyFrame: time == position))
      try await eventually(within: .seconds(10), "the packet of frame \(time)") {
        encoder.statistics.packetsOut == Int(time) + 1
      }
    }
    try await encoder.drain()
    let report = encoder.negotiated
    await encoder.close()
    return (try await reader.value, report)
  }

  @Test(
    "without a control for key frames the queues are started again", arguments: ["coda", "st-hva"])
  func keyFramesByRestart(driver: String) async throws {
    let disguised = try DisguisedDevice(driver, lacking: [forceKeyFrame])
    let (packets, report) = try await encode(disguised, keyFrameAt: 6)
    #expect(report.keyFrames == .restart)
    #expect(packets.map(\.presentationTime) == (0..<10).map { $0 })
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0, 6])
    #expect(packets[6].hasParameterSets)
    #expect(!disguised.writes.contains { $0.id == forceKeyFrame })
  }

  @Test("a family that may lack the control is asked for it")
  func keyFramesByControlWhereThereIsOne() async throws {
    let disguised = try DisguisedDevice("coda")
    let (packets, report) = try await encode(disguised, keyFrameAt: 6)
    #expect(report.keyFrames == .control)
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0, 6])
    #expect(disguised.requests.filter { $0 == CV4L2_VIDIOC_STREAMON }.count == 2)
  }

  @Test("key frames on demand have a control of their own on older s5p-mfc and on NVIDIA's plugin")
  func keyFramesByOtherControls() async throws {
    for (driver, expected) in [("s5p-mfc", forceFrameType), ("nvenc", forceFrameType)] {
      let disguised = try DisguisedDevice(driver, lacking: [forceKeyFrame])
      let encoder = try await H264Encoder.open(Harness.configuration(), on: disguised.selector)
      let error = await #expect(throws: EncoderError.self) {
        try await encoder.encode(Harness.frame(0), options: FrameOptions(forceKeyFrame: true))
      }
      // The virtual device has neither; what counts is what it was asked for.
      #expect(error?.code == .unsupported)
      #expect(disguised.writes.contains { $0.id == expected && $0.value == 1 })
      await encoder.close()
    }
  }

  @Test("rkmpp is written one control at a time, with its class, and never read")
  func rkmpp() async throws {
    let disguised = try DisguisedDevice("rkmpp")
    let (packets, report) = try await encode(disguised, keyFrameAt: 3)
    #expect(packets.count == 10)
    #expect(report.family == "rkmpp")
    let level = report.controls.first { $0.name == "H264_LEVEL" }
    guard case .leftOut(let reason)? = level?.result else {
      Issue.record("H264_LEVEL: \(String(describing: level))")
      return
    }
    #expect(reason.contains("libv4l-rkmpp"))
    #expect(report.differences.contains { $0.contains("H264_LEVEL") && $0.contains("left out") })
    #expect(!disguised.writes.contains { $0.id == UInt32(V4L2_CID_MPEG_VIDEO_H264_LEVEL) })
    #expect(disguised.writes.allSatisfy { $0.controlClass == V4L2_CTRL_CLASS_MPEG })
    let bitrate = report.controls.first { $0.name == "BITRATE" }
    #expect(bitrate?.result == .unverified)
    let forbidden = [
      CV4L2_VIDIOC_S_CTRL, CV4L2_VIDIOC_G_CTRL, CV4L2_VIDIOC_QUERY_EXT_CTRL, CV4L2_VIDIOC_QUERYCTRL,
    ]
    #expect(!disguised.requests.contains { forbidden.contains($0) })
    for name in ["H264_MIN_QP", "H264_MAX_QP", "GOP_SIZE", "BITRATE_MODE", "BITRATE"] {
      #expect(report.controls.first { $0.name == name }?.result == .unverified, "\(name)")
    }
  }

  @Test("NVIDIA's plugin gets its own numbers and structures, and nothing else")
  func nvidia() async throws {
    let disguised = try DisguisedDevice("nvenc")
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.quantizer = QuantizerRange(initial: 26, minimum: 12, maximum: 48)
      },
      on: disguised.selector)
    await encoder.close()
    let kept = UInt32.max
    let writes = disguised.writes
    #expect(
      writes.filter { $0.id == 0x0099_0b1b }.map(\.structure) == [
        [kept, 48, kept, 48, kept, 48], [12, kept, 12, kept, 12, kept],
      ])
    #expect(writes.filter { $0.id == 0x0099_0b3e }.map(\.structure) == [[26, 26, 26]])
    #expect(writes.contains { $0.id == 0x0099_0b17 && $0.value == 1 })
    #expect(writes.contains { $0.id == 0x0099_0b02 && $0.value == 10 })
    let known: Set<UInt32> = [
      UInt32(V4L2_CID_MPEG_VIDEO_BITRATE), UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_MODE),
      UInt32(V4L2_CID_MPEG_VIDEO_GOP_SIZE), UInt32(V4L2_CID_MPEG_VIDEO_H264_PROFILE),
      UInt32(V4L2_CID_MPEG_VIDEO_H264_LEVEL), UInt32(V4L2_CID_MPEG_VIDEO_H264_ENTROPY_MODE),
      UInt32(V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE),
    ]
    for write in writes where !known.contains(write.id) {
      #expect((0x0099_0b01...0x0099_0b56).contains(write.id), "\(write)")
    }
    #expect(writes.allSatisfy { $0.controlClass == V4L2_CTRL_CLASS_MPEG })
  }
}
