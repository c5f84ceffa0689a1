import CV4L2
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Controls on every driver that the virtual device imitates.
@Suite(.timeLimit(.minutes(3))) struct PersonalityControlTests {
  private static let bitrate = UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)

  /// The family by the personality's name; those without one are generic.
  private static let families = [
    "bcm2835": "bcm2835-codec", "coda": "coda", "iris": "iris", "nvidia": "nvidia",
    "rkmpp": "rkmpp", "s5p-mfc": "s5p-mfc", "venus": "venus", "wave5": "wave5",
    "spec": "generic",
  ]

  private static var names: [String] { families.keys.sorted() }

  private func device(_ name: String) throws -> VirtualDevice {
    let personality = try #require(VirtualDevice.Personality.named(name))
    return try VirtualDevice(
      VirtualDevice.Configuration(personality: personality, h264: .null, hevc: .null))
  }

  private func open(_ device: VirtualDevice) async throws -> H264Encoder {
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 640, height: 480), frameRate: Rational(25),
      rateControl: .constant(bitrate: 1_000_000))
    configuration.keyFrameInterval = 50
    return try await H264Encoder.open(configuration, on: .virtual(device))
  }

  @Test("every driver is recognised, and what it is asked it takes", arguments: names)
  func configuration(name: String) async throws {
    let device = try device(name)
    let encoder = try await open(device)
    let report = encoder.negotiated
    await encoder.close()
    #expect(report.family == Self.families[name])
    for control in report.controls {
      if case .refused(let errno) = control.result {
        Issue.record("\(control.name) = \(control.requested) is refused: \(errno)")
      }
    }
    #expect(device.appliedControls[Self.bitrate] == 1_000_000)
    let isReadBack = !["nvidia", "rkmpp"].contains(name)
    for control in ["BITRATE", "H264_PROFILE", "H264_LEVEL"] {
      let result = report.controls.first { $0.name == control }?.result
      if name == "rkmpp", control == "H264_LEVEL" {
        guard case .leftOut = result else {
          Issue.record("\(control): \(String(describing: result))")
          continue
        }
      } else {
        #expect(result == (isReadBack ? .applied : .unverified), "\(control)")
      }
    }
    // Nothing but the best profile that the driver lists: coda has no High.
    #expect(report.profile == (name == "coda" ? .h264ConstrainedBaseline : .h264High))
  }

  @Test("a frame rate of which the driver keeps the whole part alone is told")
  func wholeFrameRate() async throws {
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 640, height: 480), frameRate: Rational(30000, 1001),
      rateControl: .constant(bitrate: 1_000_000))
    configuration.keyFrameInterval = 50
    let encoder = try await H264Encoder.open(configuration, on: .virtual(try device("wave5")))
    let report = encoder.negotiated
    await encoder.close()
    #expect(report.frameRate == Rational(29))
    #expect(
      report.differences.contains { $0.contains("frame rate: asked for 30000/1001") },
      "\(report.differences)")
  }

  @Test("who repeats the parameter sets is known, also where controls cannot be read")
  func parameterSets() async throws {
    for name in ["nvidia", "rkmpp", "wave5", "iris", "s5p-mfc", "bcm2835", "venus", "coda"] {
      let encoder = try await open(try device(name))
      let source = encoder.negotiated.parameterSets
      await encoder.close()
      #expect(source == (["venus", "coda"].contains(name) ? .inserted : .driver), "\(name)")
    }
  }

  @Test(
    "the bitrate changes while frames are encoded",
    arguments: names)
  func bitrateOnTheWay(name: String) async throws {
    let device = try device(name)
    let encoder = try await open(device)
    let outcome = try #require(
      try await encoder.update(DynamicSettings(bitrate: 2_000_000)).first)
    await encoder.close()
    switch outcome.result {
    case .applied, .unverified: #expect(device.appliedControls[Self.bitrate] == 2_000_000)
    case .adjusted, .refused, .unsupported, .leftOut: Issue.record("\(outcome)")
    }
  }

  @Test("capabilities are read from every driver", arguments: names)
  func capabilities(name: String) throws {
    let capabilities = try EncoderCapabilities.read(from: .virtual(try device(name)))
    #expect(capabilities.family.name == Self.families[name])
    #expect(capabilities.codecs.contains { $0.codec == .h264 })
    #expect(!capabilities.rawFormats.isEmpty)
    switch name {
    case "nvidia": #expect(capabilities.controls == [])
    // Four controls can be asked for there, two of them of H.264.
    case "rkmpp":
      #expect(capabilities.description(of: .h264Profile) != nil)
      #expect(capabilities.description(of: .bitrate) == nil)
    default: #expect(capabilities.description(of: .bitrate)?.range?.contains(1_000_000) == true)
    }
  }
}
