import TestSupport
import Testing

@Suite struct MediaToolsTests {
  @Test func fixturesAreWhatTheyAreSaidToBe() async throws {
    for fixture in [Fixture.carphone, .bigBuckBunny] {
      let facts = try await MediaTools.probe(fixture.path)
      #expect(facts.width == fixture.width)
      #expect(facts.height == fixture.height)
      #expect(facts.frameCount == fixture.frameCount)
      #expect(facts.packets.count == fixture.frameCount)
      #expect(facts.packets.first?.isKeyFrame == true)
    }
  }

  @Test func aClipIsDecodedOncePerRun() async throws {
    async let first = MediaTools.decode(.carphone, frames: 5)
    async let second = MediaTools.decode(.carphone, frames: 5)
    #expect(try await first == second)
    #expect(try await first != MediaTools.decode(.carphone, to: .yuv4mpeg, frames: 5))
  }

  @Test func qualityOfALossyCopyIsThatOfFFmpegsOwnFilter() async throws {
    let directory = try TemporaryDirectory()
    let original = try await MediaTools.pictures(.carphone)
    let stream = directory.file("copy.m4v")
    let log = directory.file("psnr.log")
    let raw = ["-f", "rawvideo", "-s", "176x144", "-i", original.path]
    try await MediaTools.ffmpeg(raw + ["-c:v", "mpeg4", "-q:v", "9", stream])
    try await MediaTools.ffmpeg(
      ["-i", stream] + raw + ["-lavfi", "psnr=f=\(log)", "-f", "null", "-"])

    let copy = try await MediaTools.decode(stream: stream, in: directory)
    let quality = try original.lumaPSNR(against: copy)
    let lines = try await Subprocess.run("/bin/cat", [log]).outputText.split(separator: "\n")
    let expected = try lines.map { line in
      let field = try #require(line.split(separator: " ").first { $0.hasPrefix("psnr_y:") })
      return try #require(Double(field.dropFirst("psnr_y:".count)))
    }
    #expect(expected.count == 120)
    #expect(quality.perFrame.count == expected.count)
    for (ours, theirs) in zip(quality.perFrame, expected) { #expect(abs(ours - theirs) < 0.01) }
    #expect(quality.lowest < quality.overall)
    #expect(original.lumaPSNR(0, against: original, at: 0) == 128)
  }

  @Test func videosOfDifferentLengthAreNotCompared() async throws {
    let all = try await MediaTools.pictures(.carphone)
    let some = try await MediaTools.pictures(.carphone, frames: 7)
    #expect(some.frameCount == 7)
    #expect(all.frame(6) == some.frame(6))
    #expect(throws: TestSupportError.self) { try all.lumaPSNR(against: some) }
  }

  @Test func aBrokenStreamIsNoSuccess() async throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write([UInt8](repeating: 0x55, count: 4096), to: "broken.h264")
    await #expect(throws: TestSupportError.self) {
      try await MediaTools.decode(stream: path, in: directory)
    }
  }
}
