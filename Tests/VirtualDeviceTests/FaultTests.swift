import CV4L2
import Glibc
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

@Suite("Faults on demand", .timeLimit(.minutes(2)))
struct FaultTests {
  @Test("A request fails where it is told to, once or for ever")
  func failures() throws {
    let client = try DeviceClient()
    try StreamTests.start(client)
    client.device.inject(
      .failing(.queueFrame, with: Errno(rawValue: ENODEV), at: 2),
      .failing(.dequeuePacket, with: .inputOutput, at: 1, times: .max))
    try client.queue(.output, 0)
    try client.queue(.output, 1)
    #expect(errno { try client.queue(.output, 2) } == ENODEV)
    try client.queue(.output, 2)
    _ = try client.dequeue(.capture)
    let deadline = MonotonicTime.now + .seconds(20)
    _ = try client.handle.wait(for: .capture, until: deadline)
    #expect(errno { _ = try client.dequeueNow(.capture) } == EIO)
    #expect(errno { _ = try client.dequeueNow(.capture) } == EIO)
    #expect(client.device.faultCount == 3)
    client.device.removeFaults()
    _ = try client.dequeue(.capture)
  }

  @Test("Every request can fail", arguments: VirtualDevice.Fault.Request.allCases)
  func everyRequest(request: VirtualDevice.Fault.Request) throws {
    let device = try VirtualDevice(.init(h264: .null, hevc: .null))
    device.inject(.failing(request, with: Errno(rawValue: ENOSPC)))
    var answer: Int32 = 0
    do {
      let client = try DeviceClient(device)
      try StreamTests.start(client)
      try client.setControl(V4L2_CID_MPEG_VIDEO_BITRATE, 100_000)
      try client.queue(.output, 0)
      _ = try client.dequeue(.capture)
      _ = try client.dequeue(.output)
      let command = client.command(V4L2_ENC_CMD_STOP)
      if command < 0 { throw DeviceClient.Failure(request: "command", errno: -command) }
      try client.stream(.output, on: false)
    } catch let failure as DeviceClient.Failure {
      answer = failure.errno
    } catch let failure as OpenFailure {
      answer = failure.errno.rawValue
    }
    #expect(answer == ENOSPC)
    #expect(device.faultCount == 1)
  }

  @Test("Frames are spoiled where they are told to be")
  func damage() throws {
    let client = try DeviceClient()
    try StreamTests.start(client, buffers: 8)
    client.device.inject(
      .spoiling(.erroneous, frame: 1), .spoiling(.empty, frame: 2), .spoiling(.lost, frame: 3),
      .spoiling(.skipped, frame: 4))
    for index in 0..<6 { try client.queue(.output, index, timestamp: index) }
    let packets = try (0..<4).map { _ in try client.dequeue(.capture) }
    #expect(packets.map(\.timestamp) == [0, 1, 2, 5])
    #expect(packets.map(\.isFaulty) == [false, true, false, false])
    #expect(packets.map { $0.bytesUsed == 0 } == [false, false, true, false])
    for index in 0..<6 { #expect(try client.dequeue(.output).index == index) }
    #expect(client.device.faultCount == 4)
    // The lost buffer comes back when the queue stops.
    try client.stream(.capture, on: false)
    try client.stream(.capture, on: true)
    for index in 0..<8 { try client.queue(.capture, index) }
  }

  @Test("A stuck encoder still stops, and one that is let go goes on")
  func stuck() throws {
    let client = try DeviceClient()
    try StreamTests.start(client)
    client.device.inject(.spoiling(.stuck, frame: 1))
    for index in 0..<3 { try client.queue(.output, index, timestamp: index) }
    #expect(try client.dequeue(.capture).timestamp == 0)
    let soon = MonotonicTime.now + .milliseconds(200)
    #expect(try client.handle.wait(for: .capture, until: soon).isEmpty)
    client.device.removeFaults()
    #expect(try client.dequeue(.capture).timestamp == 1)
    client.device.inject(.spoiling(.stuck))
    try client.queue(.output, 3, timestamp: 3)
    try client.stream(.output, on: false)
  }

  @Test("A request that hangs returns when the faults are removed")
  func hanging() async throws {
    let client = try DeviceClient()
    let device = client.device
    device.inject(.hanging(.startStreaming))
    try client.request(.output, 2)
    let release = Task {
      while device.faultCount == 0 { try await Task.sleep(for: .milliseconds(5)) }
      device.removeFaults()
    }
    try client.stream(.output, on: true)
    try await release.value
    #expect(device.faultCount == 1)
  }
}
