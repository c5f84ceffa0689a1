import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

@Suite("A camera that sends JPEG", .timeLimit(.minutes(2)))
struct JPEGCameraTests {
  private let stage = CameraStage()

  private func jpeg() throws -> [UInt8] {
    [UInt8](
      try Data(contentsOf: URL(fileURLWithPath: Fixtures.directory + "camera-422.jpg")))
  }

  @Test("JPEG pictures arrive decoded, in full range, and give their buffer back at once")
  func decoded() async throws {
    let camera = TestCamera(.mjpeg)
    let source = try await stage.open(camera)
    #expect(source.format == .nv12 && source.current.cameraFormat == .mjpeg)
    #expect(source.inputMemory == .copied)
    #expect(
      source.current.color
        == ColorDescription(primaries: .sRGB, transfer: .sRGB, matrix: .bt601, range: .full))
    var frames = source.frames.makeAsyncIterator()
    camera.send(try jpeg())
    let frame = try await stage.next(&frames)
    #expect(frame.frame.format == .nv12 && frame.frame.size == CameraStage.size)
    #expect(!frame.isCorrupt && frame.clock == .monotonic)
    #expect(frame.frame.presentationTime == 1_000_000)
    // White and black of the test bars, as JPEG has them.
    let luma = try stage.bytes(frame.frame)[..<(64 * 48)]
    #expect(luma.max().map { $0 > 175 } == true && luma.min().map { $0 < 40 } == true)
    #expect(camera.queuedCount == 4)
    await source.close()
    #expect(camera.openCount == 0)
  }

  @Test("limited range is a matter of asking, and of saying so")
  func limitedRange() async throws {
    let camera = TestCamera(.jpeg)
    let source = try await stage.open(camera) {
      $0.jpeg = JPEGDecoding(format: .i420, range: .limited)
    }
    let other = TestCamera(.jpeg)
    let full = try await stage.open(other) { $0.jpeg = JPEGDecoding(format: .i420) }
    #expect(source.format == .i420 && source.current.color.range == .limited)
    var (one, two) = (source.frames.makeAsyncIterator(), full.frames.makeAsyncIterator())
    camera.send(try jpeg())
    other.send(try jpeg())
    let limited = try stage.bytes(try await stage.next(&one).frame)
    let wide = try stage.bytes(try await stage.next(&two).frame)
    for (index, value) in wide.enumerated() {
      let exact =
        index < 64 * 48
        ? 16 + Double(value) * 219 / 255 : 128 + (Double(value) - 128) * 224 / 255
      #expect(abs(Double(limited[index]) - exact) <= 0.51)
    }
    await source.close()
    await full.close()
  }

  @Test("a broken JPEG picture is left out with a reason, which is neither a loss nor the end")
  func brokenPicture() async throws {
    let camera = TestCamera(.mjpeg)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    let good = try jpeg()
    camera.send(good)
    _ = try await stage.next(&frames)
    camera.send(Array(good[..<500]))
    camera.loseFrame()
    camera.send([UInt8](repeating: 0, count: 3000))
    camera.send(good)
    let frame = try await stage.next(&frames)
    #expect(frame.sequence == 4 && frame.framesLostBefore == 1)
    #expect(source.statistics.framesUndecodable == 2 && source.statistics.framesLost == 1)
    let reasons = stage.log.events.compactMap { event -> UInt32? in
      if case .frameUndecodable(let sequence, let reason) = event {
        #expect(reason.contains("JPEG"))
        return sequence
      }
      return nil
    }
    #expect(reasons == [1, 3])
    #expect(camera.queuedCount == 4)
    await source.close()
  }

  @Test("a camera that sends nothing but broken pictures stalls, and the error says why")
  func onlyBroken() async throws {
    let camera = TestCamera(.mjpeg)
    let source = try await stage.open(camera) { $0.deadlines.progress = .milliseconds(400) }
    let sender = Task {
      while !Task.isCancelled {
        camera.send([1, 2, 3, 4])
        try await Task.sleep(for: .milliseconds(20))
      }
    }
    let error = await stage.failure(of: source)
    sender.cancel()
    #expect(error?.code == .deviceStalled)
    #expect(error?.message.contains("can be decoded") == true, "\(error?.message ?? "")")
    await source.close()
  }

  @Test("decoding uses the same memory again, and frames that find none are counted as lost")
  func memory() async throws {
    let camera = TestCamera(.mjpeg)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    let good = try jpeg()
    func identity(_ frame: VideoFrame) -> ObjectIdentifier? {
      guard case .memory(let memory, _) = frame.storage else { return nil }
      return ObjectIdentifier(memory)
    }
    var memories: Set<ObjectIdentifier?> = []
    for _ in 0..<20 {
      camera.send(good)
      memories.insert(identity(try await stage.next(&frames).frame))
    }
    // Under the thread sanitizer other memory takes its place (see `isSoleHolder`).
    #if !V4L2ENC_TSAN
    #expect(memories.count <= 2)
    #endif
    var held: [CapturedFrame] = []
    for _ in 0..<4 {
      camera.send(good)
      held.append(try await stage.next(&frames))
    }
    #expect(Set(held.map { identity($0.frame) }).count == 4)
    camera.send(good)
    try await eventually("the buffer is given back") { camera.queuedCount == 4 }
    held.removeAll()
    camera.send(good)
    let after = try await stage.next(&frames)
    #expect(after.framesLostBefore == 1)
    try await stage.log.wait(for: .framesLost(1, before: after.sequence))
    await source.close()
  }

  @Test("JPEG is decoded to NV12 or I420 only, and other compressed formats not at all")
  func otherTargets() async throws {
    let error = await #expect(throws: EncoderError.self) {
      try await stage.open(TestCamera(.mjpeg)) { $0.jpeg.format = .yuyv }
    }
    #expect(error?.code == .invalidConfiguration)
    let camera = TestCamera(.h264)
    let other = await #expect(throws: EncoderError.self) { try await stage.open(camera) }
    #expect(other?.code == .invalidConfiguration)
    #expect(camera.openCount == 0)
  }
}
