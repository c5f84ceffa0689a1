import TestSupport
import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// What a camera is asked for, and which devices are no cameras to capture from.
@Suite struct CameraPlanTests {
  private func offer(
    _ format: PixelFormat, _ sizes: (Int, Int, Int)...
  ) -> CameraOffer {
    CameraOffer(
      format: format, isCompressed: format == .mjpeg,
      sizes: sizes.map { width, height, rate in
        let size = VideoSize(width: width, height: height)
        return CameraOffer.Size(
          minimum: size, maximum: size,
          rates: [CameraOffer.Rate(slowest: Rational(rate), fastest: Rational(rate))])
      })
  }

  private func camera(
    _ formats: [CameraOffer], driver: String = "uvcvideo", hasSignal: Bool = false
  ) -> CameraReport {
    CameraReport(
      path: "/dev/video0", driver: driver, card: "Camera", bus: "usb",
      inputs: [CameraInput(index: 0, name: "one", hasDVTimings: hasSignal, signalLoss: nil)],
      currentInput: 0, formats: formats)
  }

  private func plan(
    _ camera: CameraReport, _ arguments: String..., encoder: [PixelFormat] = [.nv12, .i420]
  ) throws -> CameraPlan {
    guard
      case .run(let options) = try CaptureArguments.table.parse(arguments, into: CaptureOptions())
    else { throw CommandError(.usage, "help") }
    return try CameraPlan(options, camera, encoderFormats: encoder)
  }

  /// A usual USB camera: raw pictures are slow where they are large.
  private var webcam: CameraReport {
    camera([
      offer(.yuyv, (640, 480, 30), (1280, 720, 10), (1920, 1080, 5)),
      offer(.mjpeg, (640, 480, 30), (1280, 720, 30), (1920, 1080, 30), (3840, 2160, 30)),
    ])
  }

  @Test func theDefaultIsTheLargestUsualSizeAtAUsualRate() throws {
    let plan = try plan(webcam)
    #expect(plan.configuration.format == .mjpeg)
    #expect(plan.configuration.size == VideoSize(width: 1920, height: 1080))
    #expect(plan.way == .decoded)
    #expect(plan.configuration.jpeg == JPEGDecoding(format: .nv12, range: .full))
  }

  @Test func whatIsAskedForDecides() throws {
    let small = try plan(webcam, "--size", "640x480")
    #expect(small.configuration.format == .yuyv)
    #expect(small.way == .converted)
    let slow = try plan(webcam, "--size", "1920x1080", "--fps", "5")
    #expect(slow.configuration.format == .yuyv)
    #expect(slow.configuration.frameRate == Rational(5))
    let large = try plan(webcam, "--size", "3840x2160")
    #expect(large.configuration.size == VideoSize(width: 3840, height: 2160))
    let named = try plan(webcam, "--format", "yuyv")
    #expect(named.configuration.format == .yuyv)
    #expect(named.configuration.size == VideoSize(width: 640, height: 480))
    let limited = try plan(webcam, "--range", "limited", encoder: [.i420])
    #expect(limited.configuration.jpeg == JPEGDecoding(format: .i420, range: .limited))
  }

  @Test func whatTheEncoderTakesInPlaceIsPreferred() throws {
    let camera = camera([offer(.yuyv, (1280, 720, 30)), offer(.nv12, (1280, 720, 30))])
    let plan = try plan(camera)
    #expect(plan.configuration.format == .nv12)
    #expect(plan.way == .inPlace)
    #expect(try self.plan(camera, encoder: [.yuyv]).configuration.format == .yuyv)
  }

  @Test func smallerPicturesArePreferred() throws {
    let size = (1280, 720, 30)
    let camera = camera([offer(.yuyv, size), offer(.i420, size), offer(.nv12, size)])
    #expect(try plan(camera, encoder: [.yuyv, .nv12, .i420]).configuration.format == .nv12)
  }

  @Test func coloursAreGivenUpForNothingButAWish() throws {
    let size = (1280, 720, 30)
    let encoder: [PixelFormat] = [.grey, .nv12]
    let both = camera([offer(.grey, size), offer(.yuyv, (640, 480, 30))])
    #expect(try plan(both, encoder: encoder).configuration.format == .yuyv)
    #expect(try plan(both, "--format", "gray", encoder: encoder).configuration.format == .grey)
    let infrared = camera([offer(.grey, size)])
    #expect(try plan(infrared, encoder: encoder).configuration.format == .grey)
  }

