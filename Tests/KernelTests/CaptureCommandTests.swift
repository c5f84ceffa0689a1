import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

extension KernelTests {
  /// `v4l2enc capture` with vivid as the camera.
  @Suite(.timeLimit(.minutes(5))) struct CaptureCommand {
    private let directory: TemporaryDirectory
    private let camera: String

    init() throws {
      directory = try TemporaryDirectory()
      camera = try #require(
        DeviceCatalog.devices().first { $0.kind == .camera && $0.driver == "vivid" }
      ).path
    }

    /// One line of --stats.
    private struct Line: Decodable {
      var pts: Int64
      var pts_ms: Double
      var sequence: UInt32
      var lost_before: Int
      var spoiled: Bool
    }

    private func start(_ arguments: [String]) throws -> Subprocess {
      try Subprocess(try builtBinary(named: "v4l2enc"), ["capture", camera] + arguments)
    }

    private func run(_ arguments: String...) async throws -> SubprocessResult {
      try await start(arguments).wait(within: .seconds(90))
    }

    private func control(_ settings: String...) async throws {
      for setting in settings {
        let result = try await Subprocess.run("v4l2-ctl", ["-d", camera, "-c", setting])
        #expect(result.exitCode == 0, "\(setting): \(result.errorText)")
      }
    }

    private func text(_ path: String) throws -> String {
      try String(contentsOfFile: path, encoding: .utf8)
    }

    private func statistics(_ path: String) throws -> [Line] {
      try packetLines(try text(path)).map {
        try JSONDecoder().decode(Line.self, from: Data($0.utf8))
      }
    }

    /// Has vivid send pictures of one colour, and afterwards what it usually sends.
    private func withRedPictures(_ body: () async throws -> Void) async throws {
      // "100% Red", and no text over it.
      try await control("test_pattern=7", "osd_text_mode=2")
      let result: Result<Void, any Error>
      do {
        try await body()
        result = .success(())
      } catch {
        result = .failure(error)
      }
      try await control("test_pattern=0", "osd_text_mode=0")
      try result.get()
    }

    /// The mean of the planes of all pictures: Y, Cb, Cr.
    private func means(_ video: PlanarVideo) -> [Double] {
      let luma = video.width * video.height
      var sums = [0.0, 0.0, 0.0]
      for index in 0..<video.frameCount {
        let picture = video.frame(index)
        for (plane, range) in [0..<luma, luma..<luma * 5 / 4, luma * 5 / 4..<luma * 3 / 2]
          .enumerated()
        {
          sums[plane] += Double(picture[range].reduce(0) { $0 + Int($1) }) / Double(range.count)
        }
      }
      return sums.map { $0 / Double(video.frameCount) }
    }

    @Test("frames go to vicodec without a copy, with the camera's times and numbers")
    func zeroCopy() async throws {
      let output = directory.file("out.fwht")
      let (times, lines) = (directory.file("times.txt"), directory.file("stats.jsonl"))
      let result = try await run(
        "-o", output, "--size", "640x360", "--fps", "15", "--format", "yuyv", "--frames", "40",
        "--save-pts", times, "--stats", lines, "--verbose", "--gop", "8")
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(result.errorText.contains("read where the producer has them, without a copy"))
      #expect(result.errorText.contains("640x360 at 15 fps, yuyv"), "\(result.errorText)")
      #expect(result.errorText.contains("40 frames in, 40 out, 0 skipped, "))
      let statistics = try statistics(lines)
      #expect(statistics.count == 40)
      #expect(statistics.first?.pts == 0)
      #expect(zip(statistics, statistics.dropFirst()).allSatisfy { $0.pts < $1.pts })
      // Numbers that are missing were lost, and are counted.
      for (line, next) in zip(statistics, statistics.dropFirst()) {
        #expect(next.sequence - line.sequence == UInt32(next.lost_before) + 1)
      }
      // The times are the camera's: 15 frames per second, by which emulation is late at times.
      let first = try #require(statistics.first)
      let last = try #require(statistics.last)
      let frames = Double(last.pts - first.pts) / 1e6 * 15
      #expect(abs(frames - Double(last.sequence - first.sequence)) < 5)
      let lost = statistics.reduce(0) { $0 + $1.lost_before }
      #expect(number(before: " lost by the camera", in: result.errorText) == lost)
      #expect(statistics.allSatisfy { !$0.spoiled })
      let saved = try text(times).split(separator: "\n").map(String.init)
      #expect(saved.first == "# timestamp format v2")
      #expect(saved.dropFirst().compactMap(Double.init) == statistics.map(\.pts_ms))
      let pictures = try Recording.headers(of: output)
      #expect(pictures.count == 40)
      #expect(pictures.allSatisfy { $0.size == VideoSize(width: 640, height: 360) })
    }

