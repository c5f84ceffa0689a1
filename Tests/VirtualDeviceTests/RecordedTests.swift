import Foundation
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Dumps of devices, and devices made from dumps.
@Suite struct RecordedTests {
  private static func dump(
    _ personality: VirtualDevice.Personality, tracedBy trace: DeviceTrace? = nil
  ) throws -> DeviceDump {
    let selector = DeviceSelector.virtual(
      try VirtualDevice(VirtualDevice.Configuration(personality: personality)))
    return try DeviceDump(of: trace.map(selector.traced) ?? selector)
  }

  @Test("a dump says everything the device says")
  func contents() throws {
    let dump = try Self.dump(.spec)
    #expect(dump.driver == "virtual-encoder")
    #expect(dump.node == "virtual" && dump.kind == "encoder")
    #expect(dump.machine.kernel.hasPrefix("Linux "))
    let output = try #require(dump.queues.first)
    let capture = try #require(dump.queues.last)
    #expect(dump.queues.map(\.direction) == ["output", "capture"])
    let personality = VirtualDevice.Personality.spec
    #expect(output.formats.map(\.fourCC.rawValue) == personality.rawFormats.map(\.fourCC))
    #expect(capture.formats.map(\.name) == ["H.264", "HEVC"])
    #expect(capture.formats.allSatisfy { $0.sizes.first?.maximum == "4096x4096" })
    #expect(output.current?.size == "1280x720")
    #expect(output.trials.contains { $0.size == "1296x972" && $0.granted?.size == "1296x976" })
    #expect(output.trials.contains { $0.size == "16384x16384" && $0.granted?.size == "4096x4096" })
    #expect(output.memory.map(\.result) == ["ok", "ok", "ok"])
    let controls = personality.controls.filter { $0.kind != .classTitle }
    #expect(dump.controls.map(\.id.rawValue) == controls.map(\.identifier).sorted())
    let mode = try #require(dump.controls.first { $0.id.rawValue == 0x9909ce })
    #expect(
      mode.items.map(\.name) == ["Variable Bitrate", "Constant Bitrate", "Constant Quality"])
    #expect(dump.selections.map(\.target) == ["crop", "crop-default", "crop-bounds"])
    #expect(dump.answers.contains { $0.name == "VIDIOC_S_PARM" && $0.result == "EINVAL" })
    // Over FUSE no buffer can be exported.
    let missing = dump.answers.filter(\.isMissing).map(\.name).filter { $0 != "VIDIOC_EXPBUF" }
    #expect(missing.isEmpty)
  }

  @Test("a dump changes nothing on the device, and uses nothing up")
  func sideEffects() throws {
    let lines = Locked<[String]>([])
    let trace = DeviceTrace { line in lines.withLock { $0.append(line) } }
    _ = try Self.dump(.spec, tracedBy: trace)
    for line in lines.withLock({ $0 }) {
      for request in ["VIDIOC_QBUF", "VIDIOC_DQBUF", "VIDIOC_STREAMON", "VIDIOC_DQEVENT"] {
        #expect(!line.contains(request), "\(line)")
      }
      for request in ["_S_FMT", "_S_PARM", "_S_SELECTION", "_S_CTRL"] where line.contains(request) {
        #expect(line.contains(" -> EINVAL ("), "\(line)")
      }
      if line.contains("_REQBUFS") { #expect(line.contains(" 0 -> 0 0 "), "\(line)") }
      if line.contains("_S_EXT_CTRLS") { #expect(!line.contains("="), "\(line)") }
    }
  }

  @Test("a dump survives its JSON form", arguments: VirtualDevice.Personality.all)
  func form(personality: VirtualDevice.Personality) throws {
    let dump = try Self.dump(personality)
    #expect(try DeviceDump(jsonText: dump.jsonText) == dump)
    // It is JSON to others, too.
    let object = try JSONSerialization.jsonObject(with: Data(dump.jsonText.utf8))
    #expect((object as? [String: Any])?["v4l2enc_dump"] as? Int == 1)
  }

  @Test(
    "a device made from a dump gives the same dump", arguments: VirtualDevice.Personality.all)
  func roundTrip(personality: VirtualDevice.Personality) throws {
    let dump = try Self.dump(personality)
    let recorded = try VirtualDevice.Personality(recorded: DeviceDump(jsonText: dump.jsonText))
    #expect(try Self.dump(recorded) == dump)
  }

  @Test(
    "so it does when nothing else is known of the driver",
    // The plugins say too little of themselves.
    arguments: VirtualDevice.Personality.all.filter { ![.nvidia, .rkmpp].contains($0) })
  func roundTripOfStranger(personality: VirtualDevice.Personality) throws {
    var stranger = personality
    stranger.identity.driver = "stranger"
    let dump = try Self.dump(stranger)
    #expect(!dump.controls.isEmpty)
    let again = try Self.dump(VirtualDevice.Personality(recorded: dump))
    #expect(again.identity == dump.identity)
    #expect(again.controls == dump.controls)
    for (one, other) in zip(again.queues, dump.queues) {
      #expect(one.formats == other.formats)
      #expect(one.trials == other.trials)
      #expect(one.memory == other.memory)
      #expect(one.frameRate == other.frameRate)
    }
    #expect(again.answers == dump.answers)
  }

  @Test("a device made from a dump encodes")
  func encodes() async throws {
    let recorded = try VirtualDevice.Personality(recorded: try Self.dump(.bcm2835))
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 320, height: 240), rateControl: .constant(bitrate: 1_000_000))
    configuration.inputFormat = .nv12
    let encoder = try await H264Encoder.open(
      configuration,
      on: .virtual(try VirtualDevice(VirtualDevice.Configuration(personality: recorded))))
    #expect(encoder.negotiated.driver == "bcm2835-codec")
    await encoder.close()
  }

  @Test(
    "what is no dump is refused in one line",
    arguments: [
      ("", "no JSON value"), ("[]", "has no v4l2enc_dump"), ("{}", "has no v4l2enc_dump"),
      (#"{"v4l2enc_dump":2}"#, "its form 2 is not known"),
      (#"{"v4l2enc_dump":1,"node":3}"#, "node: no string"),
      (#"{"v4l2enc_dump":1,"queues":[{"type":"x"}]}"#, "queues: type: no whole number"),
      (#"{"v4l2enc_dump":1} x"#, "line 1: something follows the end"),
      ("{\n\"v4l2enc_dump\":1,\n\"node\":\"a", "line 3: a string does not end"),
      (String(repeating: "[", count: 10_000), "nested too deeply"),
      (#"{"v4l2enc_dump":1.5}"#, "its form 1.5 is not known"),
    ])
  func noDump(text: String, reason: String) {
    let error = #expect(throws: EncoderError.self) { _ = try DeviceDump(jsonText: text) }
    #expect(error?.code == .invalidConfiguration)
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("\n") == false)
  }

  @Test("a dump of no encoder becomes no device")
  func noEncoder() throws {
    for text in [
      #"{"v4l2enc_dump":1}"#,
      #"{"v4l2enc_dump":1,"queues":[{"direction":"output"},{"direction":"capture"}]}"#,
    ] {
      let dump = try DeviceDump(jsonText: text)
      let error = #expect(throws: EncoderError.self) {
        _ = try VirtualDevice.Personality(recorded: dump)
      }
      #expect(error?.code == .unsupported)
    }
  }

  @Test("garbage in a dump makes no device that traps")
  func garbage() async throws {
    var dump = try Self.dump(.spec)
    for index in dump.controls.indices {
      dump.controls[index].step = 0
      dump.controls[index].maximum = index.isMultiple(of: 2) ? .max : .min
    }
    for index in dump.queues.indices {
      dump.queues[index].frameRate = "-1/0"
      for format in dump.queues[index].formats.indices {
        dump.queues[index].formats[format].sizes = [
          DeviceDump.SizeRange(minimum: "-5x0", maximum: "99999999999x1", step: "0x-1")
        ]
      }
      for trial in dump.queues[index].trials.indices {
        dump.queues[index].trials[trial].granted?.size = "0x0"
        dump.queues[index].trials[trial].granted?.byteCounts = [-1]
        dump.queues[index].trials[trial].granted?.bytesPerLine = [.max]
      }
    }
    let personality = try VirtualDevice.Personality(recorded: dump)
    _ = try Self.dump(personality)
  }
}

extension DeviceDump.SizeRange {
  fileprivate init(minimum: String, maximum: String, step: String) {
    self.init()
    (self.minimum, self.maximum, self.step) = (minimum, maximum, step)
  }
}