  @Test func theUsualRateIsAskedFor() throws {
    #expect(try plan(webcam).configuration.frameRate == Rational(30))
    #expect(try plan(webcam, "--format", "yuyv").configuration.frameRate == Rational(30))
    #expect(try plan(webcam, "--fps", "7").configuration.frameRate == Rational(7))
    let size = VideoSize(width: 640, height: 480)
    let cases: [([(Int, Int)], Int?)] = [
      ([(5, 5), (15, 15), (25, 25), (50, 50)], 25), ([(50, 50), (60, 60)], 50), ([(1, 90)], 30),
      ([(40, 90)], 40), ([], nil),
    ]
    for (rates, wanted) in cases {
      let offer = CameraOffer(
        format: .nv12, isCompressed: false,
        sizes: [
          CameraOffer.Size(
            minimum: size, maximum: size,
            rates: rates.map { CameraOffer.Rate(slowest: Rational($0), fastest: Rational($1)) })
        ])
      #expect(
        try plan(camera([offer])).configuration.frameRate == wanted.map { Rational($0) })
    }
  }

  @Test func aSignalHasItsOwnSize() throws {
    let card = camera([offer(.uyvy, (1920, 1080, 60))], hasSignal: true)
    #expect(try plan(card).configuration.size == nil)
  }

  @Test func largeSizesStayWhereThereAreNoOthers() throws {
    let camera = camera([offer(.nv12, (3840, 2160, 30))])
    #expect(try plan(camera).configuration.size == VideoSize(width: 3840, height: 2160))
    let step = VideoSize(width: 16, height: 2)
    let range = CameraOffer(
      format: .nv12, isCompressed: false,
      sizes: [
        CameraOffer.Size(
          minimum: VideoSize(width: 32, height: 32), maximum: VideoSize(width: 4056, height: 3040),
          step: step, rates: [])
      ])
    #expect(
      try plan(self.camera([range])).configuration.size == VideoSize(width: 1920, height: 1080))
  }

  @Test func impossibleWishesNameWhatThereIs() throws {
    for (arguments, message) in [
      (["--format", "nv12"], "--format nv12: /dev/video0 does not send it; it sends yuyv, mjpeg"),
      (["--input", "3"], "--input 3: /dev/video0 has the inputs 0 (one)"),
    ] {
      do throws(CommandError) {
        guard
          case .run(let options) = try CaptureArguments.table.parse(
            arguments, into: CaptureOptions())
        else { return }
        _ = try CameraPlan(options, webcam, encoderFormats: [.nv12])
        Issue.record("taken: \(arguments)")
      } catch {
        #expect(error == CommandError(.usage, message))
      }
    }
  }

  // MARK: Devices that are no cameras

  private static let bayer = PixelFormat(rawValue: 0x3047_5270)

  @Test(arguments: ["unicam", "bcm2835-unicam", "rp1-cfe"])
  func aRaspberryPiSensorIsSentThroughThePipe(driver: String) throws {
    let sensor = camera(
      [CameraOffer(format: Self.bayer, isCompressed: false, sizes: [])], driver: driver)
    var options = CaptureOptions()
    options.encode.output = "clip.h264"
    options.encode.size = VideoSize(width: 780, height: 360)
    let refusal = try #require(CameraRefusal.refusal(of: sensor, asked: options))
    #expect(refusal.code == .noInput)
    #expect(
      refusal.message
        == "/dev/video0 (\(driver)) sends what the sensor sees, not pictures; pipe the "
        + "camera's pictures: rpicam-vid -t 0 --width 780 --height 360 --framerate 30 --codec "
        + "yuv420 -o - | v4l2enc encode - --format i420 --size 780x360 --fps 30 --stride 832 "
        + "-o clip.h264")
    #expect(!CameraRefusal.pipe(CaptureOptions()).contains("--stride"))
    // The same receiver with an HDMI bridge.
    let bridge = camera([offer(.uyvy, (1920, 1080, 50))], driver: driver)
    #expect(CameraRefusal.refusal(of: bridge, asked: options) == nil)
  }

  @Test(arguments: ["bcm2835-isp", "pispbe"])
  func aStepOfTheImageProcessorIsNoCamera(driver: String) throws {
    let step = camera([offer(.nv12, (640, 480, 30))], driver: driver)
    let refusal = try #require(CameraRefusal.refusal(of: step, asked: CaptureOptions()))
    #expect(refusal.message.contains("is a step of the image processor"))
    #expect(refusal.message.contains("rpicam-vid"))
  }

  @Test func unknownPicturesAreNamed() throws {
    let other = camera([CameraOffer(format: Self.bayer, isCompressed: false, sizes: [])])
    let refusal = try #require(CameraRefusal.refusal(of: other, asked: CaptureOptions()))
    #expect(refusal.message.contains("sends pRG0, none of which can be encoded"))
    #expect(
      CameraRefusal.refusal(of: camera([]), asked: CaptureOptions())?.message
        == "/dev/video0 (uvcvideo) sends no pictures")
  }

  @Test func otherDevicesAreCalledByTheirKind() throws {
    var encoder = DeviceReport(path: "/dev/video11", kind: .encoder)
    encoder.driver = "bcm2835-codec"
    let camera = DeviceReport(path: "/dev/video0", kind: .camera)
    let refusal = try #require(CameraRefusal.refusal(of: encoder, among: [camera, encoder]))
    #expect(
      refusal.message == "/dev/video11 (bcm2835-codec) is an encoder, not a camera; name it as "
        + "--device /dev/video11; cameras here: /dev/video0")
    let kinds: [(DeviceReport.Kind, String)] = [
      (.decoder, "a decoder"), (.converter, "a converter of pictures"),
      (.other, "another kind of device"),
    ]
    for (kind, name) in kinds {
      let device = DeviceReport(path: "/dev/video9", kind: kind)
      #expect(
        CameraRefusal.refusal(of: device, among: [])?.message
          == "/dev/video9 is \(name), not a camera; there is no camera here")
    }
    #expect(CameraRefusal.refusal(of: camera, among: []) == nil)
  }
}

