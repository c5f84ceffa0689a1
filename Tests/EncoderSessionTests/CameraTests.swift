import CV4L2
import Glibc
import TestSupport
import Testing

@testable import V4L2Encoder

@Suite("A camera", .timeLimit(.minutes(2)))
struct CameraTests {
  private let stage = CameraStage()

  @Test("frames that the driver marks, or fills only in part, say that they are corrupt")
  func corrupt() async throws {
    let camera = TestCamera(.nv12)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(stage.picture())
    #expect(try await !stage.next(&frames).isCorrupt)
    camera.send(stage.picture(), flags: V4L2_BUF_FLAG_ERROR)
    let marked = try await stage.next(&frames)
    #expect(marked.isCorrupt && marked.clock == .unknown)
    camera.send(Array(stage.picture()[..<3000]))
    #expect(try await stage.next(&frames).isCorrupt)
    #expect(source.statistics.framesCorrupt == 2 && source.statistics.framesDelivered == 3)
    try await stage.log.wait(for: .frameCorrupt(sequence: 1))
    try await stage.log.wait(for: .frameCorrupt(sequence: 2))
    await source.close()
  }

  @Test("pictures that begin behind something else in their buffer are read from there on")
  func dataOffset() async throws {
    let camera = TestCamera(.nv12, dataOffset: 128)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(stage.picture(17))
    // The bytes in front of it make up for those that the picture lacks.
    camera.send(Array(stage.picture(33).dropLast(64)))
    let frame = try await stage.next(&frames)
    guard case .memory(_, let offset) = frame.frame.storage else {
      throw TestSupportError("the frame is in a DMABUF")
    }
    #expect(offset == 128 && !frame.isCorrupt)
    #expect(try stage.bytes(frame.frame)[offset...].starts(with: stage.picture(17)))
    #expect(try await stage.next(&frames).isCorrupt)
    await source.close()
  }

  @Test("frames that the camera loses are counted before the next one")
  func lostFrames() async throws {
    let camera = TestCamera(.nv12)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    var held = try await stage.takeAllBuffers(of: camera, &frames)
    for _ in 0..<3 { camera.send(stage.picture()) }
    #expect(try held.map { try stage.bytes($0.frame)[0] } == [0, 1, 2, 3])
    held.removeAll()
    try await eventually("all buffers are back") { camera.queuedCount == 4 }
    camera.send(stage.picture(9))
    let frame = try await stage.next(&frames)
    #expect(frame.framesLostBefore == 3 && source.framesLost == 3)
    await source.close()
  }

  @Test("with every buffer held the camera owes no frame, however long")
  func starved() async throws {
    let camera = TestCamera(.nv12)
    let source = try await stage.open(camera) { $0.deadlines.progress = .milliseconds(200) }
    var frames = source.frames.makeAsyncIterator()
    var held = try await stage.takeAllBuffers(of: camera, &frames)
    try await Task.sleep(for: .milliseconds(700))
    held.removeAll()
    camera.send(stage.picture(5))
    #expect(try await stage.bytes(stage.next(&frames).frame)[0] == 5)
    await source.close()
  }

  @Test("a camera that gets its buffers back late has its whole time for the next frame")
  func starvedUpToTheDeadline() async throws {
    let camera = TestCamera(.nv12)
    let source = try await stage.open(camera) { $0.deadlines.progress = .seconds(3) }
    var frames = source.frames.makeAsyncIterator()
    var held = try await stage.takeAllBuffers(of: camera, &frames)
    try await Task.sleep(for: .milliseconds(2300))
    held.removeAll()
    try await Task.sleep(for: .milliseconds(1500))
    camera.send(stage.picture(5))
    #expect(try await stage.bytes(stage.next(&frames).frame)[0] == 5)
    await source.close()
  }

  @Test("a failure of the queue while every buffer is held is met when one comes back")
  func failedWhileHeld() async throws {
    let camera = TestCamera(.nv12)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    var held = try await stage.takeAllBuffers(of: camera, &frames)
    camera.fail()
    held.removeAll()
    #expect(await stage.failure(of: source)?.code == .deviceLost)
    await source.close()
  }

  @Test("a camera that is unplugged is a lost device, whoever notices", arguments: [false, true])
  func unplugged(whileStarved: Bool) async throws {
    let camera = TestCamera(.nv12)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    var held: [CapturedFrame] = []
    for _ in 0..<(whileStarved ? 4 : 1) {
      camera.send(stage.picture())
      held.append(try await stage.next(&frames))
    }
    camera.unplug()
    #expect(await stage.failure(of: source)?.code == .deviceLost)
    held.removeAll()
    await source.close()
    #expect(camera.openCount == 0)
  }

  @Test("a webcam whose queue fails is a lost device")
  func failedQueue() async throws {
    let camera = TestCamera(.nv12)
    let source = try await stage.open(camera)
    camera.fail()
    #expect(await stage.failure(of: source)?.code == .deviceLost)
    await source.close()
  }

  @Test("a driver's word that its format changed sets the camera up again")
  func changedFormat() async throws {
    let camera = TestCamera(.nv12)
    let source = try await stage.open(camera)
    var frames = source.frames.makeAsyncIterator()
    camera.send(stage.picture())
    #expect(try await stage.next(&frames).format.color.primaries == .sRGB)
    camera.describe(colorspace: V4L2_COLORSPACE_REC709)
    camera.change(.own)
    try await stage.isSetUpAgain(camera, for: source)
    camera.send(stage.picture())
    let frame = try await stage.next(&frames)
    #expect(frame.format.generation == 1 && frame.format.color == .bt709)
    await source.close()
  }

  @Test("a silent camera is a stall, one whose signal went without a word is not")
  func silence() async throws {
    let silent = try await stage.open(TestCamera(.nv12)) {
      $0.deadlines.progress = .milliseconds(200)
    }
    #expect(await stage.failure(of: silent)?.code == .deviceStalled)
    await silent.close()
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
    var configuration = CaptureConfiguration(size: CameraStage.size)
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
      try await stage.open(camera) { $0.input = 3 }
    }
    #expect(error?.code == .invalidConfiguration && error?.message.contains("0 (") == true)
    #expect(camera.openCount == 0)
  }
}
