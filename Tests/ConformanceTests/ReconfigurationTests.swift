import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Another size in the same sequence of packets.
@Suite(.timeLimit(.minutes(10))) struct ReconfigurationTests {
  private static let large = VideoSize(width: 1280, height: 720)
  private static let small = VideoSize(width: 640, height: 360)
  private static let framesPerPart = 5

  private static func pictures(_ size: VideoSize) async throws -> PlanarVideo {
    let path = try await MediaTools.decode(
      .bigBuckBunny, frames: 3 * framesPerPart, size: (size.width, size.height))
    return try PlanarVideo(path: path, width: size.width, height: size.height)
  }

  @Test("a size changes twice, and each part is decoded as it was", arguments: Candidate.all)
  func size(candidate: Candidate) async throws {
    let count = Self.framesPerPart
    let sizes = [Self.small, Self.large, Self.small]
    let session = try await Session.open(candidate.codec, on: candidate.real, size: sizes[0])
    try await withDeadline(.seconds(200), "three parts") {
      for (part, size) in sizes.enumerated() {
        if part > 0 {
          let report = try await session.encoder.changeInput(size: size)
          #expect(report == session.encoder.negotiated)
        }
        #expect(session.encoder.negotiated.visibleSize == size)
        try await session.encode(
          part * count..<(part + 1) * count, of: Self.pictures(size))
      }
      try await session.encoder.drain()
    }
    let packets = try await withDeadline { try await session.finish() }
    #expect(packets.map(\.presentationTime) == (0..<Int64(3 * count)).map { $0 })
    let starts = [0, count, 2 * count]
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == starts)
    #expect(packets.indices.filter { packets[$0].changesParameterSets } == [count, 2 * count])
    #expect(session.device?.openHandleCount ?? 0 == 0)
    let reports = session.happened.compactMap { event -> VideoSize? in
      if case .reconfigured(let report) = event { return report.visibleSize }
      return nil
    }
    #expect(reports == [Self.large, Self.small])
    for time in starts.dropFirst() {
      #expect(session.happened.contains(.parameterSetsChanged(presentationTime: Int64(time))))
    }
    #expect(session.happened.count == 4, "\(session.happened)")
    let directory = try TemporaryDirectory()
    for (part, size) in sizes.enumerated() {
      let stream = try directory.write(
        packets[part * count..<(part + 1) * count].flatMap(\.data.array),
        to: "\(part).\(candidate.codec.rawValue)")
      let decoded = try await MediaTools.decode(stream: stream, in: directory)
      #expect(decoded.width == size.width && decoded.height == size.height)
      #expect(decoded.frameCount == count)
      let source = try await Self.pictures(size)
      for picture in 0..<min(count, decoded.frameCount) {
        let quality = decoded.lumaPSNR(picture, against: source, at: part * count + picture)
        #expect(quality >= 26, "part \(part), picture \(picture)")
      }
    }
  }

  @Test(
    "a size that the driver has not leaves everything as it was", arguments: Candidate.everyDriver)
  func refusal(candidate: Candidate) async throws {
    let session = try await Session.open(candidate.codec, on: candidate.pretended)
    let before = session.encoder.negotiated
    try await withDeadline(.seconds(60), "a refused change") {
      try await session.encode(0..<5)
      do {
        try await session.encoder.changeInput(size: VideoSize(width: 8704, height: 4352))
        Issue.record("8704x4352 was taken")
      } catch let error as EncoderError {
        #expect(error.code == .unsupported, "\(error)")
      }
      let after = session.encoder.negotiated
      // Drivers keep room for coded pictures that they were once asked for.
      #expect(after.codedBufferSize >= before.codedBufferSize)
      #expect(after.visibleSize == before.visibleSize && after.rawFormat == before.rawFormat)
      #expect(after.planeSizes == before.planeSizes && after.controls == before.controls)
      #expect(after.inputBuffers == before.inputBuffers)
      #expect(session.encoder.configuration.size == Clip.size)
      try await session.encode(5..<10)
      try await session.encoder.drain()
    }
    let packets = try await withDeadline { try await session.finish() }
    #expect(packets.map(\.presentationTime) == (0..<10).map { $0 })
    #expect(packets.allSatisfy { !$0.changesParameterSets })
    #expect(session.happened == [])
  }
}
