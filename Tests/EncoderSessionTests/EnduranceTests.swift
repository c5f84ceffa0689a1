import Foundation
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// An encoder that runs for long holds no more memory in the end than soon after its start.
@Suite(.timeLimit(.minutes(30))) struct EnduranceTests {
  /// An hour at 30 frames per second with `V4L2ENC_SOAK=1`.
  private static var frames: Int64 {
    ProcessInfo.processInfo.environment["V4L2ENC_SOAK"] == "1" ? 108_000 : 5000
  }

  /// What pools fill with when the reader is late once; a leak of 100 bytes per frame is more.
  private static let allowance = 500_000

  @Test func memoryIsFlat() async {
    // A process of its own: its memory is this session's.
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      let encoder = try await H264Encoder.open(
        Harness.configuration(), on: .virtual(Harness.device()))
      let reader = Task {
        var count: Int64 = 0
        for try await _ in encoder.packets { count += 1 }
        return count
      }
      // After the first thousand every table, cache and thread is there.
      for time in Int64(0)..<1000 { try await encoder.encode(Harness.frame(time)) }
      try await encoder.drain()
      let before = try #require(ProcessResources.heapBytes)
      for time in 1000..<1000 + Self.frames { try await encoder.encode(Harness.frame(time)) }
      try await encoder.drain()
      let after = try #require(ProcessResources.heapBytes)
      await encoder.close()
      #expect(try await reader.value == 1000 + Self.frames)
      #expect(after - before < Self.allowance)
      print("\(Self.frames) frames: \(before) bytes before, \(after) after")
    }
    if let result { print(String(decoding: result.standardOutputContent, as: UTF8.self)) }
  }
}
