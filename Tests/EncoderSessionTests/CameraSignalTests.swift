import CV4L2
import Glibc
import TestSupport
import Testing

@testable import V4L2Encoder

@Suite("The signal of a camera", .timeLimit(.minutes(2)))
struct CameraSignalTests {
  private static let hd = VideoSize(width: 128, height: 96)
  private static let clock: UInt64 = 74_250_000
  private let stage = CameraStage()

  @Test("another signal changes size and rate of the frames", arguments: [true, false])
  func otherTimings(hasEvents: Bool) async throws {
    let camera = TestCamera(
      .nv12, signal: .timings(CameraStage.size, pixelClock: Self.clock), hasEvents: hasEvents)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(stage.picture())
    let old = try await stage.next(&frames)
    #expect(old.frame.size == CameraStage.size)
    camera.change(.timings(Self.hd, pixelClock: Self.clock))
    try await stage.isSetUpAgain(camera, for: source)
    camera.send(stage.picture(33, Self.hd))
    let new = try await stage.next(&frames)
    #expect(new.frame.size == Self.hd && new.format.generation == 1)
    #expect(new.framesLostBefore == 0)
    #expect(try stage.bytes(new.frame)[0] == 33 && stage.bytes(old.frame)[0] == 90)
    #expect(new.format.frameRate == Rational(reducing: Int(Self.clock), 128 * 96))
    try await stage.log.wait(for: .timingsChanged(size: Self.hd, frameRate: new.format.frameRate))
    // An old frame that is dropped now must not reach the new buffers.
    withExtendedLifetime(old) {}
    await source.close()
  }

  @Test("a signal that goes stops the frames, with whatever the hardware shows meanwhile")
  func outage() async throws {
    let camera = TestCamera(.nv12, signal: .timings(CameraStage.size, pixelClock: Self.clock))
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(stage.picture())
    _ = try await stage.next(&frames)
    camera.change(.none(ENOLCK))
    try await stage.log.wait(for: .signalLost(.noLock))
    camera.change(.none(ENOLINK))
    try await stage.log.wait(for: .signalLost(.noSignal))
    for _ in 0..<6 {
      camera.send(stage.picture(0))
      try await eventually("the noise is thrown away") { camera.queuedCount == 4 }
    }
    camera.change(.timings(CameraStage.size, pixelClock: Self.clock))
    try await stage.log.wait(for: .signalReturned)
    camera.send(stage.picture(77))
    let frame = try await stage.next(&frames)
    #expect(try stage.bytes(frame.frame)[0] == 77)
    #expect(frame.framesLostBefore == 0 && frame.format.generation == 0)
    #expect(source.statistics.signalLosses == 1 && source.statistics.framesDelivered == 2)
    await source.close()
  }

  @Test("a queue that fails with the signal is explained by it", arguments: [false, true])
  func queueFailsWithSignal(returnsAtOnce: Bool) async throws {
    let camera = TestCamera(.nv12, signal: .timings(CameraStage.size, pixelClock: Self.clock))
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(stage.picture())
    _ = try await stage.next(&frames)
    if returnsAtOnce {
      camera.change(.timings(Self.hd, pixelClock: Self.clock), failsQueue: true)
    } else {
      camera.change(.none(ENOLINK), failsQueue: true)
      try await stage.log.wait(for: .signalLost(.noSignal))
      camera.change(.timings(Self.hd, pixelClock: Self.clock))
      try await stage.log.wait(for: .signalReturned)
    }
    try await stage.isSetUpAgain(camera, for: source)
    camera.send(stage.picture(1, Self.hd))
    #expect(try await stage.next(&frames).frame.size == Self.hd)
    await source.close()
  }

  @Test("a receiver that refuses to start without a signal starts with it")
  func startRefused() async throws {
    let camera = TestCamera(.nv12, signal: .none(ENOLINK))
    camera.refuseStart(ENOLINK)
    let source = try await stage.open(camera)
    try await stage.log.wait(for: .signalLost(.noSignal))
    camera.refuseStart(nil)
    camera.change(.timings(CameraStage.size, pixelClock: Self.clock))
    try await stage.log.wait(for: .signalReturned)
    try await stage.isRunning(camera)
    camera.send(stage.picture())
    var frames = source.frames.makeAsyncIterator()
    #expect(try await stage.next(&frames).frame.size == CameraStage.size)
    await source.close()
  }

  @Test("the patience for a signal ends, unless it is for ever", arguments: [true, false])
  func patience(hasEvents: Bool) async throws {
    let camera = TestCamera(
      .nv12, signal: .timings(CameraStage.size, pixelClock: Self.clock), hasEvents: hasEvents)
    let source = try await stage.open(camera) {
      $0.signalPatience = .upTo(.milliseconds(300))
      // Outages are no stall.
      $0.deadlines.progress = .milliseconds(100)
    }
    camera.change(.none(ENOLINK))
    let error = await stage.failure(of: source)
    #expect(error?.code == .noSignal && error?.message.contains("no signal") == true)
    await source.close()

    let patient = TestCamera(.nv12, signal: .none(ERANGE), hasEvents: hasEvents)
    let waiting = try await stage.open(patient) {
      $0.signalPatience = .forEver
      $0.deadlines.progress = .milliseconds(100)
    }
    let reader = Task {
      var count = 0
      for try await _ in waiting.frames { count += 1 }
      return count
    }
    try await stage.log.wait(for: .signalLost(.outOfRange))
    try await Task.sleep(for: .milliseconds(600))
    await waiting.close()
    #expect(try await reader.value == 0)
    #expect(patient.openCount == 0)
  }

  @Test("frames held over a change of the signal do not disturb the new buffers")
  func heldOver() async throws {
    let camera = TestCamera(.nv12, signal: .timings(CameraStage.size, pixelClock: Self.clock))
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    var held = try await stage.takeAllBuffers(of: camera, &frames)
    camera.change(.timings(Self.hd, pixelClock: Self.clock))
    try await eventually("the camera runs again") {
      source.statistics.restarts == 1 && camera.queuedCount == 4
    }
    #expect(try held.map { try stage.bytes($0.frame)[0] } == [0, 1, 2, 3])
    camera.send(stage.picture(8, Self.hd))
    let new = try await stage.next(&frames)
    held.removeAll()
    #expect(camera.queuedCount == 3)
    #expect(new.format.generation == 1)
    await source.close()
  }
}