    @Test("where the encoder wants other rows than the camera has, that is said")
    func copied() async throws {
      // vicodec pads the height to multiples of 16 for this format, vivid does not.
      let result = try await run(
        "-o", directory.file("out.fwht"), "--size", "640x360", "--format", "nv12", "--frames", "5")
      #expect(result.exitCode == 0, "\(result.errorText)")
      #expect(result.errorText.contains("frames are copied: plane 1 lies at 230400"))
    }

    @Test("the virtual encoder makes H.264 of what the camera sends, which decodes to the picture")
    func h264() async throws {
      let output = directory.file("out.h264")
      try await withRedPictures {
        let result = try await run(
          "-o", output, "--size", "640x360", "--fps", "15", "--frames", "10", "--device", "virtual",
          "-b", "1M")
        #expect(result.exitCode == 0, "\(result.errorText)")
      }
      let video = try await MediaTools.decode(stream: output, in: directory)
      #expect((video.width, video.height, video.frameCount) == (640, 360, 10))
      // Red in the matrix of BT.601, limited range.
      let means = means(video)
      #expect(zip(means, [81, 90, 240]).allSatisfy { abs($0 - $1) < 4 }, "\(means)")
    }

    @Test("pictures are scaled, and RGB ones converted to the range that is asked for")
    func scaledAndConverted() async throws {
      let output = directory.file("out.h264")
      try await withRedPictures {
        let result = try await run(
          "-o", output, "--size", "640x480", "--fps", "15", "--format", "rgb24", "--range", "full",
          "--scale", "320x180", "--frames", "10", "--device", "virtual", "-b", "1M")
        #expect(result.exitCode == 0, "\(result.errorText)")
        #expect(result.errorText.contains("640x480 at 15 fps, rgb24"), "\(result.errorText)")
      }
      let video = try await MediaTools.decode(stream: output, in: directory)
      #expect((video.width, video.height, video.frameCount) == (320, 180, 10))
      let means = means(video)
      #expect(zip(means, [76, 85, 255]).allSatisfy { abs($0 - $1) < 4 }, "\(means)")
    }

    @Test("--duration ends by the camera's clock")
    func duration() async throws {
      let lines = directory.file("stats.jsonl")
      let result = try await run(
        "-o", directory.file("out.fwht"), "--size", "640x360", "--fps", "15", "--duration", "1.5",
        "--stats", lines)
      #expect(result.exitCode == 0, "\(result.errorText)")
      let last = try #require(try statistics(lines).last)
      #expect((1_200_000..<1_500_000).contains(last.pts), "\(last.pts)")
    }

    @Test(
      "signals end the file behind a whole frame",
      arguments: zip([SIGTERM, SIGINT], [143, 130] as [Int32]))
    func stopped(signal: Int32, code: Int32) async throws {
      let output = directory.file("out.fwht")
      let process = try start(
        ["-o", output, "--size", "640x360", "--fps", "15", "--format", "nv12"])
      try await eventually(within: .seconds(30), "there is output") {
        FileManager.default.contents(atPath: output)?.isEmpty == false
      }
      process.send(signal)
      let result = try await process.wait(within: .seconds(30))
      #expect(result.exitCode == code, "\(result.errorText)")
      let count = try #require(number(before: " frames are in ", in: result.errorText))
      #expect(result.errorText.contains("\(count) frames in, \(count) out, 0 skipped"))
      let video = try await Recording.decode(
        output, size: VideoSize(width: 640, height: 360), in: directory)
      #expect(video.frameCount == count)
    }

    // MARK: - Signals and plugs

