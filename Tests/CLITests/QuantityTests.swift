import Testing
import V4L2Encoder

@testable import v4l2enc_cli

@Suite struct QuantityTests {
  @Test(arguments: [
    ("4M", 4_000_000), ("2.5M", 2_500_000), ("500k", 500_000), ("500K", 500_000), ("64000", 64000),
    ("0.5M", 500_000), ("1k", 1000), ("1.234567M", 1_234_567),
    ("2000000000", 2_000_000_000),
  ])
  func bitratesAreRead(text: String, expected: Int) throws {
    #expect(try Quantities.bitrate(text, for: "--bitrate") == expected)
  }

  @Test(arguments: [
    "0", "0k", "0.0M", "-4M", "4m", "4 M", "M", "", ".5M", "4.M", "1.5", "4.0000001M", "999",
    "2000000001",
    "3G", "99999999999999999999", "9999999999999M", "0x40", "٤M",
  ])
  func otherBitratesAreRefused(text: String) {
    #expect(usage { _ = try Quantities.bitrate(text, for: "--bitrate") })
  }

  @Test func zeroBitrateHasItsOwnWords() {
    #expect {
      try Quantities.bitrate("0", for: "--bitrate")
    } throws: {
      ($0 as? CommandError)?.message.contains("is 1000 to 2000000000 bit/s") == true
    }
  }

  @Test(arguments: [
    ("25", Rational(25)), ("30000/1001", Rational(30000, 1001)), ("29.97", Rational(2997, 100)),
    ("12.5", Rational(25, 2)), ("0.5", Rational(1, 2)), ("1000", Rational(1000)),
  ])
  func frameRatesAreRead(text: String, expected: Rational) throws {
    #expect(try Quantities.frameRate(text) == expected)
  }

  @Test(arguments: [
    "0", "0/1", "25/0", "-25", "", "/", "25/", "1/2/3", "fast", "25.00001", "1001", "1/1001",
    "99999999999999999999", "2000000/1",
  ])
  func otherFrameRatesAreRefused(text: String) {
    #expect(usage { _ = try Quantities.frameRate(text) })
  }

  @Test func sizesAreRead() throws {
    #expect(try Quantities.size("1280x720") == VideoSize(width: 1280, height: 720))
    #expect(try Quantities.size("16x16") == VideoSize(width: 16, height: 16))
  }

  @Test(arguments: [
    "0x0", "1280x0", "0x720", "1280", "1280x", "x720", "1280X720", "1280x720x3", "-2x2", "a x b",
    "99999x16", "16x99999", "9999999999999999999999x2",
  ])
  func otherSizesAreRefused(text: String) {
    #expect(usage { _ = try Quantities.size(text) })
  }

  private func usage(_ body: () throws -> Void) -> Bool {
    do {
      try body()
      return false
    } catch {
      return (error as? CommandError)?.code == .usage
    }
  }

  @Test(arguments: [
    (2_304_000, "2.30 Mbit/s"), (500_000, "500 kbit/s"), (1200, "1200 bit/s"), (0, "0 bit/s"),
  ])
  func bitratesAreWritten(bits: Int, text: String) { #expect(Units.bitrate(bits) == text) }

  @Test func numbersAreWritten() {
    #expect(Units.seconds(.seconds(60)) == "60" && Units.seconds(.milliseconds(250)) == "0.250")
    #expect(Units.bytes(12) == "12 bytes")
    #expect(Units.bytes(34_500) == "34.5 kB")
    #expect(Units.bytes(5_600_000) == "5.60 MB")
    #expect(Units.duration(microseconds: 8_149) == "8.1 ms")
    #expect(Units.duration(microseconds: 999) == "999 us")
    #expect(Units.clock(59) == "0:59")
    #expect(Units.clock(3723) == "1:02:03")
    #expect(Units.fixed(-1.25, 1) == "-1.3")
    #expect(Units.fixed(.nan, 1) == "-")
    #expect(Units.fixed(0.04, 2) == "0.04")
  }

  @Test func timesAreMilliseconds() {
    let ntsc = Rational(1001, 30000)
    #expect(PacketText.milliseconds(0, ntsc) == "0.000000")
    #expect(PacketText.milliseconds(1, ntsc) == "33.366667")
    #expect(PacketText.milliseconds(30000, ntsc) == "1001000.000000")
    #expect(PacketText.milliseconds(-1, Rational(1, 25)) == "-40.000000")
  }

  @Test func percentilesAreNearTheTruth() {
    var histogram = LatencyHistogram()
    #expect(histogram.percentile(0.5) == nil)
    for value in 1...1000 { histogram.add(microseconds: value * 100) }
    let median = histogram.percentile(0.5) ?? 0
    let slow = histogram.percentile(0.99) ?? 0
    #expect(abs(median - 50_000) <= 50_000 / 64)
    #expect(abs(slow - 99_000) <= 99_000 / 64)
    for value in [0, 1, 63, 64, 127, 128, 129, 1 << 40] {
      var single = LatencyHistogram()
      single.add(microseconds: value)
      let found = single.percentile(1) ?? -1
      #expect(found <= value && value - found <= value / 64)
    }
  }

  @Test func jsonIsEscaped() {
    let value = JSON.object([("a\"\\", .array([.null, .string("x\n\u{1}é"), .boolean(true)]))])
    #expect(value.text == #"{"a\"\\":[null,"x\n\u0001é",true]}"#)
  }
}
