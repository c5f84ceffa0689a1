import Testing
import V4L2Encoder

@testable import v4l2enc_cli

@Suite struct Y4MHeaderTests {
  private func header(_ text: String) throws(CommandError) -> Y4MHeader {
    try Y4MHeader(Array(text.utf8), name: "in.y4m")
  }

  @Test func parametersComeInAnyOrder() throws {
    let expected = try header("YUV4MPEG2 W176 H144 F30000:1001 Ip A128:117 C420jpeg")
    #expect(expected.size == VideoSize(width: 176, height: 144))
    #expect(expected.format == .i420)
    #expect(expected.frameRate == Rational(30000, 1001))
    #expect(!expected.isInterlaced)
    #expect(try header("YUV4MPEG2 C420jpeg A128:117 Ip F30000:1001 H144 W176") == expected)
    #expect(expected.pixelAspect == Rational(128, 117))
    let plain = try header("YUV4MPEG2  H144 W176 F30000:1001 A0:0 XYSCSS=420JPEG XCOMMENT")
    #expect(plain.size == expected.size)
    #expect(plain.pixelAspect == nil)
  }

  @Test(arguments: [
    ("420", PixelFormat.i420), ("420jpeg", .i420), ("420mpeg2", .i420), ("420paldv", .i420),
    ("422", .i422), ("mono", .grey),
  ])
  func chromaIsAccepted(chroma: String, format: PixelFormat) throws {
    #expect(try header("YUV4MPEG2 W16 H16 C\(chroma)").format == format)
  }

  @Test(arguments: ["444", "444alpha", "411", "420p10", "422p10", "mono9", "mono16", "", "xyz"])
  func otherChromaIsRefusedByName(chroma: String) {
    #expect {
      try header("YUV4MPEG2 W16 H16 C\(chroma)")
    } throws: { error in
      let error = error as? CommandError
      return error?.code == .badData && error?.message.contains("C\(chroma) ") == true
    }
  }

  @Test(arguments: [
    "YUV4MPEG2", "YUV4MPEG2 W16", "YUV4MPEG2 H16", "YUV4MPEG2 W0 H16", "YUV4MPEG2 W16 H-2",
    "YUV4MPEG2 Wx H16", "YUV4MPEG2 W16 H16 F25", "YUV4MPEG2 W16 H16 F25:x",
    "YUV4MPEG2 W16 H16 Iz", "YUV4MPEG2 W16 H16 Q1", "YUV4MPEG2 W99999999999999999999 H16",
    "YUV4MPEG2 W999999 H16", "YUV4MPEG2\u{0} W16 H16", "YUV4MPEG3 W16 H16", "",
    "YUV4MPEG2 W16 H16 F99999999999:1",
  ])
  func damageIsNamed(text: String) {
    #expect {
      try header(text)
    } throws: { error in
      let error = error as? CommandError
      return error?.code == .badData && error?.message.contains("in.y4m") == true
    }
  }

  @Test func interlacingAndRangeAreRead() throws {
    for letter in ["t", "b", "m"] { #expect(try header("YUV4MPEG2 W2 H2 I\(letter)").isInterlaced) }
    for letter in ["p", "?"] { #expect(try !header("YUV4MPEG2 W2 H2 I\(letter)").isInterlaced) }
    #expect(try header("YUV4MPEG2 W2 H2 XCOLORRANGE=FULL").colorRange == .full)
    #expect(try header("YUV4MPEG2 W2 H2 XCOLORRANGE=LIMITED").colorRange == .limited)
    #expect(try header("YUV4MPEG2 W2 H2").colorRange == nil)
  }

  @Test func unknownRateIsNoRate() throws {
    #expect(try header("YUV4MPEG2 W2 H2 F0:0 A0:0").frameRate == nil)
    #expect(try header("YUV4MPEG2 W2 H2").frameRate == nil)
  }
}
