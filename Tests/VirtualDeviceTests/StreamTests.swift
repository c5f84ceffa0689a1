import CV4L2
import Foundation
import Glibc
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

@Suite("Streaming on a virtual device", .timeLimit(.minutes(2)))
struct StreamTests {
  /// Sets both formats, allocates, maps and starts both queues.
  static func start(
    _ client: DeviceClient, codec: UInt32 = CV4L2_PIX_FMT_H264, raw: UInt32 = CV4L2_PIX_FMT_NV12,
    width: UInt32 = 320, height: UInt32 = 240, buffers: UInt32 = 4
  ) throws {
    _ = try client.setFormat(.capture, codec)
    _ = try client.setFormat(.output, raw, width, height)
    try client.mapAll(.output, try client.request(.output, buffers))
    try client.mapAll(.capture, try client.request(.capture, buffers))
    try client.stream(.output, on: true)
    try client.stream(.capture, on: true)
    for index in 0..<Int(buffers) { try client.queue(.capture, index) }
  }

  /// Encodes `count` frames and returns what came out; CAPTURE buffers go back at once.
  static func encode(
    _ client: DeviceClient, _ count: Int, from first: Int = 0
  ) throws -> [(packet: DeviceClient.Dequeued, bytes: Data)] {
    var packets: [(DeviceClient.Dequeued, Data)] = []
    for number in first..<(first + count) {
      try client.queue(.output, number % 4, timestamp: number * 1000 + 7)
      let packet = try client.dequeue(.capture)
      packets.append((packet, client.bytes(packet)))
      try client.queue(.capture, packet.index)
      #expect(try client.dequeue(.output).index == number % 4)
    }
    return packets
  }

  @Test(
    "Frames go in, packets come out in order",
    arguments: VirtualDevice.Configuration.Interface.allCases,
    [CV4L2_PIX_FMT_H264, CV4L2_PIX_FMT_HEVC])
  func roundTrip(api: VirtualDevice.Configuration.Interface, codec: UInt32) throws {
    let client = try DeviceClient(api)
    try Self.start(client, codec: codec)
    let packets = try Self.encode(client, 10)
    #expect(packets.map(\.packet.timestamp) == (0..<10).map { $0 * 1000 + 7 })
    #expect(packets.map(\.packet.sequence) == Array(0..<10))
    #expect(packets[0].packet.isKey)
    #expect(!packets[1].packet.isKey)
    #expect(packets.allSatisfy { $0.bytes.starts(with: [0, 0, 0, 1]) })
    #expect(packets.allSatisfy { $0.bytes.count == $0.packet.bytesUsed && $0.bytes.count > 16 })
    #expect(client.device.encodedFrameCount == 10)
  }

  @Test("STOP ends with LAST, then EPIPE, and START goes on", arguments: [0, 2])
  func drain(delay: Int) throws {
    let client = try DeviceClient(delay: delay)
    try Self.start(client)
    for cycle in 0..<3 {
      for index in 0..<3 {
        try client.queue(.output, index, timestamp: cycle * 10 + index)
      }
      #expect(client.command(V4L2_ENC_CMD_STOP) == 0)
      var stamps: [Int] = []
      var isLast = false
      while !isLast {
        let packet = try client.dequeue(.capture)
        isLast = packet.isLast
        if packet.bytesUsed > 0 { stamps.append(packet.timestamp) }
        try client.queue(.capture, packet.index)
      }
      #expect(stamps == (0..<3).map { cycle * 10 + $0 })
      let failure = #expect(throws: DeviceClient.Failure.self) {
        try client.dequeueNow(.capture)
      }
      #expect(failure?.errno == EPIPE)
      for _ in 0..<3 { _ = try client.dequeue(.output) }
      #expect(client.command(V4L2_ENC_CMD_START) == 0)
    }
  }
}
