import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What a trace says of a run, above all of one that fails.
@Suite(.timeLimit(.minutes(2))) struct TraceTests {
  /// A trace kept in memory.
  private final class Log: Sendable {
    private let kept = Locked<[String]>([])
    var lines: [String] { kept.withLock { $0 } }
    var trace: DeviceTrace { DeviceTrace { line in self.kept.withLock { $0.append(line) } } }
  }

  private static var configuration: EncoderConfiguration {
    var configuration = EncoderConfiguration(
      size: VideoSize(width: 64, height: 64), rateControl: .constant(bitrate: 500_000))
    // Setting up passes once without an answer, and else must not on a busy machine.
    configuration.deadlines = Deadlines(setup: .seconds(3), progress: .seconds(3))
    return configuration
  }

  @Test("every request is there, in words, with its answer")
  func everyRequest() async throws {
    let log = Log()
    let device = try VirtualDevice(.init(h264: .null))
    let bent = BentTransport(device)
    let encoder = try await H264Encoder.open(
      Self.configuration, on: bent.selector.traced(by: log.trace))
    await encoder.close()
    let lines = log.lines
    let form = /^\d+\.\d{6} 1 .* -> .* \(\d+ us\)$/
    for line in lines { #expect(line.wholeMatch(of: form) != nil, "\(line)") }
    #expect(lines.count { $0.contains(" VIDIOC_") } == bent.requests.count)
    #expect(lines.count { $0.contains(" map ") } == bent.mappingCount)
    #expect(lines.count { $0.contains(" unmap ") } == bent.mappingCount)
    #expect(lines.first?.contains(" 1 open bent -> ") == true)
    #expect(lines.last?.contains(" 1 close -> 0 (") == true)
    for text in [
      #"VIDIOC_QUERYCAP -> 0 driver "virtual-encoder" card "Virtual V4L2 encoder""#,
      "VIDIOC_ENUM_FMT capture-mplane 0 -> 0 H264 flags 0x1 \"H.264\"",
      "VIDIOC_ENUM_FRAMESIZES H264 0 -> 0 16x16..4096x4096 step 2x2",
      "VIDIOC_S_FMT output-mplane YU12 64x64 planes 0/0 colours ",
      " -> 0 output-mplane YU12 64x64 planes 64/6144 colours ",
      "VIDIOC_S_SELECTION output crop 64x64@0,0 flags 0 -> 0",
      "VIDIOC_S_PARM output-mplane 1/30 s -> 0 output-mplane 1/30 s",
      "=500000 -> 0 class 0x990000 ",
      "VIDIOC_REQBUFS output-mplane mmap 4 -> 0 4 capabilities ",
      "VIDIOC_QUERYBUF capture-mplane mmap 3 -> 0 capture-mplane mmap 3 planes 0/",
      "VIDIOC_SUBSCRIBE_EVENT eos 0 -> 0", "VIDIOC_STREAMON output-mplane -> 0",
      "VIDIOC_STREAMOFF capture-mplane -> 0",
    ] { #expect(lines.contains { $0.contains(text) }, "\(text)") }
  }

  @Test("the trace of a run that fails ends with what failed")
  func failure() async throws {
    let log = Log()
    let bent = BentTransport(
      try VirtualDevice(.init(h264: .null)),
      bend: { request, argument, device in
        request == CV4L2_VIDIOC_STREAMON ? -ESRCH : device.perform(request, argument)
      })
    await #expect(throws: EncoderError.self) {
      _ = try await H264Encoder.open(
        Self.configuration, on: bent.selector.traced(by: log.trace))
    }
    let failed = try #require(log.lines.firstIndex { $0.contains("STREAMON") })
    #expect(log.lines[failed].contains("VIDIOC_STREAMON capture-mplane -> ESRCH ("))
    #expect(log.lines[failed...].allSatisfy { !$0.contains("VIDIOC_QBUF") })
    let missing = try FakeMachine(["video0": .refuses(EACCES)])
    _ = DeviceProbe.examine(
      path: missing.path("video0"), transport: TracingTransport(missing, log.trace))
    #expect(log.lines.last?.contains("open \(missing.path("video0")) -> EACCES (") == true)
  }

  @Test("a request that never returns is in the trace")
  func hanging() async throws {
    let log = Log()
    let trace = log.trace
    let gate = Gate()
    defer { gate.open() }
    let bent = BentTransport(
      try VirtualDevice(.init(h264: .null)),
      bend: { request, argument, device in
        if request == CV4L2_VIDIOC_REQBUFS { gate.wait() }
        return device.perform(request, argument)
      })
    let error = await #expect(throws: EncoderError.self) {
      _ = try await H264Encoder.open(Self.configuration, on: bent.selector.traced(by: trace))
    }
    #expect(error?.code == .deviceStalled)
    #expect(log.lines.allSatisfy { !$0.contains("VIDIOC_REQBUFS") })
    trace.finish()
    let last = try #require(log.lines.last)
    #expect(
      last.contains(/1 VIDIOC_REQBUFS output-mplane mmap \d+ -> not returned after \d+ ms$/),
      "\(last)")
    // It is said once.
    let count = log.lines.count
    trace.finish()
    #expect(log.lines.count == count)
  }

  @Test("what hangs is said when another request is made, too")
  func overdue() async throws {
    let log = Log()
    let trace = log.trace
    let gate = Gate()
    let bent = BentTransport(
      try VirtualDevice(.init(h264: .null)),
      bend: { request, argument, device in
        if request == CV4L2_VIDIOC_G_FMT { gate.wait() }
        return device.perform(request, argument)
      })
    let handle = try TracingTransport(bent, trace).open("bent")
    try DeviceThread.start(named: "test-hangs") { _ = try? handle.format(1) }
    try await eventually(within: .seconds(60), "the hanging request is written down") {
      DeviceThread.sleep(.milliseconds(50))
      _ = try handle.queryCapabilities()
      return log.lines.contains { $0.contains("VIDIOC_G_FMT capture -> not returned yet after ") }
    }
    gate.open()
    try await eventually(within: .seconds(60), "it returns") {
      log.lines.contains { $0.contains("VIDIOC_G_FMT capture -> EINVAL (") }
    }
  }
}
