import CV4L2
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Rate adaptation with an encoder behind it.
@Suite(.timeLimit(.minutes(1))) struct RateFollowingTests {
  @Test func theEncoderFollowsAndTheDriversBoundIsLearnt() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    var adaptation = RateAdaptation(from: 1_000_000, within: 50_000...900_000_000)
    try await encoder.encode(Harness.frame(0))
    #expect(try await adaptation.follow(target: 1_020_000, at: .zero, with: encoder) == nil)
    let cut = try await adaptation.follow(target: 400_000, at: .seconds(1), with: encoder)
    #expect(cut?.step.bitrate == 400_000 && cut?.step.wantsKeyFrame == true)
    #expect(cut?.outcomes.map(\.result) == [.applied])
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == 400_000)

    // The virtual device takes 200 Mbit/s at most.
    adaptation = RateAdaptation(from: 190_000_000, within: 50_000...900_000_000)
    for time in 2...3 {
      _ = try await adaptation.follow(target: 900_000_000, at: .seconds(time), with: encoder)
    }
    #expect(adaptation.bitrate == 200_000_000)
    #expect(adaptation.bounds.upperBound == 200_000_000)
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.count == 1)
  }

  @Test func aVariableBitrateTakesItsPeakAlong() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.rateControl = .variable(bitrate: 1_000_000, peak: 1_200_000) },
      on: .virtual(device))
    var adaptation = RateAdaptation(from: 1_000_000, within: 50_000...8_000_000)
    let cut = try await adaptation.follow(
      target: 300_000, at: .zero, with: encoder, peakRatio: 1.5)
    #expect(cut?.outcomes.allSatisfy { $0.result == .applied } == true)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == 300_000)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_PEAK)] == 450_000)
    await encoder.close()
  }

  @Test func thePeakKeepsItsRatioUnasked() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.rateControl = .variable(bitrate: 1_000_000, peak: 1_100_000) },
      on: .virtual(device))
    var adaptation = RateAdaptation(from: 1_000_000, within: 50_000...8_000_000)
    for second in 0..<3 {
      _ = try await adaptation.follow(target: 1_200_000, at: .seconds(second), with: encoder)
    }
    #expect(adaptation.bitrate == 1_150_000)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_PEAK)] == 1_265_000)
    await encoder.close()
  }

  @Test func aPeakThatIsNoLimitStaysOne() async throws {
    let highest = 2_000_000_000
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.rateControl = .variable(bitrate: 1_000_000, peak: highest)
        $0.level = CodecLevel.named("6.2", codec: .h264)
      }, on: .virtual(Harness.device()))
    var adaptation = RateAdaptation(from: 1_000_000, within: 50_000...8_000_000)
    for second in 0..<3 {
      _ = try await adaptation.follow(target: 1_200_000, at: .seconds(second), with: encoder)
    }
    #expect(adaptation.bitrate == 1_150_000)
    #expect(encoder.configuration.rateControl == .variable(bitrate: 1_150_000, peak: highest))
    await encoder.close()
  }

  @Test func nothingIsDrainedThatMayNotBe() async throws {
    let disguised = try DisguisedDevice("unheard-of", lockedWhileStreaming: true)
    let encoder = try await H264Encoder.open(Harness.configuration(), on: disguised.selector)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0))
    var adaptation = RateAdaptation(from: 1_000_000, within: 50_000...8_000_000)
    let kept = try await adaptation.follow(
      target: 400_000, at: .zero, with: encoder, mayDrain: false)
    #expect(kept != nil && adaptation.bitrate == 1_000_000 && encoder.statistics.drains == 0)
    let changed = try await adaptation.follow(target: 400_000, at: .seconds(1), with: encoder)
    #expect(changed != nil && adaptation.bitrate == 400_000 && encoder.statistics.drains == 1)
    await encoder.close()
    _ = try await reader.value
  }

  @Test func afterAFailureTheBitrateCountsAsUnchanged() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(try Harness.device()))
    await encoder.close()
    var adaptation = RateAdaptation(from: 1_000_000, within: 50_000...8_000_000)
    let error = try await encoderError {
      _ = try await adaptation.follow(target: 300_000, at: .zero, with: encoder)
    }
    #expect(error?.code == .closed)
    #expect(adaptation.bitrate == 1_000_000)
  }

  @Test("a Raspberry Pi's steps of 25,000 are no bounds")
  func coarseSteps() async throws {
    let device = try VirtualDevice(
      .init(personality: try #require(.named("bcm2835")), h264: .null))
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.rateControl = .constant(bitrate: 2_000_000) },
      on: .virtual(device))
    let bounds = 50_000...4_000_000
    var adaptation = RateAdaptation(from: 2_000_000, within: bounds)
    let targets = [(212_000, 200_000), (188_000, 200_000), (138_000, 150_000)]
    for (second, (target, granted)) in targets.enumerated() {
      let change = try await adaptation.follow(
        target: target, at: .seconds(second), with: encoder)
      #expect(change?.step.bitrate == target)
      #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == Int64(granted))
      #expect(adaptation.bitrate == granted && adaptation.bounds == bounds)
    }
    for second in 10..<50 {
      _ = try await adaptation.follow(target: 2_000_000, at: .seconds(second), with: encoder)
    }
    #expect(adaptation.bitrate > 1_800_000 && adaptation.bounds == bounds)
    await encoder.close()
  }
}
