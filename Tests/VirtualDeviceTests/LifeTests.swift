import CV4L2
import Foundation
import Glibc
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

@Suite("Drains, restarts, readiness and many handles", .timeLimit(.minutes(2)))
struct LifeTests {
  @Test("Commands outside a drain do nothing, wrong ones are EINVAL")
  func commands() throws {
    let client = try DeviceClient()
    #expect(client.command(V4L2_ENC_CMD_STOP) == 0, "not streaming")
    #expect(client.command(V4L2_ENC_CMD_START) == 0)
    for command in [V4L2_ENC_CMD_PAUSE, V4L2_ENC_CMD_RESUME, 99] {
      #expect(client.command(command) == -EINVAL)
    }
    var trial = v4l2_encoder_cmd()
    trial.cmd = UInt32(V4L2_ENC_CMD_STOP)
    trial.flags = .max
    try client.call(CV4L2_VIDIOC_TRY_ENCODER_CMD, &trial)
    #expect(trial.flags == 0)
    try StreamTests.start(client)
    _ = try StreamTests.encode(client, 1)
    #expect(client.command(V4L2_ENC_CMD_START) == 0)
  }

  @Test("A drain without room for the last buffer waits, and is busy meanwhile")
  func drainWaits() throws {
    let client = try DeviceClient()
    try StreamTests.start(client, buffers: 2)
    for index in 0..<2 { try client.queue(.output, index, timestamp: index) }
    for _ in 0..<2 { _ = try client.dequeue(.capture) }
    for _ in 0..<2 { _ = try client.dequeue(.output) }
    // No CAPTURE buffer is queued: the drain cannot end.
    #expect(client.command(V4L2_ENC_CMD_STOP) == 0)
    #expect(client.command(V4L2_ENC_CMD_STOP) == -EBUSY)
    #expect(client.command(V4L2_ENC_CMD_START) == -EBUSY)
    // A frame queued after STOP belongs to the time after the drain.
    try client.queue(.output, 0, timestamp: 50)
    try client.queue(.capture, 0)
    let last = try client.dequeue(.capture)
    #expect(last.isLast && last.bytesUsed == 0)
    #expect(client.command(V4L2_ENC_CMD_STOP) == 0, "stopped already")
    try client.queue(.capture, 0)
    #expect(errno { _ = try client.dequeueNow(.capture) } == EPIPE)
    #expect(client.command(V4L2_ENC_CMD_START) == 0)
    #expect(try client.dequeue(.capture).timestamp == 50)
  }

  @Test("STREAMOFF and STREAMON start anew", arguments: [false, true])
  func restart(afterDrain: Bool) throws {
    let client = try DeviceClient()
    try StreamTests.start(client)
    for round in 0..<150 {
      let packets = try StreamTests.encode(client, 3)
      #expect(packets[0].packet.isKey, "round \(round)")
      #expect(packets[0].packet.sequence == 0)
      if afterDrain {
        #expect(client.command(V4L2_ENC_CMD_STOP) == 0)
        #expect(try client.dequeue(.capture).isLast)
      } else {
        // Frames in the device are given up.
        for index in 0..<4 { try client.queue(.output, index) }
      }
      try client.stream(.output, on: false)
      try client.stream(.capture, on: false)
      try client.stream(.output, on: true)
      try client.stream(.capture, on: true)
      for index in 0..<4 { try client.queue(.capture, index) }
    }
    // Other tests run at the same time, but not with a hundred encoders.
    #expect(try threadCount() < 100, "threads of streams that ended are still there")
  }

  @Test("A new CAPTURE stream alone can be decoded by itself")
  func reset() throws {
    let client = try DeviceClient()
    try StreamTests.start(client)
    _ = try StreamTests.encode(client, 2)
    try client.stream(.capture, on: false)
    try client.stream(.capture, on: true)
    for index in 0..<4 { try client.queue(.capture, index) }
    let packets = try StreamTests.encode(client, 1, from: 2)
    #expect(packets[0].packet.isKey)
    #expect(packets[0].bytes.starts(with: [0, 0, 0, 1, 0x67]))
  }