/// Black and white in numbers.
@Suite struct RangeChoiceTests {
  private let size = VideoSize(width: 1280, height: 720)
  private let full = ColorDescription(
    primaries: .bt709, transfer: .bt709, matrix: .bt601, range: .full)

  private func colors(
    _ choice: RangeChoice, _ color: ColorDescription, _ format: PixelFormat
  ) throws -> (color: ColorDescription, limitsRange: Bool) {
    try choice.colors(of: color, in: format, from: format, size: size)
  }

  @Test func keepingKeepsAndCompletes() throws {
    #expect(try colors(.keep, full, .yuyv) == (full, false))
    let unknown = ColorDescription(
      primaries: .unspecified, transfer: .unspecified, matrix: .unspecified, range: .unspecified)
    #expect(try colors(.keep, unknown, .rgb24) == (.bt709, false))
  }

  @Test func rgbIsConvertedAsAsked() throws {
    var fullHD = ColorDescription.bt709
    fullHD.range = .full
    #expect(try colors(.full, .bt709, .rgb24) == (fullHD, false))
    #expect(try colors(.limited, .bt709, .bgrx) == (.bt709, false))
  }

  @Test func fullRangeIsLimitedButNotTheOtherWayRound() throws {
    #expect(try colors(.full, full, .yuyv) == (full, false))
    var limited = full
    limited.range = .limited
    #expect(try colors(.limited, full, .yuyv) == (limited, true))
    #expect(try colors(.limited, .bt709, .nv12) == (.bt709, false))
    #expect(throws: CommandError.self) { try colors(.full, .bt709, .nv12) }
  }

  @Test func jpegIsDecodedToWhatIsAsked() {
    #expect(RangeChoice.keep.ofDecodedJPEG == .full)
    #expect(RangeChoice.full.ofDecodedJPEG == .full)
    #expect(RangeChoice.limited.ofDecodedJPEG == .limited)
  }
}

/// The camera's numbers of frames that are inside the encoder.
@Suite struct FrameOriginTests {
  private func origin(_ sequence: UInt32) -> FrameOrigin {
    FrameOrigin(sequence: sequence, lostBefore: 0)
  }

  @Test func packetsFindTheirFramesInAnyOrder() {
    let origins = FrameOrigins()
    for number in 0..<4 { origins.note(origin(UInt32(number)), at: Int64(number) * 40_000) }
    #expect(origins.take(80_000) == origin(2))
    #expect(origins.take(0) == origin(0))
    #expect(origins.take(0) == nil)
    #expect(origins.take(120_000) == origin(3))
  }

  @Test func skippedFramesAreForgotten() {
    let origins = FrameOrigins()
    for number in 0..<1000 { origins.note(origin(UInt32(number)), at: Int64(number)) }
    #expect(origins.take(999) == origin(999))
    #expect(origins.take(0) == nil)
  }
}
