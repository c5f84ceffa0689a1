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
}
