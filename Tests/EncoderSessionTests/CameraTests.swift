import CV4L2
import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

/// The capture source on a camera whose every move is dictated.
@Suite("A camera", .timeLimit(.minutes(2)))
struct CameraTests {
  private static let size = VideoSize(width: 64, height: 48)
  private static let hd = VideoSize(width: 128, height: 96)
  private static let clock: UInt64 = 74_250_000
  private let log = CaptureEventLog()

  private func open(
    _ camera: TestCamera, _ change: (inout CaptureConfiguration) -> Void = { _ in }
  ) async throws -> CaptureSource {
    var configuration = CaptureConfiguration(size: nil, format: camera.format, buffers: 4)
    if camera.isWebcam { configuration.size = Self.size }
    configuration.deadlines.progress = .seconds(20)
    configuration.signalPatience = .upTo(.seconds(60))
    change(&configuration)
    return try await CaptureSource.open(
      configuration, on: camera.selector, observer: log.observer)
  }

  private func picture(_ value: UInt8 = 90, _ size: VideoSize = Self.size) -> [UInt8] {
    [UInt8](repeating: value, count: size.width * size.height * 3 / 2)
  }

  private func jpeg() throws -> [UInt8] {
    [UInt8](
      try Data(contentsOf: URL(fileURLWithPath: Fixtures.directory + "camera-422.jpg")))
  }

  private func next(_ frames: inout CaptureSequence.AsyncIterator) async throws -> CapturedFrame {
    try #require(try await frames.next())
  }

