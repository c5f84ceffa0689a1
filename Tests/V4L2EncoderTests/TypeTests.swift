import CV4L2
import Testing

@testable import V4L2Encoder

@Suite struct TypeTests {
  @Test func unknownBitsSurvive() {
    let flags = BufferFlags(rawValue: 0x8000_0000 | UInt32(V4L2_BUF_FLAG_LAST))
    #expect(flags.contains(.last))
    #expect(flags.rawValue == 0x8010_0000)
    #expect(flags.description == "[last, 0x80000000]")
  }

  @Test func fourCC() { #expect(PixelFormat.nv12.description == "NV12") }
}
