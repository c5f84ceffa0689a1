import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// What the summary says of one output.
@Suite struct TallyTests {
  private func packet(at time: Int64, lasting duration: Int64, bytes: Int) -> EncodedPacket {
    EncodedPacket(
      AccessUnit(
        codec: .fwht, data: PacketData(copying: Array(repeating: 0, count: bytes)),
        isKeyFrame: true, hasParameterSets: false),
      presentationTime: time, decodeTime: time, duration: duration, isCorrupt: false,
      isTimeInferred: false, latency: .milliseconds(1))
  }

  @Test func theAverageBitrateGoesByTheTimesOfThePictures() {
    let tally = EncodeTally(timeBase: Rational(1, 1000), expectedFrames: nil)
    #expect(tally.summary().contains("0 bit/s on average"))
    // A second at 10 frames per second, then, after another signal, one at 50.
    for index in 0..<10 {
      _ = tally.add(
        packet(at: Int64(index) * 100, lasting: 100, bytes: 1000), wantsStatus: false)
    }
    #expect(tally.summary().contains("80 kbit/s on average"), "\(tally.summary())")
    for index in 0..<50 {
      _ = tally.add(
        packet(at: 1000 + Int64(index) * 20, lasting: 20, bytes: 1000), wantsStatus: false)
    }
    #expect(tally.summary().contains("240 kbit/s on average"), "\(tally.summary())")
  }
}
