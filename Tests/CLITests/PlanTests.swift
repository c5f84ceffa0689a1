import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

@Suite struct PlanTests {
  private func plan(
    _ arguments: String..., codec: VideoCodec = .h264,
    size: VideoSize = VideoSize(width: 1280, height: 720), rate: Rational = Rational(25)
  ) throws -> EncodePlan {
    guard case .run(let options) = try EncodeArguments.table.parse(arguments, into: EncodeOptions())
    else { throw CommandError(.usage, "help") }
    return try EncodePlan(
      options, codec: codec,
      input: SourceDescription(size: size, format: .i420, frameRate: rate))
  }

  @Test func defaultsFollowFromSizeAndRate() throws {
    let plan = try plan()
    #expect(plan.configuration.rateControl == .constant(bitrate: 2_304_000))
    #expect(plan.configuration.keyFrameInterval == 50)
    #expect(plan.configuration.timeBase == Rational(1, 25))
    #expect(plan.defaults.count == 2)
    let hevc = try self.plan(codec: .hevc)
    #expect(hevc.configuration.rateControl == .constant(bitrate: 1_612_800))
    let ntsc = try self.plan("--gop", "9", "-b", "1M", rate: Rational(30000, 1001))
    #expect(ntsc.configuration.timeBase == Rational(1001, 30000))
    #expect(ntsc.configuration.keyFrameInterval == 9)
    #expect(ntsc.defaults.isEmpty)
  }

  @Test func rateControlFollowsFromWhatIsGiven() throws {
    #expect(
      try plan("--qp", "24").configuration.rateControl == .constantQuantizer(24))
    #expect(
      try plan("-b", "4M", "--peak-bitrate", "5M").configuration.rateControl
        == .variable(bitrate: 4_000_000, peak: 5_000_000))
    #expect(
      try plan("-b", "4M", "--rate-control", "vbr").configuration.rateControl
        == .variable(bitrate: 4_000_000, peak: 6_000_000))
  }

  @Test func presetsAreWhatTheyPromise() throws {
    let live = try plan("--preset", "live", "-b", "2M").configuration
    #expect(live.rateControl == .constant(bitrate: 2_000_000))
    #expect(live.profile == .h264ConstrainedBaseline)
    #expect(live.bidirectionalFrames == 0)
    let recording = try plan("--preset", "recording", "-b", "2M").configuration
    #expect(recording.rateControl == .variable(bitrate: 2_000_000, peak: 3_000_000))
    #expect(recording.profile == .h264High)
    let safe = try plan("--preset", "safe", "-b", "2M").configuration
    #expect(safe.rateControl == .constant(bitrate: 2_000_000))
    #expect(safe.quantizer == QuantizerRange(initial: 26, minimum: 10, maximum: 51))
    #expect(safe.keyFrameInterval == 30)
    #expect(try plan("--preset", "live", codec: .hevc).configuration.profile == .hevcMain)
  }

  @Test func optionsWinOverPresets() throws {
    let mixed = try plan(
      "--preset", "safe", "--gop", "12", "--init-qp", "30", "--profile", "main", "--level", "4.1",
      "--rate-control", "vbr", "-b", "1M"
    ).configuration
    #expect(mixed.keyFrameInterval == 12)
    #expect(mixed.quantizer.initial == 30)
    #expect(mixed.quantizer.maximum == 51)
    #expect(mixed.profile == .h264Main)
    #expect(mixed.level?.name == "4.1")
    #expect(mixed.rateControl == .variable(bitrate: 1_000_000, peak: 1_500_000))
    #expect(
      try plan("--preset", "live", "--qp", "20").configuration.rateControl == .constantQuantizer(20)
    )
  }

  @Test(arguments: [
    (["h264"], "a.h264", VideoCodec.h264), (["h264"], "a.264", .h264), (["h264"], "A.AVC", .h264),
    ([], "a.h265", .hevc), ([], "a.hevc", .hevc), ([], "a.265", .hevc), ([], "-", .h264),
    (["hevc"], "-", .hevc), ([], "a.bin", .h264), (["hevc"], "dir.h264/out", .hevc),
    (["hevc"], ".h264", .hevc),
  ])
  func theSuffixNamesTheCodec(asked: [String], output: String, codec: VideoCodec) throws {
    let asked = asked.first.flatMap(VideoCodec.init)
    #expect(try OutputName.codec(for: output, asked: asked) == codec)
  }

  @Test func automaticChoiceSaysWhyNot() throws {
    let plan = try plan()
    let need = EncodingNeed(plan.codec, plan.configuration)
    var device = DeviceReport(path: "/dev/video0", kind: .encoder)
    #expect(need.refusal(of: device) == "encodes nothing, not H.264")
    device.codecs = [.init(format: .hevc)]
    #expect(need.refusal(of: device) == "encodes HEVC, not H.264")
    device.codecs = [.init(format: .h264, maximumSize: VideoSize(width: 640, height: 480))]
    #expect(need.refusal(of: device) == "takes no pictures above 640x480")
    device.codecs = [.init(format: .h264, minimumSize: VideoSize(width: 1920, height: 16))]
    #expect(need.refusal(of: device) == "takes no pictures below 1920x16")
    device.codecs = [.init(format: .h264)]
    #expect(need.refusal(of: device) == nil)
    device.refusal = "a camera"
    #expect(need.refusal(of: device) == "a camera")
  }

  @Test func automaticChoiceListsEveryNode() async throws {
    var camera = DeviceReport(path: "/dev/null", kind: .camera)
    camera.refusal = "/dev/null is a camera"
    var gone = DeviceReport(path: "/dev/nothing", kind: .encoder)
    gone.codecs = [.init(format: .h264)]
    for (devices, text) in [
      ([], "there is no /dev/video* node"), ([camera, gone], "none of these"),
    ] {
      await #expect {
        _ = try await DeviceChoice.first(
          of: devices, try plan(), EncoderObserver(),
          Console(verbosity: .quiet, progress: false))
      } throws: { error in
        let error = error as? CommandError
        return error?.code == .noDevice && error?.message.contains(text) == true
          && error?.message.contains("--device virtual") == true
      }
    }
    #expect(DeviceChoice.named("/dev/null is a camera", "/dev/null") == "/dev/null is a camera")
    #expect(DeviceChoice.named("a camera", "/dev/null") == "/dev/null: a camera")
  }

  @Test func libraryErrorsHaveExitCodes() {
    let code = { (code: EncoderError.Code, errno: Int32?) in
      CommandError(
        EncoderError(code, errno: errno.map(Errno.init(rawValue:)), "why")
      ).code
    }
    #expect(code(.deviceUnavailable, 13) == .noPermission)
    #expect(code(.deviceUnavailable, 2) == .noDevice)
    #expect(code(.deviceBusy, 16) == .noDevice)
    #expect(code(.notAnEncoder, nil) == .noDevice)
    #expect(code(.deviceLost, 5) == .inputOutput)
    #expect(code(.deviceStalled, nil) == .timedOut)
    #expect(code(.consumerStalled, nil) == .timedOut)
    #expect(code(.invalidConfiguration, nil) == .usage)
    #expect(code(.invalidFrame, nil) == .badData)
    #expect(code(.outOfMemory, nil) == .operatingSystem)
    #expect(code(.protocolViolation, nil) == .software)
  }
}

