import Testing

@testable import V4L2Encoder

@Suite struct ConfigurationTests {
  private static let size = VideoSize(width: 640, height: 360)

  private func configuration(
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) -> EncoderConfiguration {
    var configuration = EncoderConfiguration(
      size: Self.size, rateControl: .constant(bitrate: 1_000_000))
    change(&configuration)
    return configuration
  }

  @Test func theDefaultIsValid() throws {
    try ConfigurationCheck.validate(configuration(), for: .h264)
  }

  @Test(
    "what contradicts itself is refused by name",
    arguments: [
      ("picture size", { @Sendable in $0.size.width = 0 }),
      ("picture size", { $0.size.height = -4 }),
      ("picture size", { $0.size.width = .max }),
      ("frame rate", { $0.frameRate = Rational(0) }),
      ("frame rate", { $0.frameRate = Rational(25, 0) }),
      ("frame rate", { $0.frameRate = Rational(-25) }),
      ("time base", { $0.timeBase = Rational(1, 0) }),
      ("bitrate", { $0.rateControl = .constant(bitrate: 0) }),
      ("peak bitrate", { $0.rateControl = .variable(bitrate: 2_000_000, peak: 1_000_000) }),
      ("quantizer", { $0.rateControl = .constantQuantizer(52) }),
      ("quantizer bounds", { $0.quantizer = QuantizerRange(minimum: 30, maximum: 20) }),
      ("initial quantizer", { $0.quantizer = QuantizerRange(initial: 5, minimum: 10) }),
      ("key frame interval", { $0.keyFrameInterval = 0 }),
      ("B-frames", { $0.bidirectionalFrames = -1 }),
      (
        "no B-frames",
        {
          $0.bidirectionalFrames = 1; $0.profile = .h264Baseline
        }
      ),
      ("profile", { $0.profile = .hevcMain }),
      ("level", { $0.level = CodecLevel(.hevc, "4", 5) }),
      ("buffer counts", { $0.inputBuffers = 0 }),
      ("packet capacity", { $0.packetCapacity = 0 }),
      ("deadline", { $0.deadlines.progress = .zero }),
      ("input format", { $0.inputFormat = .h264 }),
    ] as [(String, @Sendable (inout EncoderConfiguration) -> Void)])
  func refusals(word: String, change: @Sendable (inout EncoderConfiguration) -> Void) {
    do throws(EncoderError) {
      try ConfigurationCheck.validate(configuration(change), for: .h264)
      Issue.record("accepted")
    } catch {
      #expect(error.code == .invalidConfiguration)
      #expect(error.message.contains(word))
    }
  }

  @Test func oddSizesAreRefusedOrCropped() throws {
    var odd = configuration { $0.size = VideoSize(width: 641, height: 361) }
    #expect(throws: EncoderError.self) {
      try ConfigurationCheck.visibleSize(odd)
    }
    odd.oddSizes = .crop
    #expect(try ConfigurationCheck.visibleSize(odd) == Self.size)
  }

  @Test func frameIntervalInTheTimeBase() {
    #expect(configuration { $0.frameRate = Rational(25) }.interval == 40_000)
    #expect(
      configuration {
        $0.frameRate = Rational(30_000, 1001)
        $0.timeBase = Rational(1001, 30_000)
      }.interval == 1)
  }

  @Test func microsecondsNeverOverflow() {
    let nanoseconds = configuration { $0.timeBase = Rational(1, 1_000_000_000) }
    #expect(nanoseconds.microseconds(5_000) == 5)
    #expect(nanoseconds.microseconds(.max) == .max / 1000)
    #expect(configuration().microseconds(.min) == .min)
    let slow = configuration { $0.timeBase = Rational(1, 25) }
    #expect(slow.microseconds(.max) == .max)
    #expect(configuration().microseconds(1_790_000_000_000_000) == 1_790_000_000_000_000)
  }

  @Test("rate control, bitrate, GOP, bounds, profile and level are always explicit")
  func thePlanIsExplicit() {
    for codec in [VideoCodec.h264, .hevc] {
      let profile: CodecProfile = codec == .h264 ? .h264High : .hevcMain
      let plan = ControlPlan.controls(
        for: codec, configuration(), profile: profile, level: CodecLevel(codec, "4", 5))
      let names = Set(plan.map(\.name))
      let prefix = codec == .h264 ? "H264" : "HEVC"
      #expect(
        names.isSuperset(of: [
          "FRAME_RC_ENABLE", "BITRATE_MODE", "BITRATE", "GOP_SIZE", "B_FRAMES", "HEADER_MODE",
          "PREPEND_SPSPPS_TO_IDR", "\(prefix)_PROFILE", "\(prefix)_LEVEL", "\(prefix)_MIN_QP",
          "\(prefix)_MAX_QP",
        ]))
      let maximum = plan.firstIndex { $0.name == "\(prefix)_MAX_QP" }
      let minimum = plan.firstIndex { $0.name == "\(prefix)_MIN_QP" }
      #expect((maximum ?? 0) < (minimum ?? 0))
    }
  }

  @Test func constantQuantizerHoldsTheBounds() {
    let plan = ControlPlan.controls(
      for: .h264, configuration { $0.rateControl = .constantQuantizer(30) },
      profile: .h264High, level: CodecLevel(.h264, "4.0", 11))
    let values = Dictionary(plan.map { ($0.name, $0.value) }) { first, _ in first }
    #expect(values["FRAME_RC_ENABLE"] == 0)
    #expect(values["H264_MIN_QP"] == 30)
    #expect(values["H264_MAX_QP"] == 30)
    #expect(values["H264_I_FRAME_QP"] == 30)
    #expect(values["BITRATE"] == nil)
  }
}
