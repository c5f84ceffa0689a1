import Testing
import V4L2Encoder

extension KernelTests {
  /// What discovery makes of the kernel's own drivers.
  @Suite struct Probing {
    private func report(ofNodeNamed name: String) throws -> DeviceReport {
      let path = try KernelGuest.node(named: name)
      return try #require(DeviceCatalog.devices().first { $0.path == path })
    }

    @Test("vicodec's encoder is the one usable encoder")
    func encoder() throws {
      let path = try KernelGuest.encoder()
      let usable = DeviceCatalog.devices().filter { $0.refusal == nil }
      #expect(usable.map(\.path) == [path])
      let report = try #require(usable.first)
      #expect(report.kind == .encoder)
      #expect(report.driver == "vicodec" && report.card == "vicodec")
      #expect(report.bus == "platform:vicodec")
      #expect(report.isMultiplanar == KernelGuest.isMultiplanar)
      #expect(report.codecs.map(\.format) == [.fwht])
      #expect(report.codecs.first?.minimumSize == VideoSize(width: 640, height: 360))
      #expect(report.codecs.first?.maximumSize == VideoSize(width: 4096, height: 2160))
      for format in [PixelFormat.i420, .nv12, .yuyv, .rgb24, .grey] {
        #expect(report.rawFormats.contains(format), "\(format)")
      }
    }

    @Test(
      "everything else is refused by name",
      arguments: [
        ("stateful-decoder", DeviceReport.Kind.decoder, "is a decoder (vicodec)"),
        ("stateless-decoder", .decoder, "is a decoder (vicodec)"),
        ("vim2m", .converter, "converts pictures (vim2m)"),
        ("vivid-000-vid-cap", .camera, "is a camera or another source of pictures (vivid)"),
        ("vivid-000-vid-out", .other, "is no codec (vivid)"),
      ])
    func refusals(name: String, kind: DeviceReport.Kind, reason: String) throws {
      let report = try report(ofNodeNamed: name)
      #expect(report.kind == kind)
      let refusal = try #require(report.refusal)
      #expect(refusal.contains(reason) && refusal.contains(report.path), "\(refusal)")
      #expect(report.codecs.isEmpty)
    }

    @Test("an H.264 encoder is not opened on a FWHT device")
    func anotherCodec() async throws {
      let configuration = EncoderConfiguration(
        size: VideoSize(width: 1280, height: 720), rateControl: .constant(bitrate: 4_000_000))
      let path = try KernelGuest.encoder()
      let error = await #expect(throws: EncoderError.self) {
        _ = try await H264Encoder.open(configuration, on: .path(path))
      }
      #expect(error?.code == .notAnEncoder)
      #expect(error?.message.contains("does not encode H.264, only FWHT") == true)
    }
  }
}