    /// Captures vivid's HDMI input to FWHT while `body` changes the signal, and stops by SIGTERM
    /// unless the command has ended itself; leaves vivid as it was.
    private func onHDMI(
      to output: String, _ arguments: String..., body: (Subprocess) async throws -> Void
    ) async throws -> SubprocessResult {
      let inputs = try CaptureSource.offers(of: .path(camera)).inputs
      let hdmi = try #require(inputs.first { $0.hasDVTimings }).index
      // 1280x720 at 30 frames per second, by its place among the kernel's presets.
      let prepared = try await Subprocess.run("v4l2-ctl", ["-d", camera, "-i", "\(hdmi)"])
      #expect(prepared.exitCode == 0, "\(prepared.errorText)")
      try await control("dv_timings_signal_mode=4", "dv_timings=7")
      let process = try start(["-o", output, "--input", "\(hdmi)"] + arguments)
      let result: Result<Void, any Error>
      do {
        try await eventually(within: .seconds(30), "there is output") {
          FileManager.default.contents(atPath: output)?.isEmpty == false
        }
        try await body(process)
        result = .success(())
      } catch {
        result = .failure(error)
      }
      // While this input is still the one in force.
      try await control("dv_timings_signal_mode=0")
      process.send(SIGTERM)
      let ending = try await process.wait(within: .seconds(60))
      let restored = try await Subprocess.run("v4l2-ctl", ["-d", camera, "-i", "0"])
      #expect(restored.exitCode == 0, "\(restored.errorText)")
      try result.get()
      return ending
    }

    private func size(of path: String) -> Int {
      FileManager.default.contents(atPath: path)?.count ?? 0
    }

    /// Waits until something was said and, after that, more was encoded.
    private func awaitMore(
      _ process: Subprocess, after text: String, in output: String
    ) async throws {
      try await eventually(within: .seconds(30), text) { process.errorSoFar.contains(text) }
      let written = size(of: output)
      try await eventually(within: .seconds(30), "more is encoded") {
        size(of: output) > written
      }
    }

    private func lines(with text: String, in result: SubprocessResult) -> Int {
      result.errorText.split(separator: "\n").count { $0.contains(text) }
    }

    @Test("the loss and the return of the signal are survived, with one line each")
    func signalLoss() async throws {
      let output = directory.file("out.fwht")
      let result = try await onHDMI(to: output) { process in
        try await control("dv_timings_signal_mode=1")
        try await eventually(within: .seconds(30), "the loss is told") {
          process.errorSoFar.contains("no signal; waiting 60 s for it (--signal-wait)")
        }
        try await control("dv_timings_signal_mode=0")
        try await awaitMore(process, after: "the signal is back", in: output)
      }
      #expect(result.exitCode == 143, "\(result.errorText)")
      #expect(lines(with: "no signal", in: result) == 1, "\(result.errorText)")
      #expect(lines(with: "the signal is back", in: result) == 1, "\(result.errorText)")
      #expect(lines(with: "a new stream", in: result) == 0, "\(result.errorText)")
      let frames = try Recording.headers(of: output)
      #expect(number(before: " frames are in ", in: result.errorText) == frames.count)
      #expect(Set(frames.map(\.size)) == [VideoSize(width: 1280, height: 720)])
    }

    @Test("another signal is encoded behind the first, beginning with a key frame")
    func otherSignal() async throws {
      let output = directory.file("out.fwht")
      let times = directory.file("times.txt")
      let result = try await onHDMI(to: output, "--save-pts", times) { process in
        // The first of the kernel's presets: 640x480 at 59.94 frames per second.
        try await control("dv_timings=0")
        try await awaitMore(process, after: "a new stream", in: output)
      }
      #expect(result.exitCode == 143, "\(result.errorText)")
      #expect(lines(with: "the signal is now 640x480 at ", in: result) == 1, "\(result.errorText)")
      #expect(
        lines(with: "the camera's pictures are now 640x480 at ", in: result) == 1,
        "\(result.errorText)")
      let frames = try Recording.headers(of: output)
      #expect(number(before: " frames are in ", in: result.errorText) == frames.count)
      let change = try #require(frames.firstIndex { $0.size.width == 640 })
      #expect(change > 0)
      #expect(frames[..<change].allSatisfy { $0.size == VideoSize(width: 1280, height: 720) })
      #expect(frames[change...].allSatisfy { $0.size == VideoSize(width: 640, height: 480) })
      #expect(frames[change].isIntra)
      let saved = try text(times).split(separator: "\n").dropFirst().compactMap { Double($0) }
      #expect(saved.count == frames.count)
      #expect(zip(saved, saved.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("with --scale the encoder goes on when the signal becomes another one")
    func otherSignalScaled() async throws {
      let output = directory.file("out.fwht")
      let result = try await onHDMI(to: output, "--scale", "640x360") { process in
        // 1920x1080 at 24 frames per second: colours as those of 720p, unlike 640x480's.
        try await control("dv_timings=10")
        try await awaitMore(process, after: "the signal is now 1920x1080 at ", in: output)
      }
      #expect(result.exitCode == 143, "\(result.errorText)")
      #expect(lines(with: "a new stream", in: result) == 0, "\(result.errorText)")
      let frames = try Recording.headers(of: output)
      #expect(Set(frames.map(\.size)) == [VideoSize(width: 640, height: 360)])
      #expect(number(before: " frames are in ", in: result.errorText) == frames.count)
    }