  @Test("STREAMOFF of OUTPUT ends a drain with an empty last buffer")
  func drainWithoutFrames() throws {
    let client = try DeviceClient()
    try StreamTests.start(client, buffers: 2)
    for index in 0..<2 { try client.queue(.output, index) }
    for _ in 0..<2 { _ = try client.dequeue(.capture) }
    #expect(client.command(V4L2_ENC_CMD_STOP) == 0)
    try client.stream(.output, on: false)
    try client.queue(.capture, 0)
    let last = try client.dequeue(.capture)
    #expect(last.isLast && last.bytesUsed == 0)
  }

  @Test("Readiness is that of a kernel memory-to-memory device")
  func readiness() throws {
    let client = try DeviceClient()
    let now = MonotonicTime(nanoseconds: 0)
    #expect(try client.handle.wait(for: [.capture, .output], until: now) == .error)
    #expect(try client.handle.wait(for: .event, until: now) == [])
    try StreamTests.start(client, buffers: 2)
    #expect(try client.handle.wait(for: [.capture, .output], until: now) == [])
    try client.queue(.output, 0)
    // Both buffers of a frame come back together.
    let deadline = MonotonicTime.now + .seconds(5)
    #expect(
      try client.handle.wait(for: [.capture, .output], until: deadline) == [.capture, .output])
    #expect(try client.handle.wait(for: .capture, until: now) == .capture)
    _ = try client.dequeueNow(.capture)
    #expect(try client.handle.wait(for: [.capture, .output], until: now) == .output)
    _ = try client.dequeueNow(.output)
    #expect(client.command(V4L2_ENC_CMD_STOP) == 0)
    #expect(try client.dequeue(.capture).isLast)
    // After LAST a buffer on OUTPUT keeps the device from POLLERR, and CAPTURE stays ready.
    try client.queue(.output, 1)
    #expect(try client.handle.wait(for: .capture, until: now) == .capture)
    client.close()
    #expect(try client.handle.wait(for: .capture, until: now).contains(.hangUp))
  }

  @Test("A wait ends with wake, from before or from another thread")
  func waking() async throws {
    let client = try DeviceClient()
    try StreamTests.start(client)
    client.handle.wake()
    #expect(try client.handle.wait(for: .capture, until: nil) == [])
    let handle = client.handle
    let waiting = Thread { handle.wake() }
    waiting.start()
    #expect(try client.handle.wait(for: .capture, until: nil) == [])
    let start = MonotonicTime.now
    #expect(try client.handle.wait(for: .capture, until: start + .milliseconds(20)) == [])
    #expect(MonotonicTime.now >= start + .milliseconds(20))
  }

  @Test("Sixteen encoders at once, each with its own size")
  func sixteen() async throws {
    let device = try VirtualDevice(.init(h264: .openH264, hevc: .null))
    let sizes = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
      for number in 0..<16 {
        group.addTask {
          let client = try DeviceClient(device)
          try StreamTests.start(client, width: UInt32(64 + 16 * number), height: 64)
          let packets = try StreamTests.encode(client, 20)
          #expect(packets.map(\.packet.timestamp) == (0..<20).map { $0 * 1000 + 7 })
          let stream = packets.reduce(into: Data()) { $0.append($1.bytes) }
          let facts = try await FFmpeg.probe(stream, CV4L2_PIX_FMT_H264, "width")
          return (number, Int(facts["width"] ?? "") ?? 0)
        }
      }
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    for number in 0..<16 { #expect(sizes[number] == 64 + 16 * number) }
    #expect(device.encodedFrameCount == 320)
    #expect(device.openHandleCount == 0)
    #expect(device.bufferExtentCount == 0)
  }

  private func threadCount() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").filter { task in
      let name = try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)
      return name?.hasPrefix("v4l2-encoder") == true
    }.count
  }
}
