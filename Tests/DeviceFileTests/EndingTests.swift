import CV4L2
import Foundation
import TestSupport
import Testing

@Suite("The end of clients and servers", .needsDeviceFile)
struct EndingTests {
  private static let options = ["--api", "splane", "--backend", "null"]

  @Test("a killed client frees everything it held")
  func killedClient() async throws {
    try await DeviceFile.serve { device in
      // The first client makes what the server keeps for ever, such as a codec's tables.
      try await encodeUntilKilled(device)
      try await eventually("the buffers are freed") { try device.bufferBytes() == 0 }
      let before = try device.resources()
      for _ in 0..<3 {
        try await encodeUntilKilled(device)
        try await eventually("the buffers are freed") { try device.bufferBytes() == 0 }
        // Fewer are no leak: a thread of the first client may still have been ending.
        try await eventually("threads and files are freed") {
          try zip(device.resources(), before).allSatisfy { $0 <= $1 }
        }
      }
    }
  }

  /// A client that encodes until it is ended, and says so in its output.
  private static func startEndlessClient(_ device: DeviceFile) throws -> Subprocess {
    try device.start(
      "ffmpeg",
      [
        "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=30",
        "-pix_fmt", "nv12", "-c:v", "h264_v4l2m2m", "-progress", "pipe:1", "-f", "null", "-",
      ])
  }

  private func encodeUntilKilled(_ device: DeviceFile) async throws {
    let client = try Self.startEndlessClient(device)
    try await eventually("a frame is encoded") {
      if !client.isRunning { throw TestSupportError("no client: \(client.errorSoFar)") }
      return client.outputSoFar.contains("progress=continue")
    }
    #expect(try device.bufferBytes() > 0)
    client.send(SIGKILL)
    #expect(try await client.wait(within: .patience).signal == SIGKILL)
  }

  @Test("a client killed in a waiting call leaves at once")
  func killedWhileWaiting() async throws {
    try await DeviceFile.serve(Self.options) { device in
      let client = try Subprocess(
        "python3",
        [
          "-c",
          """
          import fcntl, os, sys
          device = os.open(sys.argv[1], os.O_RDWR)
          event = bytearray(\(MemoryLayout<v4l2_event>.size))
          print("waiting", flush=True)
          fcntl.ioctl(device, \(CV4L2_VIDIOC_DQEVENT), event)
          """, device.path,
        ])
      try await eventually("the client waits") { client.outputSoFar.contains("waiting") }
      let idle = try RawClient(device.path)
      client.send(SIGKILL)
      #expect(try await client.wait(within: .patience).signal == SIGKILL)
      try idle.start()
    }
  }

  @Test("a killed server leaves its clients with errors, not waiting")
  func killedServer() async throws {
    try await DeviceFile.serve(Self.options) { device in
      let client = try RawClient(device.path)
      try client.start()
      let memory = try client.mapCapture(0)
      defer { munmap(memory.baseAddress, memory.count) }
      let dequeue = BlockingCall { client.dequeue(RawClient.captureType) }
      try await client.eventuallyWaits()

      let killed = ContinuousClock.now
      try await device.killServer()
      #expect(try await dequeue.result() == -ECONNABORTED)
      #expect(try await dequeue.end() - killed < .seconds(2))
      let poll = BlockingCall { client.waitReady(POLLIN) }
      #expect(try await poll.result() & POLLERR != 0)
      #expect(client.queue(RawClient.captureType, 0) == -ENOTCONN)
      // What was mapped stays there.
      memory[0] = 1
      #expect(memory[0] == 1)
    }
  }

  @Test("programs end with an error when the server is killed", arguments: ["ffmpeg", "v4l2enc"])
  func programsOfKilledServer(program: String) async throws {
    try await DeviceFile.serve { device in
      let client =
        program == "ffmpeg"
        ? try Self.startEndlessClient(device)
        : try Subprocess(
          try builtBinary(named: "v4l2enc"),
          [
            "encode", "test:motion", "--size", "320x240", "--frames", "1000000", "-o", "-",
            "--device", device.path,
          ])
      try await eventually("a frame is encoded") {
        if !client.isRunning { throw TestSupportError("no client: \(client.errorSoFar)") }
        return !client.outputSoFar.isEmpty
      }
      try await device.killServer()
      let result = try await client.wait(within: .patience)
      #expect((result.exitCode ?? 0) != 0)
      #expect(!result.errorText.isEmpty)
    }
  }

  @Test("SIGTERM ends the server under a client's feet", arguments: [SIGTERM, SIGINT, SIGHUP])
  func terminated(signal: Int32) async throws {
    try await DeviceFile.serve(Self.options) { device in
      let client = try RawClient(device.path)
      try client.start()
      let call = BlockingCall { client.dequeue(RawClient.captureType) }
      try await client.eventuallyWaits()
      device.server.send(signal)
      let result = try await device.server.wait(within: .patience)
      #expect(result.exitCode == 0)
      #expect(try await call.result() == -ECONNABORTED)
      #expect(!FileManager.default.fileExists(atPath: device.path))
      let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
      #expect(!mounts.contains(device.path))
    }
  }

  @Test("clients of a server that was stopped for a while go on", arguments: ["ffmpeg", "v4l2enc"])
  func suspended(program: String) async throws {
    try await DeviceFile.serve { device in
      let client =
        program == "ffmpeg"
        ? try device.start(
          "ffmpeg",
          [
            "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=30",
            "-pix_fmt", "nv12", "-c:v", "h264_v4l2m2m", "-f", "h264", "-",
          ])
        : try Subprocess(
          try builtBinary(named: "v4l2enc"),
          [
            "encode", "test:motion", "--size", "320x240", "--frames", "1000000", "-o", "-",
            "--device", device.path,
          ])
      try await eventually("a frame is encoded") {
        if !client.isRunning { throw TestSupportError("no client: \(client.errorSoFar)") }
        return !client.outputSoFar.isEmpty
      }
      device.server.send(SIGSTOP)
      defer { device.server.send(SIGCONT) }
      // As long as the server is to be away: there is nothing to wait for that would happen.
      try await Task.sleep(for: .seconds(3))
      #expect(client.isRunning, "\(client.errorSoFar)")
      let before = client.outputSoFar.utf8.count
      device.server.send(SIGCONT)
      // Far more than pipes and queues may have held.
      try await eventually("many more frames are encoded") {
        if !client.isRunning { throw TestSupportError("no client: \(client.errorSoFar)") }
        return client.outputSoFar.utf8.count > before + 1_000_000
      }
      client.send(SIGKILL)
      #expect(try await client.wait(within: .patience).signal == SIGKILL)
    }
  }

  @Test("unmounting from outside ends the server")
  func unmounted() async throws {
    try await DeviceFile.serve(Self.options) { device in
      #expect(umount2(device.path, 0) == 0)
      // Mount namespaces of other tests' programs hold a copy of the mount as long as they run.
      let result = try await device.server.wait(within: .patience)
      #expect(result.exitCode == 0)
      #expect(!FileManager.default.fileExists(atPath: device.path))
    }
  }
}
