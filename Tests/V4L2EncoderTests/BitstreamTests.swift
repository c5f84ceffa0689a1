import TestSupport
import Testing

@testable import V4L2Encoder

@Suite struct BitstreamTests {
  @Test(
    "NAL units are found",
    arguments: [
      ([0, 0, 1, 7], [[7]]),
      ([0, 0, 0, 1, 7, 8], [[7, 8]]),
      ([0, 0, 0, 1, 7, 8, 0, 0, 1, 9], [[7, 8], [9]]),
      ([0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 1, 9, 0, 0], [[7], [9]]),
      ([5, 5, 0, 0, 1, 7], [[7]]),
      ([0, 0, 1, 0, 0, 1, 7], [[7]]),
      ([0, 0, 1, 7, 1, 1, 0, 1, 0, 0, 3, 1], [[7, 1, 1, 0, 1, 0, 0, 3, 1]]),
      ([0, 0, 1], []),
      ([0, 0, 0, 1], []),
      ([0, 0, 1, 7, 0, 0, 1], [[7, 0, 0, 1]]),
      ([1, 0, 1, 7], []),
      ([0, 1, 7], []),
      ([1], []),
      ([], []),
    ] as [([UInt8], [[UInt8]])])
  func findsUnits(bytes: [UInt8], units: [[UInt8]]) {
    #expect(BitstreamSamples.units(bytes).map { Array(bytes[$0.header..<$0.end]) } == units)
  }

  @Test func startIncludesTheLongStartCode() {
    let bytes: [UInt8] = [0, 0, 0, 1, 9, 0x10, 0, 0, 1, 7, 3, 0, 0, 0, 1, 8]
    #expect(BitstreamSamples.units(bytes).map(\.start) == [0, 6, 11])
  }

  @Test func unitsAgreeWithASlowSearch() {
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<2000 {
      // Few values, so that start codes are frequent.
      let count = Int.random(in: 0...60, using: &generator)
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...2, using: &generator) }
      var starts: [Int] = []
      var index = 0
      while index + 3 < bytes.count {
        if bytes[index..<index + 3] == [0, 0, 1] {
          starts.append(index + 3)
          index += 3
        } else {
          index += 1
        }
      }
      var expected: [[UInt8]] = []
      for (number, start) in starts.enumerated() {
        var end = number + 1 < starts.count ? starts[number + 1] - 3 : bytes.count
        while end > start, bytes[end - 1] == 0 { end -= 1 }
        if end > start { expected.append(Array(bytes[start..<end])) }
      }
      let found = BitstreamSamples.units(bytes)
      #expect(found.map { Array(bytes[$0.header..<$0.end]) } == expected, "\(bytes)")
    }
  }

  @Test func keyFrameWithItsHeaders() {
    let headers = BitstreamSamples.stream(BitstreamSamples.h264SPS, BitstreamSamples.h264PPS)
    let info = BitstreamSamples.inspect(headers + BitstreamSamples.stream([0x65, 0x88]), .h264)
    #expect(info.hasPicture && info.isKeyFrame && info.hasAllParameterSets)
    #expect(info.parameterSets == 0..<headers.count)
    #expect(!info.beginsWithDelimiter && info.insertionOffset == 0)
  }

  @Test func delimiterStaysFirst() {
    let delimiter: [UInt8] = [0, 0, 0, 1, 9, 0x10]
    let info = BitstreamSamples.inspect(
      delimiter + BitstreamSamples.stream([6, 1, 1, 0x80], [0x65, 0x88]), .h264)
    #expect(info.beginsWithDelimiter && info.insertionOffset == delimiter.count)
    #expect(info.isKeyFrame && !info.hasAnyParameterSet && info.parameterSets.isEmpty)
    let hevc = BitstreamSamples.inspect(
      BitstreamSamples.stream([0x46, 1, 0x10], [0x26, 1, 0xaf]), .hevc)
    #expect(hevc.beginsWithDelimiter && hevc.insertionOffset == 7 && hevc.isKeyFrame)
  }

  @Test func nothingBehindTheFirstSliceCounts() {
    let info = BitstreamSamples.inspect(
      BitstreamSamples.stream([0x41, 0x9a], BitstreamSamples.h264SPS, [0x65]), .h264)
    #expect(info.hasPicture && !info.isKeyFrame && !info.hasSPS)
  }

  @Test func headersAlone() {
    let info = BitstreamSamples.inspect(
      BitstreamSamples.stream(
        BitstreamSamples.hevcVPS, BitstreamSamples.hevcSPS, BitstreamSamples.hevcPPS), .hevc)
    #expect(!info.hasPicture && !info.isKeyFrame && info.hasAllParameterSets)
    let withoutVPS = BitstreamSamples.inspect(
      BitstreamSamples.stream(BitstreamSamples.hevcSPS, BitstreamSamples.hevcPPS), .hevc)
    #expect(withoutVPS.hasSPS && withoutVPS.hasPPS && !withoutVPS.hasAllParameterSets)
    #expect(!BitstreamSamples.inspect([], .h264).hasPicture)
  }

  @Test("Every type of HEVC picture", arguments: 0..<64)
  func hevcTypes(type: Int) {
    let info = BitstreamSamples.inspect(
      BitstreamSamples.stream([UInt8(type << 1), 1, 0xff]), .hevc)
    #expect(info.hasPicture == (type < 32))
    #expect(info.isKeyFrame == (16...21).contains(type))
  }

  @Test("Every type of H.264 unit", arguments: 0..<32)
  func h264Types(type: Int) {
    let info = BitstreamSamples.inspect(BitstreamSamples.stream([0x60 | UInt8(type), 1]), .h264)
    #expect(info.hasPicture == (1...5).contains(type))
    #expect(info.isKeyFrame == (type == 5))
  }

  @Test(
    "Exp-Golomb codes",
    arguments: [
      ([0b1000_0000], 0, 0), ([0b0100_0000], 1, 1), ([0b0110_0000], 2, -1),
      ([0b0010_0000], 3, 2), ([0b0010_1000], 4, -2), ([0b0001_1100], 13 - 0, 7),
      ([0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe], 0xffff_fffe, -0x7fff_ffff),
    ] as [([UInt8], UInt32, Int32)])
  func expGolomb(bytes: [UInt8], unsigned: UInt32, signed: Int32) {
    var reader = BitReader(bytes.span.bytes, from: 0, to: bytes.count)
    let first = reader.unsigned()
    #expect(first == unsigned)
    var second = BitReader(bytes.span.bytes, from: 0, to: bytes.count)
    let other = second.signed()
    #expect(other == signed)
    let isExhausted = reader.isExhausted
    #expect(!isExhausted)
  }

  @Test func emulationPreventionIsRemoved() {
    let bytes: [UInt8] = [0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 3]
    var reader = BitReader(bytes.span.bytes, from: 0, to: bytes.count)
    var values: [UInt8] = []
    for _ in 0..<9 { values.append(UInt8(reader.bits(8))) }
    #expect(values == [0, 0, 1, 0, 0, 0, 0, 3, 3])
    let before = reader.isExhausted
    _ = reader.bit()
    let after = reader.isExhausted
    #expect(!before && after)
  }

  @Test func readingBeyondTheEndGivesZeros() {
    let bytes: [UInt8] = [0]
    var reader = BitReader(bytes.span.bytes, from: 0, to: 1)
    let number = reader.unsigned()
    let isExhausted = reader.isExhausted
    reader.skip(.max)
    let bits = reader.bits(32)
    #expect(number == 0 && bits == 0 && isExhausted)
  }
}

