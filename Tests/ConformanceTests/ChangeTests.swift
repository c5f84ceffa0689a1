import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What is asked for on the way: it happens, or its refusal is said.
@Suite(.timeLimit(.minutes(5))) struct ChangeTests {
  private static let bitrate: UInt32 = 0x0099_09cf

  @Test("a bitrate that is said to be taken is in force", arguments: Candidate.all)
  func bitrate(candidate: Candidate) async throws {
    let session = try await Session.open(candidate.codec, on: candidate.pretended)
    let before = session.device?.appliedControls[Self.bitrate]
    let outcome = try await withDeadline(.seconds(60), "a change of the bitrate") {
      try await session.encode(0..<6)
      try await session.hasPackets(2)
      let outcomes = try await session.encoder.update(DynamicSettings(bitrate: 600_000))
      try await session.encode(6..<12)
      try await session.encoder.drain()
      return try #require(outcomes.first { $0.name == "BITRATE" })
    }
    let after = session.device?.appliedControls[Self.bitrate]
    let packets = try await withDeadline { try await session.finish() }
    #expect(packets.map(\.presentationTime) == (0..<12).map { $0 })
    switch outcome.result {
    case .applied, .unverified:
      #expect(session.device == nil || after == 600_000)
      // A real codec makes few bytes of grey pictures at any bitrate.
      guard candidate.canPretend else { return }
      let sizes = packets.map(\.data.byteCount)
      // A packet of the model's pretended codec has as many bytes as the bitrate gives it; the
      // frames that still waited in the device follow the new one.
      #expect(sizes[11] * 2 < sizes[1], "\(sizes)")
    case .adjusted(let value): #expect(session.device == nil || after == value)
    case .unsupported, .refused, .leftOut: #expect(after == before)
    }
  }

  @Test("a frame rate that is said to be taken is in force", arguments: Candidate.all)
  func frameRate(candidate: Candidate) async throws {
    let session = try await Session.open(candidate.codec, on: candidate.pretended)
    let outcome = try await withDeadline(.seconds(60), "a change of the frame rate") {
      try await session.encode(0..<6)
      try await session.hasPackets(2)
      let outcomes = try await session.encoder.update(DynamicSettings(frameRate: Rational(50)))
      try await session.encode(6..<12)
      try await session.encoder.drain()
      return try #require(outcomes.first { $0.name == ControlOutcome.frameRateName })
    }
    let packets = try await withDeadline { try await session.finish() }
    #expect(packets.map(\.presentationTime) == (0..<12).map { $0 })
    guard outcome.result == .applied, candidate.canPretend else { return }
    let sizes = packets.map(\.data.byteCount)
    #expect(sizes[11] * 3 < sizes[1] * 2, "\(sizes)")
  }

  @Test(
    "a key frame on demand comes, or the call says that there is none", arguments: Candidate.all)
  func keyFrame(candidate: Candidate) async throws {
    let session = try await Session.open(candidate.codec, on: candidate.pretended) {
      $0.keyFrameInterval = 100
    }
    let isRefused = try await withDeadline(.seconds(60), "a key frame") {
      try await session.encode(0..<5)
      var isRefused = false
      do {
        try await session.encode(5..<6, keyFrameAt: 5)
      } catch let error as EncoderError {
        guard error.code == .unsupported else { throw error }
        isRefused = true
      }
      try await session.encode(6..<9)
      try await session.encoder.drain()
      return isRefused
    }
    let packets = try await withDeadline { try await session.finish() }
    let keys = packets.filter(\.isKeyFrame).map(\.presentationTime)
    #expect(keys == (isRefused ? [0] : [0, 5]))
    #expect(packets.count == (isRefused ? 8 : 9))
  }
}
