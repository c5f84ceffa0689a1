import CV4L2
import Foundation
import TestSupport
import Testing
import V4L2Encoder

@testable import v4l2enc_cli

/// `v4l2enc capture` with a camera in this process, for what no test driver of the kernel sends.
@Suite(.timeLimit(.minutes(2))) struct CaptureRunTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  /// Captures to H.264 on the virtual device while `step` is called again and again once the camera
  /// runs or waits for its signal, with the number of calls before.
  private func capture(
    _ camera: TestCamera, to output: String, _ arguments: String...,
    step: @escaping @Sendable (Int) -> Void
  ) async throws -> ExitCode {
    guard
      case .run(let options) = try CaptureArguments.table.parse(
        ["camera", "-o", output, "--device", "virtual", "-b", "500k", "--quiet"] + arguments,
        into: CaptureOptions())
    else { throw TestSupportError("help was asked for") }
    let sending = Task.detached {
      var count = 0
      while !Task.isCancelled {
        if camera.startCount > 0 || !camera.hasSignal {
          step(count)
          count += 1
        }
        try? await Task.sleep(for: .milliseconds(10))
      }
    }
    defer { sending.cancel() }
    return try await withDeadline(.seconds(60), "the capture") {
      await CaptureCommand.run(options, Signals(), device: { _ in camera.selector })
    }
  }

  /// How far the luma of the last picture spreads: its standard deviation.
  private func contrast(_ video: PlanarVideo) -> Double {
    let luma = video.frame(video.frameCount - 1)[..<(video.width * video.height)].map(Double.init)
    let mean = luma.reduce(0, +) / Double(luma.count)
    return (luma.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(luma.count)).squareRoot()
  }

  @Test("JPEG pictures are encoded in either range, and damaged ones are left out")
  func jpeg() async throws {
    let path = Fixtures.directory + "camera-422.jpg"
    let picture = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var contrasts: [String: Double] = [:]
    for range in ["keep", "limited"] {
      let output = directory.file("\(range).h264")
      let camera = TestCamera(.mjpeg)
      let code = try await capture(
        camera, to: output, "--size", "64x48", "--frames", "12", "--range", range
      ) { count in
        camera.send(count % 4 == 3 ? [0xff, 0xd8, 0xff, 0xd9] : picture)
      }
      #expect(code == .success)
      #expect(camera.openCount == 0)
      let video = try await MediaTools.decode(stream: output, in: directory)
      #expect((video.width, video.height, video.frameCount) == (64, 48, 12))
      contrasts[range] = contrast(video)
    }
    let full = try #require(contrasts["keep"])
    let limited = try #require(contrasts["limited"])
    #expect(full > 20)
    #expect(abs(limited / full - 219.0 / 255) < 0.03, "\(contrasts)")
  }

  #if VirtualCodecs
  @Test(
    "an encoder that is too slow for its camera: frames are dropped and counted",
    arguments: ["drop-newest", "drop-oldest:2"])
  func overload(policy: String) async throws {
    let output = directory.file("out.hevc")
    let log = directory.file("log.jsonl")
    let camera = TestCamera(.nv12, signal: .own)
    let picture = [UInt8](repeating: 90, count: 128 * 96 * 3 / 2)
    // x265 needs longer for such a picture than the camera.
    let code = try await capture(
      camera, to: output, "--codec", "hevc", "--size", "128x96", "--scale", "1280x720",
      "--frames", "60", "--on-overrun", policy, "--stats", log
    ) { _ in camera.send(picture) }
    #expect(code == .success)
    let text = try String(contentsOfFile: log, encoding: .utf8)
    let sample = String(try #require(sampleLines(text).last))
    func count(_ name: String) throws -> Int {
      let tail = try #require(sample.components(separatedBy: "\"\(name)\":").dropFirst().first)
      return try #require(Int(tail.prefix { $0.isNumber }))
    }
    let (packets, dropped) = (try count("packets_out"), try count("frames_dropped"))
    #expect(packets + dropped + (try count("frames_skipped")) == 60)
    #expect(packets > 0 && dropped > 0)
    #expect(packetLines(text).count == packets)
    let video = try await MediaTools.decode(stream: output, in: directory)
    #expect(video.frameCount == packets)
  }

  @Test("an encoder that is too slow for its camera ends the command on request")
  func overloadFails() async throws {
    let camera = TestCamera(.nv12, signal: .own)
    let picture = [UInt8](repeating: 90, count: 128 * 96 * 3 / 2)
    let code = try await capture(
      camera, to: directory.file("out.hevc"), "--codec", "hevc", "--size", "128x96", "--scale",
      "1280x720", "--frames", "300", "--on-overrun", "fail"
    ) { _ in camera.send(picture) }
    #expect(code == .timedOut)
  }
  #endif

  @Test("another signal begins a stream with parameter sets and a key frame of its own")
  func otherSignal() async throws {
    let sizes = [VideoSize(width: 64, height: 48), VideoSize(width: 128, height: 96)]
    let output = directory.file("out.h264")
    let signals = sizes.map { size in
      // 30 frames per second.
      TestCamera.Signal.timings(size, pixelClock: UInt64(size.width * size.height * 30))
    }
    let camera = TestCamera(.nv12, signal: signals[0])
    let picture = [UInt8](repeating: 90, count: 128 * 96 * 3 / 2)
    let code = try await capture(camera, to: output, "--frames", "30") { count in
      if count == 10 { camera.change(signals[1]) }
      camera.send(picture)
    }
    #expect(code == .success)
    let result = try await Subprocess.run(
      "ffprobe",
      [
        "-v", "error", "-select_streams", "v", "-show_entries", "frame=key_frame,width,height",
        "-of", "csv=p=0", output,
      ])
    let frames = result.outputText.split(separator: "\n").map { line in
      line.split(separator: ",").prefix(3).compactMap { Int($0) }
    }
    #expect(result.errorText.isEmpty, "\(result.errorText)")
    #expect(frames.count == 30)
    let change = try #require(frames.firstIndex { $0.contains(128) })
    #expect(change > 0)
    #expect(frames[0] == [1, 64, 48] && frames[change] == [1, 128, 96])
    #expect(frames[..<change].allSatisfy { $0.dropFirst() == [64, 48] })
    #expect(frames[change...].allSatisfy { $0.dropFirst() == [128, 96] })
  }

  @Test("a signal that comes after the start is encoded in its own size")
  func lateSignal() async throws {
    let size = VideoSize(width: 64, height: 48)
    let output = directory.file("out.h264")
    let camera = TestCamera(.nv12, signal: .none(ENOLINK))
    let picture = [UInt8](repeating: 90, count: 64 * 48 * 3 / 2)
    let code = try await capture(camera, to: output, "--frames", "5") { count in
      if count == 20 { camera.change(.timings(size, pixelClock: 64 * 48 * 30)) }
      camera.send(picture)
    }
    #expect(code == .success)
    let video = try await MediaTools.decode(stream: output, in: directory)
    #expect((video.width, video.height, video.frameCount) == (64, 48, 5))
  }

  /// How many streams were made of two signals at a size that was asked for.
  private func streams(
    _ camera: TestCamera, change: @escaping @Sendable () -> Void
  ) async throws -> Int {
    let output = directory.file("out.h264")
    let picture = [UInt8](repeating: 90, count: 128 * 96 * 2)
    let code = try await capture(
      camera, to: output, "--scale", "64x48", "--frames", "30", "--gop", "300"
    ) { count in
      if count == 10 { change() }
      camera.send(picture)
    }
    #expect(code == .success)
    let result = try await Subprocess.run(
      "ffprobe",
      [
        "-v", "error", "-select_streams", "v", "-show_entries", "frame=key_frame,width,height",
        "-of", "csv=p=0", output,
      ])
    let frames = result.outputText.split(separator: "\n").map { line in
      line.split(separator: ",").prefix(3).compactMap { Int($0) }
    }
    #expect(frames.count == 30)
    #expect(frames.allSatisfy { $0.dropFirst() == [64, 48] })
    return frames.count { $0[0] == 1 }
  }

  @Test("with --scale the encoder goes on, also when the first signal had that size")
  func scaledFromItsOwnSize() async throws {
    let small = VideoSize(width: 64, height: 48)
    let camera = TestCamera(.yuyv, signal: .timings(small, pixelClock: 64 * 48 * 30))
    let count = try await streams(camera) {
      camera.change(.timings(VideoSize(width: 128, height: 96), pixelClock: 128 * 96 * 30))
    }
    #expect(count == 1)
    #expect(camera.startCount == 2)
  }

  @Test("colours that become others begin a new stream, also with --scale")
  func otherColors() async throws {
    let size = VideoSize(width: 128, height: 96)
    let camera = TestCamera(.nv12, signal: .timings(size, pixelClock: 128 * 96 * 30))
    let count = try await streams(camera) {
      camera.describe(colorspace: V4L2_COLORSPACE_REC709)
      camera.change(.timings(size, pixelClock: 128 * 96 * 300))
    }
    #expect(count == 2)
  }

  @Test("a rate that cannot be is no reason not to capture")
  func impossibleRate() async throws {
    let output = directory.file("out.h264")
    let size = VideoSize(width: 64, height: 48)
    let camera = TestCamera(.nv12, signal: .timings(size, pixelClock: 74_250_000))
    let picture = [UInt8](repeating: 90, count: 64 * 48 * 3 / 2)
    let code = try await capture(camera, to: output, "--frames", "3") { _ in camera.send(picture) }
    #expect(code == .success)
  }

  @Test("an unplugged camera is an error that leaves a whole stream")
  func unplugged() async throws {
    let output = directory.file("out.h264")
    let camera = TestCamera(.nv12)
    let picture = [UInt8](repeating: 90, count: 64 * 48 * 3 / 2)
    let code = try await capture(camera, to: output, "--size", "64x48") { count in
      if count < 20 { camera.send(picture) } else { camera.unplug() }
    }
    #expect(code == .inputOutput)
    let video = try await MediaTools.decode(stream: output, in: directory)
    #expect((1...20).contains(video.frameCount))
  }

  @Test("a camera that never sends a frame ends by its own deadline, whatever --duration says")
  func silence() async throws {
    let output = directory.file("out.h264")
    let code = try await capture(
      TestCamera(.nv12), to: output, "--size", "64x48", "--duration", "1"
    ) { _ in }
    #expect(code == .timedOut)
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test("a camera without a signal is waited for as long as asked, and leaves no empty file")
  func noSignal() async throws {
    let output = directory.file("out.h264")
    let camera = TestCamera(.nv12, signal: .none(ENOLINK))
    let code = try await capture(camera, to: output, "--signal-wait", "0.3") { _ in }
    #expect(code == .timedOut)
    #expect(camera.openCount == 0)
    #expect(!FileManager.default.fileExists(atPath: output))
  }
}
