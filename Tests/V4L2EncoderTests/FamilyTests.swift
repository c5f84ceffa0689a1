import Testing

@testable import V4L2Encoder

@Suite struct FamilyTests {
  private func plan(
    _ codec: VideoCodec, _ family: DriverFamily,
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) -> [PlannedControl] {
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 640, height: 360), rateControl: .constant(bitrate: 1_000_000))
    configuration.keyFrameInterval = 50
    change(&configuration)
    return ControlPlan.controls(
      for: codec, configuration, profile: codec == .h264 ? .h264High : .hevcMain,
      level: CodecLevel(codec, "4", codec == .h264 ? 11 : 5), family: family)
  }

  /// What the device is given for each control: a write, or the reason why there is none.
  private func writes(
    _ plan: [PlannedControl], _ family: DriverFamily
  ) -> [ControlID: ControlDialect.Translation] {
    Dictionary(
      plan.map { control in
        let reason = family.reasonToLeaveOut(control.id, control.value)
        return (
          control.id,
          reason.map { .leaveOut($0) } ?? family.dialect.translate(control, among: plan)
        )
      }, uniquingKeysWith: { first, _ in first })
  }

  @Test(
    "a device is recognised by what it says of itself",
    arguments: [
      ("bcm2835-codec", "bcm2835-codec-encode", "/dev/video11", "bcm2835-codec"),
      ("bcm2835-codec", "bcm2835-codec-encode", "/dev/video31", "bcm2835-codec"),
      ("coda", "CODA960", "/dev/video3", "coda"),
      ("qcom-venus", "Qualcomm Venus video encoder", "/dev/video1", "venus"),
      ("iris_driver", "Iris Encoder", "/dev/video1", "iris"),
      ("wave5-enc", "wave5-enc", "/dev/video1", "wave5"),
      ("s5p-mfc", "s5p-mfc-enc", "/dev/video7", "s5p-mfc"),
      ("mtk-vcodec-enc", "MT8195 video encoder", "/dev/video2", "mtk-vcodec-enc"),
      ("allegro", "Allegro DVT Video Encoder", "/dev/video0", "allegro"),
      ("amphion-vpu", "amphion vpu encoder", "/dev/video1", "amphion"),
      ("st-hva", "hva", "/dev/video0", "hva"),
      ("vicodec", "vicodec", "/dev/video0", "vicodec"),
      ("rkmpp", "rkmpp", "/dev/video-enc0", "rkmpp"),
      ("", "", "/dev/v4l2-nvenc", "nvidia"),
      ("anything", "anything", "/dev/nvhost-msenc", "nvidia"),
      ("tegra-nvenc", "", "/tmp/device", "nvidia"),
      ("uvcvideo", "Camera", "/dev/video11", "generic"),
      ("coda-like", "coda", "/dev/coda", "generic"),
    ])
  func recognition(driver: String, card: String, path: String, name: String) {
    #expect(DriverFamily.recognise(driver: driver, card: card, path: path).name == name)
  }

  @Test func familiesHaveNamesOfTheirOwn() {
    #expect(Set(DriverFamily.all.map(\.name)).count == DriverFamily.all.count)
    #expect(!DriverFamily.all.contains(.generic))
  }

  @Test("a driver that nothing is known of gets every control under its own number")
  func genericDriversGetEverything() {
    let plan = plan(.h264, .generic)
    for (id, translation) in writes(plan, .generic) {
      guard case .write(let write) = translation else {
        Issue.record("\(EncoderControl.name(of: id)): \(translation)")
        continue
      }
      #expect(write.id == id)
    }
  }

  @Test func rkmppGetsNoLevelAndTheSafeQuantizers() {
    let plan = plan(.h264, .rkmpp)
    let writes = writes(plan, .rkmpp)
    guard case .leaveOut(let reason)? = writes[.h264Level] else {
      Issue.record("H264_LEVEL is written: \(String(describing: writes[.h264Level]))")
      return
    }
    #expect(reason.contains("menu's index"))
    #expect(writes[.h264MinQP] == .write(ControlWrite(.h264MinQP, .value(10))))
    #expect(writes[.h264MaxQP] == .write(ControlWrite(.h264MaxQP, .value(51))))
    #expect(writes[.gopSize] == .write(ControlWrite(.gopSize, .value(50))))
    #expect(writes[.bitrateMode] == .write(ControlWrite(.bitrateMode, .value(1))))
    #expect(writes[.bFrames] == .write(ControlWrite(.bFrames, .value(0))))
    #expect(DriverFamily.rkmpp.reasonToLeaveOut(.bFrames, 2) != nil)
    #expect(DriverFamily.rkmpp.reasonToLeaveOut(.frameRCEnable, 0) != nil)
    #expect(DriverFamily.rkmpp.reasonToLeaveOut(.frameRCEnable, 1) == nil)
    // What is known to exist there is not left out without a word, and the other way round.
    let known = DriverFamily.rkmpp.controls ?? []
    #expect(DriverFamily.rkmpp.exceptions.flatMap(\.controls).allSatisfy(known.contains))
  }

  @Test func aConstantQuantizerHoldsOnRkmppToo() {
    let plan = plan(.h264, .rkmpp) { $0.rateControl = .constantQuantizer(30) }
    let writes = writes(plan, .rkmpp)
    #expect(writes[.mbRCEnable] == .write(ControlWrite(.mbRCEnable, .value(0))))
    #expect(writes[.h264MinQP] == .write(ControlWrite(.h264MinQP, .value(30))))
    #expect(writes[.h264MaxQP] == .write(ControlWrite(.h264MaxQP, .value(30))))
  }

  @Test("NVIDIA's numbers collide with the kernel's, so its own are written")
  func nvidiaControls() {
    let kept = UInt32.max
    let plan = plan(.hevc, .nvidia) { configuration in
      configuration.bidirectionalFrames = 2
      configuration.quantizer = QuantizerRange(initial: 26, minimum: 12, maximum: 48)
    }
    let writes = writes(plan, .nvidia)
    func own(_ number: UInt32, _ payload: ControlWrite.Payload) -> ControlDialect.Translation {
      .write(ControlWrite(ControlID(rawValue: number), payload))
    }
    #expect(writes[.bitrate] == own(0x0099_09cf, .value(1_000_000)))
    #expect(writes[.gopSize] == own(0x0099_09cb, .value(50)))
    #expect(writes[ControlID(rawValue: 0x0099_0b02)] == own(0x0099_0b02, .value(50)))
    #expect(writes[.hevcProfile] == own(0x0099_0b01, .value(0)))
    // Main tier of the sixth level: pairs of main and high.
    #expect(writes[.hevcLevel] == own(0x0099_0b31, .value(10)))
    #expect(writes[.bFrames] == own(0x0099_0b16, .value(2)))
    #expect(writes[.prependParameterSetsToIDR] == own(0x0099_0b17, .value(1)))
    #expect(
      writes[.hevcMinQP] == own(0x0099_0b1b, .structure([12, kept, 12, kept, 12, kept])))
    #expect(
      writes[.hevcMaxQP] == own(0x0099_0b1b, .structure([kept, 48, kept, 48, kept, 48])))
    #expect(writes[.hevcIFrameQP] == own(0x0099_0b3e, .structure([26, 26, 26])))
    guard case .leaveOut? = writes[.hevcPFrameQP] else {
      Issue.record("the quantizers are written twice")
      return
    }
    guard case .leaveOut? = writes[.headerMode] else {
      Issue.record("a control is written that NVIDIA's plugin does not have")
      return
    }
  }

  @Test("a number is never put where the plugin follows a pointer")
  func structuresAreNotWrittenByNumber() {
    for number: UInt32 in [0x0099_0b1b, 0x0099_0b3e, 0x0099_0b11, 0x0099_0b26, 0x0099_0b12] {
      let control = PlannedControl(ControlID(rawValue: number), 5, .asked)
      guard case .leaveOut(let reason) = NVIDIAControls.translate(control, among: [control]) else {
        Issue.record("\(number) is written")
        continue
      }
      #expect(reason.contains("structure"))
    }
    let preset = PlannedControl(ControlID(rawValue: 0x0099_0b1c), 1, .asked)
    #expect(
      NVIDIAControls.translate(preset, among: [preset])
        == .write(ControlWrite(preset.id, .value(1))))
  }

  @Test("values that NVIDIA's structures cannot hold are left out, and trap nowhere")
  func valuesOutOfRange() {
    for value in [Int64.min, -1, Int64(UInt32.max) + 1, .max / 2, .max] {
      for control in EncoderControl.all {
        let planned = PlannedControl(control.control, value, .asked)
        guard
          case .write(let write) = NVIDIAControls.translate(planned, among: [planned]),
          case .structure = write.payload
        else { continue }
        Issue.record("\(planned.name) = \(value) is written as \(write.payload)")
      }
    }
  }

  @Test func keyFrameIntervalsHaveTheFamilysControl() {
    let wave5 = plan(.hevc, .wave5)
    #expect(wave5.first { $0.id == .hevcRefreshPeriod }?.value == 50)
    #expect(plan(.h264, .wave5).first { $0.id == .gopSize }?.value == 50)
    #expect(plan(.hevc, .venus).first { $0.id == .gopSize }?.value == 50)
  }

  @Test func hevcHasTwoNames() {
    #expect(DriverFamily.nvidia.codedFormats(for: .hevc).first == .h265)
    #expect(DriverFamily.generic.codedFormats(for: .hevc) == [.hevc, .h265])
    #expect(DriverFamily.nvidia.codedFormats(for: .h264) == [.h264])
  }
}