  private func failure(of source: CaptureSource) async -> EncoderError? {
    await #expect(throws: EncoderError.self) {
      try await withDeadline(.seconds(30), "the end of the frames") {
        for try await _ in source.frames {}
      }
    }
  }

  private func bytes(_ frame: VideoFrame) throws -> [UInt8] {
    guard case .memory(let memory, _) = frame.storage else {
      throw TestSupportError("the frame is in a DMABUF")
    }
    return memory.bytes.withUnsafeBytes { [UInt8]($0) }
  }

  // MARK: - JPEG

  @Test("JPEG pictures arrive decoded, in full range, and give their buffer back at once")
  func decoded() async throws {
    let camera = TestCamera(.mjpeg)
    let source = try await open(camera)
    #expect(source.format == .nv12 && source.current.cameraFormat == .mjpeg)
    #expect(source.inputMemory == .copied)
    #expect(
      source.current.color
        == ColorDescription(primaries: .sRGB, transfer: .sRGB, matrix: .bt601, range: .full))
    var frames = source.frames.makeAsyncIterator()
    camera.send(try jpeg())
    let frame = try await next(&frames)
    #expect(frame.frame.format == .nv12 && frame.frame.size == Self.size)
    #expect(!frame.isCorrupt && frame.clock == .monotonic)
    #expect(frame.frame.presentationTime == 1_000_000)
    // White and black of the test bars, as JPEG has them.
    let luma = try bytes(frame.frame)[..<(64 * 48)]
    #expect(luma.max().map { $0 > 175 } == true && luma.min().map { $0 < 40 } == true)
    #expect(camera.queuedCount == 4)
    await source.close()
    #expect(camera.openCount == 0)
  }

  @Test("limited range is a matter of asking, and of saying so")
  func limitedRange() async throws {
    let camera = TestCamera(.jpeg)
    let source = try await open(camera) {
      $0.jpeg = JPEGDecoding(format: .i420, range: .limited)
    }
    let other = TestCamera(.jpeg)
    let full = try await open(other) { $0.jpeg = JPEGDecoding(format: .i420) }
    #expect(source.format == .i420 && source.current.color.range == .limited)
    var (one, two) = (source.frames.makeAsyncIterator(), full.frames.makeAsyncIterator())
    camera.send(try jpeg())
    other.send(try jpeg())
    let limited = try bytes(try await next(&one).frame)
    let wide = try bytes(try await next(&two).frame)
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
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    let good = try jpeg()
    camera.send(good)
    _ = try await next(&frames)
    camera.send(Array(good[..<500]))
    camera.loseFrame()
    camera.send([UInt8](repeating: 0, count: 3000))
    camera.send(good)
    let frame = try await next(&frames)
    #expect(frame.sequence == 4 && frame.framesLostBefore == 1)
    #expect(source.statistics.framesUndecodable == 2 && source.statistics.framesLost == 1)
    let reasons = log.events.compactMap { event -> UInt32? in
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
    let source = try await open(camera) { $0.deadlines.progress = .milliseconds(400) }
    let sender = Task {
      while !Task.isCancelled {
        camera.send([1, 2, 3, 4])
        try await Task.sleep(for: .milliseconds(20))
      }
    }
    let error = await failure(of: source)
    sender.cancel()
    #expect(error?.code == .deviceStalled)
    #expect(error?.message.contains("can be decoded") == true, "\(error?.message ?? "")")
    await source.close()
  }

  @Test("decoding uses the same memory again, and frames that find none are counted as lost")
  func memory() async throws {
    let camera = TestCamera(.mjpeg)
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    let good = try jpeg()
    func identity(_ frame: VideoFrame) -> ObjectIdentifier? {
      guard case .memory(let memory, _) = frame.storage else { return nil }
      return ObjectIdentifier(memory)
    }
    var memories: Set<ObjectIdentifier?> = []
    for _ in 0..<20 {
      camera.send(good)
      memories.insert(identity(try await next(&frames).frame))
    }
    #expect(memories.count <= 2)
    var held: [CapturedFrame] = []
    for _ in 0..<4 {
      camera.send(good)
      held.append(try await next(&frames))
    }
    #expect(Set(held.map { identity($0.frame) }).count == 4)
    camera.send(good)
    try await eventually("the buffer is given back") { camera.queuedCount == 4 }
    held = []
    camera.send(good)
    let after = try await next(&frames)
    #expect(after.framesLostBefore == 1)
    try await log.wait(for: .framesLost(1, before: after.sequence))
    await source.close()
  }

  @Test("JPEG is decoded to NV12 or I420 only, and other compressed formats not at all")
  func otherTargets() async throws {
    let error = await #expect(throws: EncoderError.self) {
      try await open(TestCamera(.mjpeg)) { $0.jpeg.format = .yuyv }
    }
    #expect(error?.code == .invalidConfiguration)
    let camera = TestCamera(.h264)
    let other = await #expect(throws: EncoderError.self) { try await open(camera) }
    #expect(other?.code == .invalidConfiguration)
    #expect(camera.openCount == 0)
  }

  // MARK: - Raw frames

  @Test("frames that the driver marks, or fills only in part, say that they are corrupt")
  func corrupt() async throws {
    let camera = TestCamera(.nv12)
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(picture())
    #expect(try await !next(&frames).isCorrupt)
    camera.send(picture(), flags: V4L2_BUF_FLAG_ERROR)
    let marked = try await next(&frames)
    #expect(marked.isCorrupt && marked.clock == .unknown)
    camera.send(Array(picture()[..<3000]))
    #expect(try await next(&frames).isCorrupt)
    #expect(source.statistics.framesCorrupt == 2 && source.statistics.framesDelivered == 3)
    try await log.wait(for: .frameCorrupt(sequence: 1))
    try await log.wait(for: .frameCorrupt(sequence: 2))
    await source.close()
  }

  @Test("frames that the camera loses are counted before the next one")
  func lostFrames() async throws {
    let camera = TestCamera(.nv12)
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    var held: [CapturedFrame] = []
    for value in 0..<4 {
      camera.send(picture(UInt8(value)))
      held.append(try await next(&frames))
    }
    for _ in 0..<3 { camera.send(picture()) }
    #expect(try held.map { try bytes($0.frame)[0] } == [0, 1, 2, 3])
    held = []
    try await eventually("all buffers are back") { camera.queuedCount == 4 }
    camera.send(picture(9))
    let frame = try await next(&frames)
    #expect(frame.framesLostBefore == 3 && source.framesLost == 3)
    await source.close()
  }

  @Test("with every buffer held the camera owes no frame, however long")
  func starved() async throws {
    let camera = TestCamera(.nv12)
    let source = try await open(camera) { $0.deadlines.progress = .milliseconds(200) }
    var frames = source.frames.makeAsyncIterator()
    var held: [CapturedFrame] = []
    for _ in 0..<4 {
      camera.send(picture())
      held.append(try await next(&frames))
    }
    try await Task.sleep(for: .milliseconds(700))
    held = []
    camera.send(picture(5))
    #expect(try await bytes(next(&frames).frame)[0] == 5)
    await source.close()
  }

  @Test("a camera that gets its buffers back late has its whole time for the next frame")
  func starvedUpToTheDeadline() async throws {
    let camera = TestCamera(.nv12)
    let source = try await open(camera) { $0.deadlines.progress = .seconds(3) }
    var frames = source.frames.makeAsyncIterator()
    var held: [CapturedFrame] = []
    for _ in 0..<4 {
      camera.send(picture())
      held.append(try await next(&frames))
    }
    try await Task.sleep(for: .milliseconds(2300))
    held = []
    try await Task.sleep(for: .milliseconds(1500))
    camera.send(picture(5))
    #expect(try await bytes(next(&frames).frame)[0] == 5)
    await source.close()
  }

  @Test("a failure of the queue while every buffer is held is met when one comes back")
  func failedWhileHeld() async throws {
    let camera = TestCamera(.nv12)
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    var held: [CapturedFrame] = []
    for _ in 0..<4 {
      camera.send(picture())
      held.append(try await next(&frames))
    }
    camera.fail()
    held = []
    #expect(await failure(of: source)?.code == .deviceLost)
    await source.close()
  }

  @Test("a camera that is unplugged is a lost device, whoever notices", arguments: [false, true])
  func unplugged(whileStarved: Bool) async throws {
    let camera = TestCamera(.nv12)
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    var held: [CapturedFrame] = []
    for _ in 0..<(whileStarved ? 4 : 1) {
      camera.send(picture())
      held.append(try await next(&frames))
    }
    camera.unplug()
    #expect(await failure(of: source)?.code == .deviceLost)
    held = []
    await source.close()
    #expect(camera.openCount == 0)
  }

  @Test("a webcam whose queue fails is a lost device")
  func failedQueue() async throws {
    let camera = TestCamera(.nv12)
    let source = try await open(camera)
    camera.fail()
    #expect(await failure(of: source)?.code == .deviceLost)
    await source.close()
  }

  @Test("a driver's word that its format changed sets the camera up again")
  func changedFormat() async throws {
    let camera = TestCamera(.nv12)
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(picture())
    #expect(try await next(&frames).format.color.primaries == .sRGB)
    camera.describe(colorspace: V4L2_COLORSPACE_REC709)
    camera.change(.own)
    try await eventually("the camera is set up again") { source.statistics.restarts == 1 }
    try await eventually("the camera runs") { camera.isStreaming && camera.queuedCount == 4 }
    camera.send(picture())
    let frame = try await next(&frames)
    #expect(frame.format.generation == 1 && frame.format.color == .bt709)
    await source.close()
  }

  // MARK: - The signal

  @Test("another signal changes size and rate of the frames", arguments: [true, false])
  func otherTimings(hasEvents: Bool) async throws {
    let camera = TestCamera(
      .nv12, signal: .timings(Self.size, pixelClock: Self.clock), hasEvents: hasEvents)
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(picture())
    let old = try await next(&frames)
    #expect(old.frame.size == Self.size)
    camera.change(.timings(Self.hd, pixelClock: Self.clock))
    try await eventually("the camera is set up again") { source.statistics.restarts == 1 }
    try await eventually("the camera runs") { camera.isStreaming && camera.queuedCount == 4 }
    camera.send(picture(33, Self.hd))
    let new = try await next(&frames)
    #expect(new.frame.size == Self.hd && new.format.generation == 1)
    #expect(new.framesLostBefore == 0)
    #expect(try bytes(new.frame)[0] == 33 && bytes(old.frame)[0] == 90)
    #expect(new.format.frameRate == Rational(reducing: Int(Self.clock), 128 * 96))
    try await log.wait(for: .timingsChanged(size: Self.hd, frameRate: new.format.frameRate))
    // An old frame that is dropped now must not reach the new buffers.
    withExtendedLifetime(old) {}
    await source.close()
  }

  @Test("a signal that goes stops the frames, with whatever the hardware shows meanwhile")
  func outage() async throws {
    let camera = TestCamera(.nv12, signal: .timings(Self.size, pixelClock: Self.clock))
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(picture())
    _ = try await next(&frames)
    camera.change(.none(ENOLCK))
    try await log.wait(for: .signalLost(.noLock))
    camera.change(.none(ENOLINK))
    try await log.wait(for: .signalLost(.noSignal))
    for _ in 0..<6 {
      camera.send(picture(0))
      try await eventually("the noise is thrown away") { camera.queuedCount == 4 }
    }
    camera.change(.timings(Self.size, pixelClock: Self.clock))
    try await log.wait(for: .signalReturned)
    camera.send(picture(77))
    let frame = try await next(&frames)
    #expect(try bytes(frame.frame)[0] == 77)
    #expect(frame.framesLostBefore == 0 && frame.format.generation == 0)
    #expect(source.statistics.signalLosses == 1 && source.statistics.framesDelivered == 2)
    await source.close()
  }

  @Test("a queue that fails with the signal is explained by it", arguments: [false, true])
  func queueFailsWithSignal(returnsAtOnce: Bool) async throws {
    let camera = TestCamera(.nv12, signal: .timings(Self.size, pixelClock: Self.clock))
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(picture())
    _ = try await next(&frames)
    if returnsAtOnce {
      camera.change(.timings(Self.hd, pixelClock: Self.clock), failsQueue: true)
    } else {
      camera.change(.none(ENOLINK), failsQueue: true)
      try await log.wait(for: .signalLost(.noSignal))
      camera.change(.timings(Self.hd, pixelClock: Self.clock))
      try await log.wait(for: .signalReturned)
    }
    try await eventually("the camera is set up again") { source.statistics.restarts == 1 }
    try await eventually("the camera runs") { camera.isStreaming && camera.queuedCount == 4 }
    camera.send(picture(1, Self.hd))
    #expect(try await next(&frames).frame.size == Self.hd)
    await source.close()
  }

  @Test("a receiver that refuses to start without a signal starts with it")
  func startRefused() async throws {
    let camera = TestCamera(.nv12, signal: .none(ENOLINK))
    camera.refuseStart(ENOLINK)
    let source = try await open(camera)
    try await log.wait(for: .signalLost(.noSignal))
    camera.refuseStart(nil)
    camera.change(.timings(Self.size, pixelClock: Self.clock))
    try await log.wait(for: .signalReturned)
    try await eventually("the camera runs") { camera.isStreaming && camera.queuedCount == 4 }
    camera.send(picture())
    var frames = source.frames.makeAsyncIterator()
    #expect(try await next(&frames).frame.size == Self.size)
    await source.close()
  }

  @Test("the patience for a signal ends, unless it is for ever", arguments: [true, false])
  func patience(hasEvents: Bool) async throws {
    let camera = TestCamera(
      .nv12, signal: .timings(Self.size, pixelClock: Self.clock), hasEvents: hasEvents)
    let source = try await open(camera) {
      $0.signalPatience = .upTo(.milliseconds(300))
      // Outages are no stall.
      $0.deadlines.progress = .milliseconds(100)
    }
    camera.change(.none(ENOLINK))
    let error = await failure(of: source)
    #expect(error?.code == .noSignal && error?.message.contains("no signal") == true)
    await source.close()

    let patient = TestCamera(.nv12, signal: .none(ERANGE), hasEvents: hasEvents)
    let waiting = try await open(patient) {
      $0.signalPatience = .forEver
      $0.deadlines.progress = .milliseconds(100)
    }
    let reader = Task {
      var count = 0
      for try await _ in waiting.frames { count += 1 }
      return count
    }
    try await log.wait(for: .signalLost(.outOfRange))
    try await Task.sleep(for: .milliseconds(600))
    await waiting.close()
    #expect(try await reader.value == 0)
    #expect(patient.openCount == 0)
  }

  @Test("a silent camera is a stall, one whose signal went without a word is not")
  func silence() async throws {
    let silent = try await open(TestCamera(.nv12)) { $0.deadlines.progress = .milliseconds(200) }
    #expect(await failure(of: silent)?.code == .deviceStalled)
    await silent.close()
  }

  @Test("frames held over a change of the signal do not disturb the new buffers")
  func heldOver() async throws {
    let camera = TestCamera(.nv12, signal: .timings(Self.size, pixelClock: Self.clock))
    let source = try await open(camera)
    var frames = source.frames.makeAsyncIterator()
    var held: [CapturedFrame] = []
    for value in 0..<4 {
      camera.send(picture(UInt8(value)))
      held.append(try await next(&frames))
    }
    camera.change(.timings(Self.hd, pixelClock: Self.clock))
    try await eventually("the camera runs again") {
      source.statistics.restarts == 1 && camera.queuedCount == 4
    }
    #expect(try held.map { try bytes($0.frame)[0] } == [0, 1, 2, 3])
    camera.send(picture(8, Self.hd))
    let new = try await next(&frames)
    held = []
    #expect(camera.queuedCount == 3)
    #expect(new.format.generation == 1)
    await source.close()
  }

  @Test("a camera that hangs when it is opened is left behind by name")
  func hangs() async throws {
    let gate = Gate()
    defer { gate.open() }
    let selector = DeviceSelector(.node(path: "camera", HangingCamera(gate: gate)))
    let error = #expect(throws: EncoderError.self) {
      try CaptureSource.offers(of: selector, within: .milliseconds(100))
    }
    #expect(error?.code == .deviceStalled && error?.message.contains("camera has not") == true)
    var configuration = CaptureConfiguration(size: Self.size)
    configuration.deadlines.setup = .milliseconds(100)
    do throws(EncoderError) {
      _ = try await CaptureSource.open(configuration, on: selector)
      Issue.record("a camera that hangs was opened")
    } catch {
      #expect(error.code == .deviceStalled)
    }
  }

  private struct HangingCamera: Transport {
    let gate: Gate

    func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
      gate.wait()
      throw OpenFailure(.noEntry)
    }
  }

  @Test("an input that is not there is refused with those that are")
  func wrongInput() async throws {
    let camera = TestCamera(.nv12)
    let error = await #expect(throws: EncoderError.self) {
      try await open(camera) { $0.input = 3 }
    }
    #expect(error?.code == .invalidConfiguration && error?.message.contains("0 (") == true)
    #expect(camera.openCount == 0)
  }
}
