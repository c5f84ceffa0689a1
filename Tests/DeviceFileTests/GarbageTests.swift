import CV4L2
import Foundation
import TestSupport
import Testing

@Suite("Clients that send garbage", .needsDeviceFile)
struct GarbageTests {
  @Test("no request, whatever is in it, ends the server", arguments: ["mplane", "splane"])
  func garbage(api: String) async throws {
    try await DeviceFile.serve(["--api", api]) { device in
      let path = device.path
      let sending = BlockingCall {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<4 {
          guard let client = try? RawClient(path, flags: O_RDWR | O_NONBLOCK) else { return -1 }
          for _ in 0..<4000 { client.send(random.request(), &random) }
        }
        return 0
      }
      #expect(try await sending.result() == 0)
      // A server that had trapped would answer nothing any more.
      var capability = v4l2_capability()
      let client = try RawClient(device.path)
      #expect(client.control(CV4L2_VIDIOC_QUERYCAP, &capability) == 0)
      #expect(device.server.isRunning, "\(device.server.errorSoFar)")
    }
  }

  @Test("requests that are not V4L2's are answered ENOTTY")
  func foreignRequests() async throws {
    try await DeviceFile.serve(["--backend", "null"]) { device in
      let client = try RawClient(device.path)
      // TCGETS, a V4L2 request of another size, one of no direction, a large one.
      for request: UInt in [0x5401, 0x8010_5600, 0x5600, 0xffff_56ff] {
        var argument = InlineArray<2048, UInt64>(repeating: 0)
        #expect(client.control(request, &argument) == -ENOTTY)
      }
      var byte: UInt8 = 0
      #expect(read(client.descriptor, &byte, 1) == -1 && errno == EINVAL)
      #expect(write(client.descriptor, &byte, 1) == -1 && errno == EINVAL)
    }
  }
}

extension RawClient {
  /// Sends a request with a struct of random words, which may point to more of them.
  fileprivate func send(_ request: UInt, _ random: inout SeededGenerator) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 256) { words in
      for index in words.indices { words[index] = random.word() }
      // Where v4l2_buffer has `m` and v4l2_ext_controls has `controls`, in half of the cases.
      if Bool.random(using: &random), let base = words.baseAddress {
        let address = UInt64(UInt(bitPattern: base + 128))
        let offset = request == CV4L2_VIDIOC_QBUF || request == CV4L2_VIDIOC_DQBUF ? 16 : 6
        words[offset] = UInt32(truncatingIfNeeded: address)
        words[offset + 1] = UInt32(truncatingIfNeeded: address >> 32)
      }
      cv4l2_ioctl(descriptor, request, words.baseAddress)
    }
  }
}

extension SeededGenerator {
  /// One of the words that break things, or of those that get past the first checks.
  fileprivate mutating func word() -> UInt32 {
    switch number(below: 8) {
    case 0...2: 0
    case 3: number(below: 16)
    case 4: [0xffff_ffff, 0x8000_0000, 0x7fff_ffff][Int(number(below: 3))]
    case 5: 64 + number(below: 256)
    case 6: [CV4L2_PIX_FMT_NV12, CV4L2_PIX_FMT_H264, CV4L2_PIX_FMT_HEVC][Int(number(below: 3))]
    default: number(below: .max)
    }
  }

  fileprivate mutating func request() -> UInt {
    DeviceRequests.all[Int(number(below: UInt32(DeviceRequests.all.count)))]
  }

  private mutating func number(below bound: UInt32) -> UInt32 {
    UInt32.random(in: 0..<bound, using: &self)
  }
}
