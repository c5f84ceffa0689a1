import Testing

@testable import V4L2Encoder

/// Writes the syntax elements of a parameter set.
struct BitWriter {
  private var bits: [Bool] = []

  mutating func write(_ value: UInt64, bits count: Int) {
    for shift in (0..<count).reversed() { bits.append(value >> UInt64(shift) & 1 == 1) }
  }

  mutating func flag(_ value: Bool) { bits.append(value) }

  mutating func unsigned(_ values: UInt64...) {
    for value in values {
      let length = 64 - (value + 1).leadingZeroBitCount
      write(0, bits: length - 1)
      write(value + 1, bits: length)
    }
  }

  mutating func signed(_ value: Int) {
    unsigned(value > 0 ? UInt64(2 * value - 1) : UInt64(-2 * value))
  }

  /// The bytes with stop bit and emulation prevention.
  var payload: [UInt8] {
    var padded = bits + [true]
    while padded.count % 8 != 0 { padded.append(false) }
    var bytes: [UInt8] = []
    var zeros = 0
    for start in stride(from: 0, to: padded.count, by: 8) {
      let byte = padded[start..<start + 8].reduce(UInt8(0)) { $0 << 1 | ($1 ? 1 : 0) }
      if zeros >= 2, byte <= 3 {
        bytes.append(3)
        zeros = 0
      }
      zeros = byte == 0 ? zeros + 1 : 0
      bytes.append(byte)
    }
    return bytes
  }
}

/// Syntax that no software encoder at hand writes, but hardware may.
@Suite struct BitstreamSyntaxTests {
  /// What each test ends with, so that a wrong step anywhere before shows.
  static let timing = SequenceParameterSet.Timing(unitsPerTick: 1001, unitsPerSecond: 120_000)
  static let color = SequenceParameterSet.Color(primaries: 9, transfer: 16, matrix: 9)

  /// The usability information up to the end of the colour description.
  static func writeSignal(_ writer: inout BitWriter) {
    writer.flag(true)
    writer.write(255, bits: 8)
    writer.write(0x0001_0001, bits: 32)  // sample aspect ratio
    writer.flag(true)
    writer.flag(false)  // overscan
    writer.flag(true)
    writer.write(5, bits: 3)
    writer.flag(true)  // full range
    writer.flag(true)
    writer.write(9, bits: 8)
    writer.write(16, bits: 8)
    writer.write(9, bits: 8)
    writer.flag(true)
    writer.unsigned(2, 2)  // chroma sample location
  }

  static func writeTiming(_ writer: inout BitWriter) {
    writer.flag(true)
    writer.write(1001, bits: 32)
    writer.write(120_000, bits: 32)
  }

  /// HEVC up to the block sizes: three sub-layers, one with a profile of its own.
  static func startHEVC() -> BitWriter {
    var writer = BitWriter()
    writer.write(3, bits: 4)
    writer.write(2, bits: 3)
    writer.flag(true)
    writer.write(0b00_1_00010, bits: 8)  // High tier, Main 10
    writer.write(0, bits: 32)
    writer.write(0, bits: 48)
    writer.write(153, bits: 8)
    for hasProfile in [true, false] {
      writer.flag(hasProfile)
      writer.flag(true)
    }
    writer.write(0, bits: 12)  // alignment for the six absent sub-layers
    writer.write(0, bits: 44)
    writer.write(0, bits: 44)
    writer.write(90, bits: 8)
    writer.write(93, bits: 8)
    writer.unsigned(7, 2, 1928, 1088)  // number, 4:2:2, size
    writer.flag(true)
    writer.unsigned(0, 4, 0, 8)  // conformance window
    writer.unsigned(2, 2, 4)  // bit depths, bits of the order count
    writer.flag(true)
    for depth in [0, 1, 3] as [UInt64] { writer.unsigned(4, depth, 0) }
    writer.unsigned(0, 3, 0, 3, 1, 1)
    return writer
  }

  static func writeScalingLists(_ writer: inout BitWriter) {
    writer.flag(true)
    writer.flag(true)
    for size in 0..<4 {
      for matrix in stride(from: 0, to: 6, by: size == 3 ? 3 : 1) {
        let isCoded = (size + matrix) % 2 == 0
        writer.flag(isCoded)
        guard isCoded else {
          writer.unsigned(0)
          continue
        }
        if size > 1 { writer.signed(-3) }
        for index in 0..<(size == 0 ? 16 : 64) { writer.signed(index % 5 - 2) }
      }
    }
  }

  /// Three sub-layers: a fixed rate, a rate fixed in this sequence, low delay.
  static func writeReferenceDecoder(_ writer: inout BitWriter) {
    writer.write(0b11, bits: 2)  // of NAL units and of slices
    writer.flag(true)
    writer.write(0x5_5555, bits: 19)  // parts of pictures
    writer.write(0x12, bits: 8)
    writer.write(0x3, bits: 4)
    writer.write(0x1234, bits: 15)
    func writeSchedules(_ count: Int) {
      for _ in 0..<2 * count {
        writer.unsigned(1000, 2000, 3000, 4000)
        writer.flag(true)
      }
    }
    writer.flag(true)
    writer.unsigned(3, 1)  // duration, two schedules
    writeSchedules(2)
    writer.write(0b01, bits: 2)
    writer.unsigned(5, 0)
    writeSchedules(1)
    writer.write(0b001, bits: 3)
    writeSchedules(1)
  }

