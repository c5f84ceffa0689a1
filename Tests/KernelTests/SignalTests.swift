import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// vivid's signal lost, found again and exchanged under an open source; vivid's faults.
  @Suite(.timeLimit(.minutes(3))) struct Signals {
    private let path: String
    private let log = CaptureEventLog()

    init() throws {
      path = try #require(
        DeviceCatalog.devices().first { $0.kind == .camera && $0.driver == "vivid" }
      ).path
    }

    /// The number of vivid's HDMI input.
    private func hdmi() throws -> Int {
      let report = try CaptureSource.offers(of: .path(path))
      return try #require(report.inputs.first { $0.hasDVTimings }).index
    }

    private func control(_ setting: String) async throws { try await tool("-c", setting) }

    private func tool(_ arguments: String...) async throws {
      let result = try await Subprocess.run("v4l2-ctl", ["-d", path] + arguments)
      #expect(result.exitCode == 0, "\(arguments): \(result.errorText)")
    }

    /// Runs `body` on vivid's HDMI input, and leaves vivid with its first one.
    ///
    /// The signal is the first that vivid knows, 640x480 with 59.94 frames per second: larger ones
    /// are more than an emulated processor paints in time.
    private func onHDMI(
      _ change: (inout CaptureConfiguration) -> Void = { _ in },
      _ body: (CaptureSource) async throws -> Void
    ) async throws {
      var configuration = CaptureConfiguration()
      let input = try hdmi()
      configuration.input = input
      try await tool("-i", "\(input)")
      try await tool("--set-dv-bt-timings", "index=0")
      try await tool("-i", "0")
      configuration.deadlines.progress = .seconds(20)
      configuration.signalPatience = .upTo(.seconds(60))
      change(&configuration)
      let source = try await CaptureSource.open(
        configuration, on: .path(path), observer: log.observer)
      let result: Result<Void, any Error>
      do {
        try await body(source)
        result = .success(())
      } catch {
        result = .failure(error)
      }
      // The signal first, as long as this input is the one in force.
      try await control("dv_timings_signal_mode=0")
      await source.close()
      try await tool("-i", "0")
      try result.get()
    }

    private func next(_ frames: inout CaptureSequence.AsyncIterator) async throws -> CapturedFrame {
      try #require(try await frames.next())
    }

    @Test(
      "a signal that goes and comes back interrupts the frames and nothing else",
      arguments: [(1, SignalLoss.noSignal), (2, .noLock), (3, .outOfRange)])
    func lossAndReturn(mode: Int, loss: SignalLoss) async throws {
      try await onHDMI { source in
        var frames = source.frames.makeAsyncIterator()
        #expect(try await next(&frames).frame.size == source.size)
        var taken = 1
        try await control("dv_timings_signal_mode=\(mode)")
        try await log.wait(for: .signalLost(loss))
        // What came before the loss is good; with its buffers back vivid sends noise.
        while taken < source.statistics.framesDelivered {
          _ = try await next(&frames)
          taken += 1
        }
        try await Task.sleep(for: .milliseconds(500))
        #expect(source.statistics.framesDelivered == taken)
        try await control("dv_timings_signal_mode=0")
        try await log.wait(for: .signalReturned)
        let frame = try await next(&frames)
        #expect(frame.format.generation == 0)
        #expect(log.signalEvents == [.signalLost(loss), .signalReturned])
        #expect(source.statistics.signalLosses == 1 && source.statistics.restarts == 0)
      }
    }

    @Test("another signal restarts the camera, and its frames say what they are")
    func otherTimings() async throws {
      try await onHDMI { source in
        var frames = source.frames.makeAsyncIterator()
        let first = try await next(&frames)
        let old = source.size
        #expect(first.format == source.current && first.format.generation == 0)
        #expect(source.frameRate.map { abs($0.value - 59.94) < 0.1 } == true)
        #expect(old == VideoSize(width: 640, height: 480))
        // The third of the kernel's presets: 720x480, 59.94 frames per second.
        try await control("dv_timings_signal_mode=4,dv_timings=2")
        let size = VideoSize(width: 720, height: 480)
        var frame = try await next(&frames)
        while frame.format.generation == 0 {
          #expect(frame.frame.size == old)
          frame = try await next(&frames)
        }
        #expect(frame.frame.size == size && frame.format.generation == 1)
        #expect(source.current == frame.format)
        #expect(frame.format.frameRate.map { abs($0.value - 59.94) < 0.1 } == true)
        #expect(frame.framesLostBefore == 0)
        #expect(log.signalEvents == [.timingsChanged(size: size, frameRate: source.frameRate)])
        // A frame of the old signal that is still held is whole.
        #expect(first.frame.size == old)
      }
    }

    @Test("an outage longer than the patience has a name")
    func patience() async throws {
      try await onHDMI({ $0.signalPatience = .upTo(.milliseconds(500)) }) { source in
        var frames = source.frames.makeAsyncIterator()
        _ = try await next(&frames)
        try await control("dv_timings_signal_mode=1")
        let error = await #expect(throws: EncoderError.self) {
          try await withDeadline(.seconds(20), "the end") { [frames = source.frames] in
            for try await _ in frames {}
          }
        }
        #expect(error?.code == .noSignal, "\(error?.description ?? "")")
      }
    }

    @Test("a camera without a signal opens, and begins with the signal")
    func lossAtTheStart() async throws {
      // The controls are those of the input in force.
      try await tool("-i", "\(try hdmi())")
      try await control("dv_timings_signal_mode=1")
      try await onHDMI { source in
        try await log.wait(for: .signalLost(.noSignal))
        #expect(source.statistics.framesDelivered == 0)
        try await control("dv_timings_signal_mode=0")
        var frames = source.frames.makeAsyncIterator()
        _ = try await next(&frames)
        #expect(log.signalEvents == [.signalLost(.noSignal), .signalReturned])
      }
    }

    @Test("a queue that fails while the signal is fine is set up again")
    func failedQueue() async throws {
      try await onHDMI { source in
        var frames = source.frames.makeAsyncIterator()
        _ = try await next(&frames)
        try await control("inject_fatal_streaming_error=1")
        var frame = try await next(&frames)
        while frame.format.generation == 0 { frame = try await next(&frames) }
        #expect(source.statistics.restarts == 1)
        #expect(log.signalEvents == [])
      }
    }

    @Test("a spoiled frame is delivered, marked and counted")
    func corruptFrame() async throws {
      try await onHDMI { source in
        var frames = source.frames.makeAsyncIterator()
        _ = try await next(&frames)
        try await control("inject_v4l2_buf_flag_error=1")
        var frame = try await next(&frames)
        while !frame.isCorrupt { frame = try await next(&frames) }
        #expect(source.statistics.framesCorrupt == 1)
        try await log.wait(for: .frameCorrupt(sequence: frame.sequence))
      }
    }

    @Test("a camera that is unplugged ends the frames by a lost device")
    func unplugged() async throws {
      var configuration = CaptureConfiguration(size: VideoSize(width: 640, height: 480))
      configuration.deadlines.progress = .seconds(20)
      do {
        let source = try await CaptureSource.open(configuration, on: .path(path))
        var frames = source.frames.makeAsyncIterator()
        _ = try await next(&frames)
        try await control("disconnect=1")
        let error = await #expect(throws: EncoderError.self) {
          try await withDeadline(.seconds(20), "the end") { [frames = source.frames] in
            for try await _ in frames {}
          }
        }
        #expect(error?.code == .deviceLost, "\(error?.description ?? "")")
        await source.close()
      }
      for arguments in [["rmmod", "vivid"], ["modprobe", "vivid", "n_devs=1"]] {
        let result = try await Subprocess.run(arguments[0], Array(arguments.dropFirst()))
        #expect(result.exitCode == 0, "\(arguments): \(result.errorText)")
      }
      try await eventually("the camera is back") {
        DeviceCatalog.devices().contains { $0.kind == .camera && $0.driver == "vivid" }
      }
    }

    @Test("a camera's offers are what the driver lists")
    func offers() throws {
      let report = try CaptureSource.offers(of: .path(path))
      #expect(report.driver == "vivid" && report.currentInput == 0)
      #expect(report.inputs.map(\.hasDVTimings) == [false, false, false, true])
      let nv12 = try #require(report.formats.first { $0.format == .nv12 })
      #expect(!nv12.isCompressed)
      // vivid's webcam: six sizes, the larger the fewer rates.
      #expect(
        nv12.sizes.map(\.maximum.description) == [
          "320x180", "640x360", "640x480", "1280x720", "1920x1080", "3840x2160",
        ])
      #expect(nv12.sizes.map(\.rates.count) == [12, 10, 8, 6, 4, 2])
      #expect(nv12.sizes[4].rates.map { "\($0.fastest)" } == ["1", "2", "4", "5"])
    }

    @Test("a frame's time is one of the monotonic clock, and its colours are the driver's")
    func timeAndColor() async throws {
      let configuration = CaptureConfiguration(size: VideoSize(width: 640, height: 480))
      let source = try await CaptureSource.open(configuration, on: .path(path))
      var frames = source.frames.makeAsyncIterator()
      let frame = try await next(&frames)
      let age = MonotonicTime.now.nanoseconds - frame.frame.presentationTime * 1000
      await source.close()
      #expect(frame.clock == .monotonic)
      // vivid dates a frame by its count, which may run ahead of a slow machine.
      #expect(abs(age) < 5_000_000_000, "\(age) ns old")
      // vivid's webcam is sRGB, whose Y'CbCr is BT.601 in limited range (videodev2.h).
      #expect(
        frame.format.color
          == ColorDescription(primaries: .sRGB, transfer: .sRGB, matrix: .bt601, range: .limited))
    }
  }
}
