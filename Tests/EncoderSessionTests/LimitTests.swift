import CV4L2
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Values at the ends of their ranges, and what a driver keeps that nobody asked for.
@Suite(.timeLimit(.minutes(2))) struct LimitTests {
  @Test("rates that cannot be are refused when the encoder is opened, and trap nowhere")
  func impossibleRates() async {
    await #expect(processExitsWith: .success) {
      let rates = [Rational(30, 0), Rational(.max, 1), Rational(.max, .max), Rational(1, .max)]
      for rate in rates + [Rational(30_000_000_000_000, 1_000_000_000_000)] {
        var configuration = Harness.configuration()
        configuration = EncoderConfiguration(
          size: configuration.size, frameRate: rate, rateControl: configuration.rateControl)
        #expect(configuration.keyFrameInterval >= 1)
        let device = try Harness.device()
        let error = try await encoderError {
          _ = try await H264Encoder.open(configuration, on: .virtual(device))
        }
        #expect(error?.code == .invalidConfiguration)
      }
    }
  }

  @Test func aNegativeCountOfBytesMeansNone() async {
    await #expect(processExitsWith: .success) {
      let memory = FrameMemory(byteCount: -1) { bytes in #expect(bytes.byteCount == 0) }
      #expect(memory.byteCount == 0)
    }
  }

  @Test("key frames need both sets: a picture set alone is not called complete")
  func incompleteParameterSets() throws {
    var assembler = PacketAssembler(codec: .h264)
    let pictureSet: [UInt8] = [0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80]
    _ = assembler.accept(PacketBuffer(copying: pictureSet + [0, 0, 0, 1, 0x41, 0x9a, 0x80, 1]))
    let outcome = assembler.accept(PacketBuffer(copying: [0, 0, 0, 1, 0x65, 0x88, 0x80, 1]))
    guard case .picture(let unit) = outcome else {
      Issue.record("no picture")
      return
    }
    #expect(unit.isKeyFrame)
    #expect(!unit.hasParameterSets)
  }

  @Test func aLevelThatDoesNotAllowTheRateIsReportedThoughNoneDoes() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.size = VideoSize(width: 4096, height: 2304)
        $0.frameRate = Rational(1000)
        $0.level = CodecLevel.named("3.1", codec: .h264)
      }, on: .virtual(Harness.device()))
    let differences = encoder.negotiated.differences
    await encoder.close()
    #expect(differences.contains { $0.contains("level 3.1") })
  }

  @Test("a value beyond 32 bits is left out and reported, not cut off")
  func longControlValues() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.additionalControls = [ControlSetting(id: 0x0099_09cb, value: 1 << 32 | 12)]
      }, on: .virtual(Harness.device()))
    let report = encoder.negotiated
    await encoder.close()
    guard case .leftOut? = report.controls.last?.result else {
      Issue.record("\(String(describing: report.controls.last))")
      return
    }
    #expect(report.differences.contains { $0.contains("GOP_SIZE") && $0.contains("32 bits") })
  }

  @Test func coloursLeftToTheDriverAreNoDifference() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.color = ColorDescription(
          primaries: .unspecified, transfer: .unspecified, matrix: .unspecified,
          range: .unspecified)
      }, on: .virtual(Harness.device()))
    let differences = encoder.negotiated.differences
    await encoder.close()
    #expect(differences == [])
  }

  #if VirtualCodecs
  @Test("B-frames that a driver keeps although nobody asked lose no frame")
  func uninvitedBidirectionalFrames() async throws {
    let source = try await MediaTools.pictures(.carphone)
    let size = VideoSize(width: source.width, height: source.height)
    let transport = BentTransport(try VirtualDevice()) { request, argument, device in
      if request == CV4L2_VIDIOC_S_EXT_CTRLS,
        controlNumber(argument) == UInt32(V4L2_CID_MPEG_VIDEO_B_FRAMES)
      {
        let controls = argument.assumingMemoryBound(to: v4l2_ext_controls.self).pointee.controls
        controls?.pointee.value = 2
      }
      return device.perform(request, argument)
    }
    let encoder = try await HEVCEncoder.open(
      EncoderConfiguration(size: size, rateControl: .constant(bitrate: 500_000)),
      on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    for index in 0..<30 {
      try await encoder.encode(
        VideoFrame(
          format: .i420, size: size, memory: FrameMemory(copying: source.frame(index)),
          presentationTime: Int64(index)))
    }
    try await encoder.drain()
    #expect(encoder.statistics.framesSkipped == 0)
    #expect(encoder.negotiated.differences.contains { $0.contains("B_FRAMES") })
    await encoder.close()
    let times = try await reader.value.map(\.presentationTime)
    #expect(times != times.sorted())
    #expect(times.sorted() == (0..<30).map(Int64.init))
  }
  #endif
}