    @Test("a signal that stays away ends the capture, and what was encoded is kept")
    func patience() async throws {
      let output = directory.file("out.fwht")
      let result = try await onHDMI(to: output, "--signal-wait", "1") { process in
        try await control("dv_timings_signal_mode=1")
        try await eventually(within: .seconds(30), "the command ends") { !process.isRunning }
      }
      #expect(result.exitCode == 75, "\(result.errorText)")
      #expect(lines(with: "error: ", in: result) == 1, "\(result.errorText)")
      let count = try Recording.headers(of: output).count
      #expect(count > 0)
      #expect(result.errorText.contains("has had no signal for 1.0 seconds"))
      #expect(result.errorText.contains("(\(count) encoded frames were written)"))
    }

    @Test("when the camera is unplugged, what was encoded is finished")
    func unplugged() async throws {
      let output = directory.file("out.fwht")
      let process = try start(["-o", output, "--size", "640x360", "--fps", "15"])
      try await eventually(within: .seconds(30), "there is output") { size(of: output) > 0 }
      try await control("disconnect=1")
      let result = try await process.wait(within: .seconds(60))
      #expect(result.exitCode == 74, "\(result.errorText)")
      #expect(lines(with: "error: ", in: result) == 1, "\(result.errorText)")
      let count = try Recording.headers(of: output).count
      #expect(result.errorText.contains("(\(count) encoded frames were written)"))
      #expect(result.errorText.contains("\(count) frames in, \(count) out, 0 skipped"))
      for arguments in [["rmmod", "vivid"], ["modprobe", "vivid", "n_devs=1"]] {
        let result = try await Subprocess.run(arguments[0], Array(arguments.dropFirst()))
        #expect(result.exitCode == 0, "\(arguments): \(result.errorText)")
      }
      try await eventually(within: .seconds(30), "the camera is back") {
        DeviceCatalog.devices().contains { $0.kind == .camera && $0.driver == "vivid" }
      }
    }

    // MARK: - Mistakes

    @Test("a camera that is named where something else belongs is recognised, and the reverse")
    func mistakenDevices() async throws {
      let encoder = try KernelGuest.encoder()
      let program = try builtBinary(named: "v4l2enc")
      let output = directory.file("out.h264")
      let cases: [([String], Int32, String)] = [
        (["capture", "-o", output], 64, "cameras here: \(camera) (vivid)"),
        (
          ["capture", encoder, "-o", output], 66,
          "\(encoder) (vicodec) is an encoder, not a camera; name it as --device \(encoder); cameras "
            + "here: \(camera) (vivid)"
        ),
        (
          ["capture", try KernelGuest.decoder(), "-o", output], 66, "is a decoder, not a camera"
        ),
        (
          ["encode", camera, "-o", output], 66, "is a camera, not a file of raw video; use v4l2enc"
        ),
        (
          ["capture", camera, "-o", output, "--device", "virtual", "--format", "mjpeg"], 64,
          "--format mjpeg: \(camera) does not send it; it sends "
        ),
        (
          ["capture", camera, "-o", output, "--device", "virtual", "--input", "9"], 64,
          "--input 9: \(camera) has the inputs 0 (Webcam 0), "
        ),
        (["capture", camera, "-o", output, "--device", "/dev/no-encoder"], 69, "/dev/no-encoder"),
      ]
      for (arguments, code, message) in cases {
        let result = try await Subprocess.run(program, arguments)
        #expect(result.exitCode == code, "\(arguments): \(result.errorText)")
        #expect(result.errorText.contains(message), "\(arguments): \(result.errorText)")
        #expect(!FileManager.default.fileExists(atPath: output), "\(arguments)")
      }
    }
  }
}
