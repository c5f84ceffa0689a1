import Testing
import V4L2Encoder

/// FWHT, the codec of the kernel's vicodec: its headers and what is asked of a driver for it.
@Suite struct FWHTTests {
  /// The first bytes vicodec made of a 1280x720 clip, as v4l2-ctl stored them.
  private static let keyFrame: [UInt8] = [
    0x4f, 0x4f, 0x4f, 0x4f, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x05, 0x00,
    0x00, 0x00, 0x02, 0xd0, 0x00, 0x0a, 0x04, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x52, 0x8e, 0x00, 0x00, 0xf1, 0x80,
  ]
  private static var predictedFrame: [UInt8] {
    var bytes = keyFrame
    bytes[22] = 0
    return bytes
  }

  private func header(_ bytes: [UInt8]) -> FWHTHeader? { FWHTHeader(bytes.span.bytes) }

  @Test func fields() throws {
    let header = try #require(self.header(Self.keyFrame))
    #expect(header.version == 3)
    #expect(header.size == VideoSize(width: 1280, height: 720))
    #expect(header.isIntra)
    #expect(header.payloadByteCount == 0x5528e)
    #expect(self.header(Self.predictedFrame)?.isIntra == false)
  }

  @Test("what is no header is refused", arguments: [0, 3, 7, 11, 15, 19])
  func damaged(offset: Int) {
    // Versions, widths and heights of zero, and each part of the magic numbers.
    var bytes = Self.keyFrame
    let word = offset / 4 * 4
    if word < 8 {
      bytes[offset] ^= 1
    } else {
      for index in word..<word + 4 { bytes[index] = 0 }
    }
    #expect(header(bytes) == nil)
    #expect(header(Array(Self.keyFrame[..<43])) == nil)
  }

  @Test("pictures need no parameter sets, and carry their size")
  func assembling() throws {
    var assembler = PacketAssembler(codec: .fwht)
    func accept(_ bytes: [UInt8]) throws -> (key: Bool, sets: Bool, data: [UInt8]) {
      let outcome = assembler.accept(PacketBuffer(copying: bytes))
      guard case .picture(let unit) = outcome else {
        throw FWHTHeaderMissing()
      }
      return (unit.isKeyFrame, unit.hasParameterSets, unit.data.array)
    }
    #expect(try accept(Self.keyFrame) == (true, true, Self.keyFrame))
    #expect(assembler.streamSize == VideoSize(width: 1280, height: 720))
    #expect(try accept(Self.predictedFrame) == (false, true, Self.predictedFrame))
    // A damaged picture is still the packet of its frame.
    #expect(try accept([1, 2, 3]) == (false, true, [1, 2, 3]))
    #expect(assembler.carry.isEmpty)
  }

  private struct FWHTHeaderMissing: Error {}

  private func controls(_ rateControl: RateControl) -> [String: Int64] {
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 1280, height: 720), rateControl: rateControl)
    configuration.keyFrameInterval = 10
    let plan = ControlPlan.controls(for: .fwht, configuration, profile: nil, level: nil)
    return Dictionary(uniqueKeysWithValues: plan.map { ($0.name, $0.value) })
  }

  @Test("quantizers and the key frame interval are all that FWHT has")
  func plan() {
    #expect(
      controls(.constantQuantizer(12)) == [
        "GOP_SIZE": 10, "FWHT_I_FRAME_QP": 12, "FWHT_P_FRAME_QP": 12,
      ])
    // A bitrate is asked for all the same, so that its absence is reported.
    #expect(controls(.constant(bitrate: 1_000_000))["BITRATE"] == 1_000_000)
  }

  @Test func bidirectionalFramesAreRefused() {
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 1280, height: 720), rateControl: .constantQuantizer(20))
    #expect(throws: Never.self) { try ConfigurationCheck.validate(configuration, for: .fwht) }
    configuration.bidirectionalFrames = 1
    #expect(throws: EncoderError.self) {
      try ConfigurationCheck.validate(configuration, for: .fwht)
    }
  }

  @Test func nalUnitsAreRefused() {
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 1280, height: 720), rateControl: .constantQuantizer(20))
    configuration.measuresQuantizer = true
    #expect(throws: Never.self) { try ConfigurationCheck.validate(configuration, for: .fwht) }
    configuration.accessUnitDelimiters = true
    #expect(throws: EncoderError.self) {
      try ConfigurationCheck.validate(configuration, for: .fwht)
    }
    configuration.accessUnitDelimiters = false
    configuration.bitstreamForm = .lengthPrefixed(parameterSets: .inBand)
    #expect(throws: EncoderError.self) {
      try ConfigurationCheck.validate(configuration, for: .fwht)
    }
  }

  @Test func levelsDoNotExist() {
    #expect(CodecLevel.all(.fwht).isEmpty)
    #expect(CodecLevel.named("4", codec: .fwht) == nil)
    let size = VideoSize(width: 1280, height: 720)
    #expect(CodecLevel.minimum(codec: .fwht, size: size, frameRate: Rational(25)) == nil)
  }
}