  @Test func hevcWithEveryOption() throws {
    var writer = Self.startHEVC()
    Self.writeScalingLists(&writer)
    writer.write(0b10, bits: 2)
    writer.flag(true)  // pulse code modulation
    writer.write(0x77, bits: 8)
    writer.unsigned(0, 2)
    writer.flag(false)
    writer.unsigned(4)  // short-term reference picture sets
    writer.unsigned(2, 1)
    for _ in 0..<3 {
      writer.unsigned(0)
      writer.flag(true)
    }
    // Predicted from a set of three pictures: four decisions, three pictures kept, none of which is
    // the current one, at distance zero.
    writer.flag(true)
    writer.flag(false)
    writer.unsigned(4)
    writer.flag(true)
    writer.write(0b01, bits: 2)
    writer.write(0b00, bits: 2)
    writer.flag(true)
    // Predicted from those three: four decisions, one kept.
    writer.flag(true)
    writer.flag(true)
    writer.unsigned(0)
    writer.write(0b00_00_00, bits: 6)
    writer.flag(true)
    // Predicted from that one: two decisions.
    writer.flag(true)
    writer.flag(true)
    writer.unsigned(0)
    writer.flag(true)
    writer.flag(true)
    writer.flag(true)
    writer.unsigned(2)  // long-term pictures of eight bits and a flag
    writer.write(0x1ff, bits: 9)
    writer.write(0x000, bits: 9)
    writer.write(0b11, bits: 2)
    writer.flag(true)
    Self.writeSignal(&writer)
    writer.write(0, bits: 3)
    writer.flag(true)
    writer.unsigned(0, 1, 2, 3)  // display window
    Self.writeTiming(&writer)
    writer.flag(true)
    writer.unsigned(0)  // ticks from picture to picture
    writer.flag(true)
    Self.writeReferenceDecoder(&writer)
    writer.flag(true)
    writer.write(0b111, bits: 3)
    writer.unsigned(257)  // least part of a picture
    let set = try #require(BitstreamSamples.parse([0x42, 1] + writer.payload, .hevc))
    #expect(set.minimumSpatialSegmentation == 257)
    #expect(set.lumaBitDepth == 10 && set.chromaBitDepth == 10)
    #expect(set.id == 7 && set.profile == 2 && set.level == 153 && set.chromaFormat == 2)
    #expect(set.codedSize == VideoSize(width: 1928, height: 1088))
    #expect(set.visibleSize == VideoSize(width: 1920, height: 1080))
    #expect(set.reorderDepth == 3)
    #expect(set.isFullRange == true && set.color == Self.color && set.timing == Self.timing)
  }

  @Test func h264WithEveryOption() throws {
    var writer = BitWriter()
    writer.write(244, bits: 8)
    writer.write(0b0001_0000, bits: 8)
    writer.write(52, bits: 8)
    writer.unsigned(31, 3)  // number, 4:4:4
    writer.flag(false)
    writer.unsigned(0, 0)
    writer.flag(false)
    writer.flag(true)  // scaling matrix
    for list in 0..<12 {
      let isCoded = list % 2 == 1
      writer.flag(isCoded)
      guard isCoded else { continue }
      if list == 3 {
        // 8 - 8 ends the list after one number.
        writer.signed(-8)
      } else {
        for _ in 0..<(list < 6 ? 16 : 64) { writer.signed(1) }
      }
    }
    writer.unsigned(4, 1)  // bits of the frame number, second kind of order count
    writer.flag(true)
    writer.signed(-2)
    writer.signed(1)
    writer.unsigned(3)
    for value in [-7, 0, 9] { writer.signed(value) }
    writer.unsigned(4)
    writer.flag(false)
    writer.unsigned(119, 33)  // 1920 wide, 34 pairs of macroblocks high
    writer.flag(false)
    writer.flag(true)
    writer.flag(true)
    writer.flag(true)
    writer.unsigned(1, 2, 0, 4)  // 4:4:4 fields: units of one column and two rows
    writer.flag(true)
    Self.writeSignal(&writer)
    Self.writeTiming(&writer)
    writer.flag(true)
    for _ in 0..<2 {
      writer.flag(true)  // a reference decoder with two schedules
      writer.unsigned(1)
      writer.write(0x44, bits: 8)
      for _ in 0..<2 {
        writer.unsigned(10_000, 20_000)
        writer.flag(true)
      }
      writer.write(0, bits: 20)
    }
    writer.flag(false)
    writer.flag(true)
    writer.flag(true)
    writer.flag(true)
    writer.unsigned(2, 1, 16, 16, 2, 4)
    let set = try #require(BitstreamSamples.parse([0x67] + writer.payload, .h264))
    #expect(set.id == 31 && set.profile == 244 && set.level == 52 && set.chromaFormat == 3)
    #expect(set.constraints == 0x10)
    #expect(set.codedSize == VideoSize(width: 1920, height: 1088))
    #expect(set.visibleSize == VideoSize(width: 1917, height: 1080))
    #expect(set.isFullRange == true && set.color == Self.color && set.timing == Self.timing)
    #expect(set.reorderDepth == 2)
  }

  @Test func aWindowThatLeavesNothingIsRefused() {
    var writer = BitWriter()
    writer.write(66, bits: 8)
    writer.write(0, bits: 8)
    writer.write(30, bits: 8)
    writer.unsigned(0, 0, 2, 1)
    writer.flag(false)
    writer.unsigned(3, 3)
    writer.flag(true)
    writer.flag(true)
    var open = writer
    open.flag(false)
    open.flag(false)
    #expect(
      BitstreamSamples.parse([0x67] + open.payload, .h264)?.visibleSize
        == VideoSize(width: 64, height: 64))
    writer.flag(true)
    writer.unsigned(16, 16, 0, 0)
    writer.flag(false)
    #expect(BitstreamSamples.parse([0x67] + writer.payload, .h264) == nil)
  }
}
