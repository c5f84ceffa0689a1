import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What every driver must do, written once and run on each of them.
@Suite(.timeLimit(.minutes(5))) struct EncodingTests {
  @Test("encode, drain and encode again: every picture comes out once", arguments: Candidate.all)
  func again(candidate: Candidate) async throws {
    let session = try await Session.open(candidate.codec, on: candidate.pretended)
    try await withDeadline(.seconds(60), "three stretches") {
      for start in [0, 7, 21] {
        try await session.encode(start..<start + 7)
        try await session.encoder.drain()
      }
    }
    let packets = try await withDeadline { try await session.finish() }
    let expected = Array(0..<14) + Array(21..<28)
    #expect(packets.map(\.presentationTime) == expected.map(Int64.init))
    #expect(session.happened == [])
    #expect(session.encoder.statistics.drains == 3)
    #expect(session.device?.openHandleCount ?? 0 == 0)
  }

  @Test("a real clip is decoded as it was", arguments: Candidate.all)
  func quality(candidate: Candidate) async throws {
    let directory = try TemporaryDirectory()
    let clip = try await Clip.pictures()
    let session = try await Session.open(candidate.codec, on: candidate.real)
    try await withDeadline(.seconds(120), "24 pictures") {
      try await session.encode(0..<24, of: clip)
      try await session.encoder.drain()
    }
    let packets = try await withDeadline { try await session.finish() }
    let stream = try directory.write(
      packets.flatMap(\.data.array), to: "all.\(candidate.codec.rawValue)")
    let decoded = try await MediaTools.decode(stream: stream, in: directory)
    let quality = try decoded.lumaPSNR(against: clip)
    #expect(quality.overall >= 36)
    #expect(quality.lowest >= 28)
    let facts = try await MediaTools.probe(stream)
    #expect(facts.width == 320 && facts.height == 192)
  }

  @Test("every key frame can be decoded on its own", arguments: Candidate.all)
  func keyFramesStandAlone(candidate: Candidate) async throws {
    let directory = try TemporaryDirectory()
    let clip = try await Clip.pictures()
    let session = try await Session.open(candidate.codec, on: candidate.real)
    try await withDeadline(.seconds(120), "24 pictures") {
      try await session.encode(0..<24, of: clip)
      try await session.encoder.drain()
    }
    let packets = try await withDeadline { try await session.finish() }
    let keys = packets.indices.filter { packets[$0].isKeyFrame }
    #expect(keys == [0, 10, 20])
    for key in keys {
      #expect(packets[key].hasParameterSets)
      let tail = try directory.write(
        packets[key...].flatMap(\.data.array), to: "\(key).\(candidate.codec.rawValue)")
      let decoded = try await MediaTools.decode(stream: tail, in: directory)
      #expect(decoded.frameCount == packets.count - key)
      #expect(decoded.lumaPSNR(0, against: clip, at: key) >= 28)
    }
  }

  @Test("skipped pictures are named", arguments: Candidate.all)
  func skipped(candidate: Candidate) async throws {
    let session = try await Session.open(candidate.codec, on: candidate.pretended)
    let device = try #require(session.device, "faults are injected in the same process only")
    device.inject(.spoiling(.skipped, frame: 3), .spoiling(.skipped, frame: 8, times: 2))
    try await withDeadline(.seconds(60), "20 pictures") {
      try await session.encode(0..<20)
      try await session.encoder.drain()
    }
    let packets = try await withDeadline { try await session.finish() }
    let missing: [Int64] = [3, 8, 9]
    #expect(packets.map(\.presentationTime) == (0..<20).filter { !missing.contains($0) })
    #expect(session.happened == missing.map { .frameSkipped(presentationTime: $0) })
    #expect(session.encoder.statistics.framesSkipped == 3)
  }
}