@Suite struct DeviceListTests {
  private var encoder: DeviceReport {
    var report = DeviceReport(path: "/dev/video11", kind: .encoder)
    report.driver = "bcm2835-codec"
    report.card = "encode"
    report.bus = "platform:x"
    report.codecs = [
      .init(
        format: .h264, minimumSize: VideoSize(width: 32, height: 32),
        maximumSize: VideoSize(width: 1920, height: 1920))
    ]
    report.rawFormats = [.i420, .nv12]
    report.isMultiplanar = true
    return report
  }

  @Test func encodersAreDescribed() {
    #expect(
      DevicesCommand.describe(encoder, all: false)
        == "/dev/video11: encode (bcm2835-codec)\n  encodes H.264, 32x32 to 1920x1920\n")
    #expect(
      DevicesCommand.describe(encoder, all: true)
        == """
        /dev/video11: encode (bcm2835-codec)
          encodes H.264, 32x32 to 1920x1920
          kind: encoder
          bus: platform:x
          API: multi-planar
          takes: YU12, NV12

        """)
  }

  @Test func refusedNodesSayWhy() {
    var camera = DeviceReport(path: "/dev/video0", kind: .camera)
    camera.refusal = "a camera, not an encoder"
    #expect(
      DevicesCommand.describe(camera, all: false) == "/dev/video0: a camera, not an encoder\n")
    let everything = DevicesCommand.describe(camera, all: true)
    #expect(everything.contains("kind: camera"))
    #expect(!everything.contains("API:"))
    #expect(DevicesCommand.json(camera).text.contains(#""multiplanar":null"#))
  }

  @Test func jsonHasEveryFact() {
    #expect(
      DevicesCommand.json(encoder).text
        == #"{"path":"/dev/video11","usable":true,"refusal":null,"error":null,"kind":"encoder","#
        + #""driver":"bcm2835-codec","card":"encode","bus":"platform:x","multiplanar":true,"#
        + #""codecs":[{"format":"H264","minimum_size":"32x32","maximum_size":"1920x1920","#
        + #""maximum_frame_rate":null}],"#
        + #""raw_formats":["YU12","NV12"]}"#)
  }

  @Test func theVirtualDeviceIsListedOnDemand() async throws {
    let result = try await v4l2enc(["devices", "--json", "virtual", "/dev/null"])
    #expect(result.exitCode == 69)
    #expect(result.outputText.hasPrefix(#"[{"path":"virtual","usable":true"#))
    #expect(result.outputText.contains(#"{"path":"/dev/null","usable":false,"refusal":""#))
    let plain = try await v4l2enc(["devices", "virtual"])
    #expect(plain.exitCode == 0)
    #expect(plain.outputText.contains("encodes H.264"))
    #expect(plain.outputText.contains("encodes HEVC"))
  }
}
