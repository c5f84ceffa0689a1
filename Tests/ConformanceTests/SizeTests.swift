import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// Sizes that drivers pad, round, clamp or refuse.
@Suite(.timeLimit(.minutes(5))) struct SizeTests {
  private static let all = [
    VideoSize(width: 96, height: 96), VideoSize(width: 640, height: 360),
    VideoSize(width: 1280, height: 720), VideoSize(width: 1296, height: 972),
    VideoSize(width: 1920, height: 1080), VideoSize(width: 1920, height: 1200),
    VideoSize(width: 8704, height: 4352),
  ]
  private static let sizes =
    ConformanceNode.given == nil || ConformanceNode.isSoak
    ? all : [VideoSize(width: 640, height: 360), VideoSize(width: 1920, height: 1080)]

  @Test(
    "a size is encoded as it is or refused with the driver's limits",
    arguments: Candidate.everyDriver, sizes)
  func size(candidate: Candidate, size: VideoSize) async throws {
    let geometry = candidate.personality.geometry
    let isOffered =
      geometry.widths.contains(size.width) && geometry.heights.contains(size.height)
    let session: Session
    do {
      session = try await Session.open(.h264, on: candidate.pretended, size: size)
    } catch let error as EncoderError {
      #expect(!isOffered, "\(error)")
      #expect(error.code == .unsupported, "\(error)")
      return
    }
    try await withDeadline(.seconds(60), "3 pictures of \(size)") {
      try await session.encode(0..<3)
      try await session.encoder.drain()
    }
    let packets = try await withDeadline { try await session.finish() }
    #expect(isOffered)
    #expect(packets.map(\.presentationTime) == [0, 1, 2])
    // The library reads the size in the stream and says when it is another one.
    #expect(session.happened == [])
    #expect(session.encoder.negotiated.visibleSize == size)
  }
}
