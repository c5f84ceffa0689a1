import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Every way of pixels from an app's frame into a driver's buffer, seen in the decoded picture.
@Suite(.timeLimit(.minutes(10))) struct FormatTests {
  /// Not a multiple of the device's 64-byte lines, nor of its groups of rows.
  private static let size = (width: 202, height: 122)
  private static let frameCount = 4

  private static let inputs: [(PixelFormat, String)] = [
    (.i420, "yuv420p"), (.nv12, "nv12"), (.nv21, "nv21"), (.yv12, "yuv420p"),
    (.i422, "yuv422p"), (.yuyv, "yuyv422"), (.uyvy, "uyvy422"), (.rgb24, "rgb24"),
    (.bgr24, "bgr24"), (.bgra, "bgra"), (.bgrx, "bgr0"), (.argb, "argb"), (.grey, "gray"),
  ]

  private static let devices: [(VirtualDevice.Configuration.Interface, PixelFormat)] = [
    (.multiplanar, .i420), (.multiplanar, .nv12), (.multiplanar, .nv21), (.multiplanar, .nv12m),
    (.multiplanar, .i420m), (.multiplanar, .yuyv), (.singlePlanar, .nv12),
    (.singlePlanar, .i420), (.singlePlanar, .yuyv),
  ]

  @Test("every frame format reaches every driver format", arguments: inputs)
  func conversions(format: PixelFormat, ffmpegName: String) async throws {
    let size = VideoSize(width: Self.size.width, height: Self.size.height)
    let reference = try PlanarVideo(
      path: await MediaTools.decode(
        .carphone, to: .raw("yuv420p"), frames: Self.frameCount, size: Self.size),
      width: size.width, height: size.height)
    let raw = try await MediaTools.decode(
      .carphone, to: .raw(ffmpegName), frames: Self.frameCount, size: Self.size)
    var bytes = try readFile(raw)
    if format == .yv12 { swapChroma(&bytes, size: size) }
    // FFmpeg's own grey has full range; the clip's luma is what must come out again.
    if format == .grey {
      bytes = (0..<Self.frameCount).flatMap { reference.frame($0)[..<(size.width * size.height)] }
    }
    let memory = FrameMemory(copying: bytes)
    let frameBytes = bytes.count / Self.frameCount

    for (api, driverFormat) in Self.devices {
      let device = try VirtualDevice(
        VirtualDevice.Configuration(api: api, rawFormats: [driverFormat]))
      var configuration = EncoderConfiguration(
        size: size, inputFormat: format, rateControl: .constantQuantizer(16))
      configuration.color = .bt601
      let encoder = try await H264Encoder.open(configuration, on: .virtual(device))
      #expect(encoder.negotiated.rawFormat == driverFormat)
      #expect(encoder.negotiated.visibleSize == size)
      let reader = Harness.collect(encoder.packets)
      for index in 0..<Self.frameCount {
        try await encoder.encode(
          VideoFrame(
            format: format, size: size, memory: memory, offset: index * frameBytes,
            presentationTime: Int64(index)))
      }
      try await encoder.drain()
      await encoder.close()
      let directory = try TemporaryDirectory()
      let stream = try directory.write(
        await reader.value.flatMap(\.data.array), to: "out.h264")
      let decoded = try await MediaTools.decode(stream: stream, in: directory)
      #expect(decoded.width == size.width && decoded.height == size.height)
      let quality = try decoded.lumaPSNR(against: reference)
      #expect(
        quality.lowest >= 38, "\(format) to \(driverFormat) (\(api)): \(quality.lowest) dB")
      // Luma alone would not notice exchanged chroma planes.
      if format != .grey {
        let chroma = chromaError(decoded, reference)
        #expect(chroma < 3, "\(format) to \(driverFormat) (\(api)): chroma off by \(chroma)")
      }
    }
  }

  @Test func rgbIsConvertedByTheNamedMatrix() async throws {
    // Pure red lies at different luma in the two matrices: 81 in BT.601, 63 in BT.709.
    let size = VideoSize(width: 64, height: 64)
    for (color, luma, name) in [
      (ColorDescription.bt601, 81, "BT.601"), (.bt709, 63, "BT.709"),
    ] {
      var configuration = EncoderConfiguration(
        size: size, inputFormat: .rgb24, rateControl: .constantQuantizer(10))
      configuration.color = color
      let encoder = try await H264Encoder.open(
        configuration, on: .virtual(VirtualDevice()))
      #expect(encoder.negotiated.conversion?.contains(name) == true)
      #expect(encoder.negotiated.color == color)
      let reader = Harness.collect(encoder.packets)
      let red = (0..<64 * 64 * 3).map { UInt8($0 % 3 == 0 ? 255 : 0) }
      try await encoder.encode(
        VideoFrame(
          format: .rgb24, size: size, memory: FrameMemory(copying: red), presentationTime: 0))
      try await encoder.drain()
      await encoder.close()
      let directory = try TemporaryDirectory()
      let stream = try directory.write(await reader.value.flatMap(\.data.array), to: "red.h264")
      let picture = try await MediaTools.decode(stream: stream, in: directory).frame(0)
      #expect(abs(Int(picture[0]) - luma) <= 2)
      let facts = try await MediaTools.probe(stream)
      #expect(facts.colorSpace == (color == .bt709 ? "bt709" : "smpte170m"))
      #expect(facts.colorRange == "tv")
    }
  }

  @Test func framesWithGapsBetweenRowsAndPlanes() async throws {
    let size = VideoSize(width: Self.size.width, height: Self.size.height)
    let source = try PlanarVideo(
      path: await MediaTools.decode(.carphone, frames: 1, size: Self.size), width: size.width,
      height: size.height)
    let packed = source.frame(0)
    let stride = 256
    let rows = [size.height, size.height / 2, size.height / 2]
    let widths = [size.width, size.width / 2, size.width / 2]
    var offset = 1000
    var from = 0
    var planes: [PlaneLayout] = []
    var bytes = [UInt8](repeating: 0xee, count: 1000 + 3 * stride * size.height)
    for plane in 0..<3 {
      planes.append(PlaneLayout(offset: offset, bytesPerLine: stride))
      for row in 0..<rows[plane] {
        let start = offset + row * stride
        bytes.replaceSubrange(
          start..<start + widths[plane], with: packed[from..<from + widths[plane]])
        from += widths[plane]
      }
      offset += stride * rows[plane] + 777
    }
    let encoder = try await H264Encoder.open(
      EncoderConfiguration(size: size, rateControl: .constantQuantizer(16)),
      on: .virtual(VirtualDevice()))
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(
      VideoFrame(
        format: .i420, size: size, memory: FrameMemory(copying: bytes), planes: planes,
        presentationTime: 0))
    try await encoder.drain()
    await encoder.close()
    let directory = try TemporaryDirectory()
    let stream = try directory.write(await reader.value.flatMap(\.data.array), to: "out.h264")
    let decoded = try await MediaTools.decode(stream: stream, in: directory)
    #expect(decoded.lumaPSNR(0, against: source, at: 0) >= 38)
  }

  @Test func oddSizesAreCroppedWhenAllowed() async throws {
    let odd = VideoSize(width: 203, height: 123)
    var configuration = EncoderConfiguration(size: odd, rateControl: .constantQuantizer(20))
    await #expect(throws: EncoderError.self) {
      _ = try await H264Encoder.open(configuration, on: .virtual(VirtualDevice()))
    }
    configuration.oddSizes = .crop
    let encoder = try await H264Encoder.open(configuration, on: .virtual(VirtualDevice()))
    #expect(encoder.negotiated.differences.contains { $0.contains("202x122") })
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0, size: odd))
    try await encoder.drain()
    await encoder.close()
    let directory = try TemporaryDirectory()
    let stream = try directory.write(await reader.value.flatMap(\.data.array), to: "out.h264")
    let facts = try await MediaTools.probe(stream)
    #expect(facts.width == 202 && facts.height == 122)
  }

  private func swapChroma(_ bytes: inout [UInt8], size: VideoSize) {
    let luma = size.width * size.height
    let chroma = luma / 4
    for start in stride(from: 0, to: bytes.count, by: luma + 2 * chroma) {
      let first = Array(bytes[start + luma..<start + luma + chroma])
      let second = Array(bytes[start + luma + chroma..<start + luma + 2 * chroma])
      bytes.replaceSubrange(start + luma..<start + luma + 2 * chroma, with: second + first)
    }
  }

  /// The mean difference of all chroma samples.
  private func chromaError(_ first: PlanarVideo, _ second: PlanarVideo) -> Double {
    var sum = 0
    var count = 0
    for index in 0..<first.frameCount {
      let luma = first.width * first.height
      for (one, other) in zip(first.frame(index)[luma...], second.frame(index)[luma...]) {
        sum += abs(Int(one) - Int(other))
        count += 1
      }
    }
    return Double(sum) / Double(max(count, 1))
  }
}