@Suite struct BitstreamParameterSetTests {
  private func update(_ cache: inout ParameterSetCache, _ bytes: [UInt8], _ codec: VideoCodec)
    -> Bool
  {
    cache.update(from: bytes.span.bytes, info: BitstreamSamples.inspect(bytes, codec))
  }

  @Test func setsComeBackInTheOrderOfReference() {
    var cache = ParameterSetCache(codec: .hevc)
    #expect(!cache.isComplete && cache.bytes.isEmpty)
    #expect(
      update(
        &cache, BitstreamSamples.stream(BitstreamSamples.hevcPPS, BitstreamSamples.hevcSPS), .hevc))
    #expect(!cache.isComplete)
    // Short start codes become long ones, trailing zeros go.
    #expect(
      update(&cache, [0, 0, 1] + BitstreamSamples.hevcVPS + [0, 0, 0, 1, 0x26, 1, 0xaf], .hevc))
    #expect(cache.isComplete)
    #expect(
      cache.bytes
        == BitstreamSamples.stream(
          BitstreamSamples.hevcVPS, BitstreamSamples.hevcSPS, BitstreamSamples.hevcPPS))
    #expect(cache.sequenceParameterSet?.visibleSize == VideoSize(width: 354, height: 290))
  }

  @Test func theNewestSetOfANumberWins() {
    var cache = ParameterSetCache(codec: .h264)
    let first: [UInt8] = [0x68, 0b1110_1011]  // number 0
    let other: [UInt8] = [0x68, 0b0101_1111]  // number 1
    let newer: [UInt8] = [0x68, 0b1110_1111]  // number 0
    let sps = BitstreamSamples.h264SPS
    #expect(update(&cache, BitstreamSamples.stream(sps, other, first), .h264))
    #expect(cache.bytes == BitstreamSamples.stream(sps, first, other))
    #expect(!update(&cache, BitstreamSamples.stream(sps, first, [0x65]), .h264))
    #expect(update(&cache, BitstreamSamples.stream(newer, [0x41]), .h264))
    #expect(cache.bytes == BitstreamSamples.stream(sps, newer, other))
    cache.removeAll()
    #expect(cache.bytes.isEmpty && !cache.isComplete)
  }

  @Test func pictureWithoutSetsChangesNothing() {
    var cache = ParameterSetCache(codec: .h264)
    #expect(!update(&cache, BitstreamSamples.stream([0x65, 1]), .h264))
    #expect(!update(&cache, BitstreamSamples.stream([0x68]), .h264))
    #expect(!update(&cache, BitstreamSamples.stream([0x68, 0, 0, 0x80, 0x80]), .h264))
    #expect(cache.bytes.isEmpty)
  }

  @Test func garbageCannotGrowTheCacheWithoutBound() {
    var cache = ParameterSetCache(codec: .h264)
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<5000 {
      let body = (0..<8).map { _ in UInt8.random(in: 2...255, using: &generator) }
      _ = update(&cache, BitstreamSamples.stream([0x67] + body, [0x68] + body), .h264)
    }
    // 32 sequence and 256 picture parameter sets of 13 bytes.
    #expect(cache.bytes.count <= (32 + 256) * 13)
    let huge = [0x68, 0x80] + [UInt8](repeating: 0xff, count: 1 << 20)
    #expect(!update(&cache, BitstreamSamples.stream(huge), .h264))
  }
}
