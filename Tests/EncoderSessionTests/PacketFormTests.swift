import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Packets in the forms that containers want, out of whole sessions with real codecs.
@Suite(.timeLimit(.minutes(5))) struct PacketFormTests {
  private func encode<Codec: CodecTag>(
    _ codec: Codec.Type, _ source: PlanarVideo, _ device: DeviceSelector,
    _ change: (inout EncoderConfiguration) -> Void
  ) async throws -> [EncodedPacket] {
    let size = VideoSize(width: source.width, height: source.height)
    var configuration = EncoderConfiguration(
      size: size, frameRate: Rational(25), rateControl: .constantQuantizer(30))
    configuration.timeBase = Rational(1, 25)
    configuration.keyFrameInterval = 20
    change(&configuration)
    let encoder = try await V4L2VideoEncoder<Codec>.open(configuration, on: device)
    let reader = Harness.collect(encoder.packets)
    for index in 0..<source.frameCount {
      try await encoder.encode(
        VideoFrame(
          format: .i420, size: size, memory: FrameMemory(copying: source.frame(index)),
          presentationTime: Int64(index)))
    }
    try await encoder.drain()
    await encoder.close()
    return try await reader.value
  }

  private func encode(
    _ codec: VideoCodec, _ source: PlanarVideo, on device: DeviceSelector? = nil,
    _ change: (inout EncoderConfiguration) -> Void
  ) async throws -> [EncodedPacket] {
    let device = try device ?? .virtual(VirtualDevice())
    return codec == .h264
      ? try await encode(H264.self, source, device, change)
      : try await encode(HEVC.self, source, device, change)
  }

  private func isDelimiter(_ unit: NALUnit, _ codec: VideoCodec) -> Bool {
    unit.type == (codec == .h264 ? 9 : 35)
  }

  @Test(
    "A container with the record and packets without parameter sets is decoded",
    arguments: [VideoCodec.h264, .hevc])
  func container(codec: VideoCodec) async throws {
    let source = try await MediaTools.pictures(.carphone, frames: 50)
    let packets = try await encode(codec, source) {
      $0.bitstreamForm = .lengthPrefixed(parameterSets: .outOfBand)
    }
    #expect(packets.count == 50)
    let keys = packets.indices.filter { packets[$0].isKeyFrame }
    #expect(keys == [0, 20, 40])
    let record = try #require(packets[0].configurationRecord)
    for (index, packet) in packets.enumerated() {
      #expect(packet.configurationRecord == (keys.contains(index) ? record : nil))
      #expect(!packet.hasParameterSets && !packet.nalUnits.contains { $0.isParameterSet })
    }
    let directory = try TemporaryDirectory()
    var file = MatroskaClip(
      codec: codec == .h264 ? "V_MPEG4/ISO/AVC" : "V_MPEGH/ISO/HEVC", configuration: record.bytes,
      width: source.width, height: source.height)
    for packet in packets { file.add(packet.data.array, isKeyFrame: packet.isKeyFrame) }
    let decoded = try await MediaTools.decode(
      stream: directory.write(file.data, to: "clip.mkv"), in: directory)
    #expect(decoded.frameCount == 50)
    #expect(try decoded.lumaPSNR(against: source).lowest >= 30)
  }

  @Test(
    "Every packet begins with one delimiter, whoever writes it",
    arguments: [VideoCodec.h264, .hevc], [true, false])
  func delimiters(codec: VideoCodec, driverHasControl: Bool) async throws {
    let source = try await MediaTools.pictures(.carphone, frames: 30)
    let written = Locked(0)
    let transport = BentTransport(try VirtualDevice()) { request, argument, device in
      let isControl =
        request == CV4L2_VIDIOC_S_EXT_CTRLS || request == CV4L2_VIDIOC_G_EXT_CTRLS
      if isControl, controlNumber(argument) == V4L2_CID_MPEG_VIDEO_AU_DELIMITER {
        guard driverHasControl else { return -EINVAL }
        written.withLock { $0 += 1 }
      }
      return device.perform(request, argument)
    }
    for form in [BitstreamForm.annexB, .lengthPrefixed(parameterSets: .inBand)] {
      let packets = try await encode(codec, source, on: transport.selector) {
        $0.bitstreamForm = form
        $0.accessUnitDelimiters = true
      }
      #expect(packets.count == 30)
      for packet in packets {
        let units = Array(packet.nalUnits)
        #expect(units.map { isDelimiter($0, codec) } == units.indices.map { $0 == 0 })
        #expect(packet.hasParameterSets == packet.isKeyFrame)
      }
      #expect((written.withLock { $0 } > 0) == driverHasControl)
      guard form == .annexB else { continue }
      let directory = try TemporaryDirectory()
      let stream = try directory.write(
        packets.flatMap(\.data.array), to: "clip.\(codec.rawValue)")
      let decoded = try await MediaTools.decode(stream: stream, in: directory)
      #expect(try decoded.lumaPSNR(against: source).lowest >= 30)
    }
  }

  @Test("The quantizer of each packet as FFmpeg reads it", arguments: [VideoCodec.h264, .hevc])
  func quantizer(codec: VideoCodec) async throws {
    let source = try await MediaTools.pictures(.carphone, frames: 30)
    for rate in [RateControl.constantQuantizer(34), .constant(bitrate: 150_000)] {
      let packets = try await encode(codec, source) {
        $0.rateControl = rate
        $0.measuresQuantizer = true
      }
      let directory = try TemporaryDirectory()
      let stream = try directory.write(
        packets.flatMap(\.data.array), to: "clip.\(codec.rawValue)")
      let expected = try await HeaderTrace.quantizers(stream)
      #expect(
        packets.map(\.averageQuantizer)
          == expected.map { Double($0.reduce(0, +)) / Double($0.count) })
      if case .constantQuantizer(let value) = rate {
        // x265 makes key pictures finer than the others.
        let others = packets.filter { codec == .h264 || !$0.isKeyFrame }
        #expect(others.count >= 28)
        #expect(others.allSatisfy { $0.averageQuantizer == Double(value) })
      }
    }
    let packets = try await encode(codec, source) { _ in }
    #expect(packets.allSatisfy { $0.averageQuantizer == nil })
  }
}
