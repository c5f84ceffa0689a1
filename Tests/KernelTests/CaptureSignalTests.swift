import Foundation
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// What `v4l2enc capture` does when the camera's signal changes or its plug is pulled.
  @Suite(.timeLimit(.minutes(5))) struct CaptureSignals {
    private let vivid: VividCapture
    private var directory: TemporaryDirectory { vivid.directory }
    private var camera: String { vivid.camera }

    init() throws { vivid = try VividCapture() }

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
      try await vivid.control("dv_timings_signal_mode=4", "dv_timings=7")
      let process = try vivid.start(["-o", output, "--input", "\(hdmi)"] + arguments)
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
      try await vivid.control("dv_timings_signal_mode=0")
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
        try await vivid.control("dv_timings_signal_mode=1")
        try await eventually(within: .seconds(30), "the loss is told") {
          process.errorSoFar.contains("no signal; waiting 60 s for it (--signal-wait)")
        }
        try await vivid.control("dv_timings_signal_mode=0")
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
        try await vivid.control("dv_timings=0")
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
      let saved = try vivid.text(times).split(separator: "\n").dropFirst().compactMap { Double($0) }
      #expect(saved.count == frames.count)
      #expect(zip(saved, saved.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("with --scale the encoder goes on when the signal becomes another one")
    func otherSignalScaled() async throws {
      let output = directory.file("out.fwht")
      let result = try await onHDMI(to: output, "--scale", "640x360") { process in
        // 1920x1080 at 24 frames per second: colours as those of 720p, unlike 640x480's.
        try await vivid.control("dv_timings=10")
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
        try await vivid.control("dv_timings_signal_mode=1")
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
      let process = try vivid.start(["-o", output, "--size", "640x360", "--fps", "15"])
      try await eventually(within: .seconds(30), "there is output") { size(of: output) > 0 }
      try await vivid.control("disconnect=1")
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
  }
}
