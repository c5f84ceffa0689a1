import Foundation
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// Draining and sharing a real device.
  @Suite(.timeLimit(.minutes(3))) struct Life {
    private let directory: TemporaryDirectory
    private let clip: PlanarVideo

    init() throws {
      directory = try TemporaryDirectory()
      clip = try Recording.clip()
    }

    @Test("drain and encode again, a hundred times")
    func drains() async throws {
      let path = try KernelGuest.encoder()
      // Small pictures: what counts is the changes of state.
      let size = VideoSize(width: 640, height: 360)
      let encoder = try await FWHTEncoder.open(
        Recording.configuration { $0.size = size }, on: .path(path))
      let reader = Recording.collect(encoder.packets)
      let pictures = try (0..<3).map { index in
        try VideoFrame(
          format: .i420, size: size, memory: FrameMemory(copying: clip.frame(index)),
          presentationTime: Int64(index))
      }
      for round in 0..<100 {
        // One frame, two or three: a drain meets the driver idle and busy.
        for var picture in pictures.prefix(round % 3 + 1) {
          picture.presentationTime = Int64(round * 10) + picture.presentationTime
          try await encoder.encode(picture)
        }
        try await encoder.drain()
      }
      #expect(encoder.statistics.drains == 100)
      #expect(encoder.statistics.framesInFlight == 0 && encoder.statistics.framesSkipped == 0)
      await encoder.close()
      let packets = try await reader.value
      let expected = (0..<100).flatMap { round in (0...round % 3).map { Int64(round * 10 + $0) } }
      #expect(packets.map(\.presentationTime) == expected)
      // Every round starts a stream of its own.
      #expect(packets.filter(\.isKeyFrame).map(\.presentationTime) == (0..<100).map { $0 * 10 })
      // The same pictures give the same bytes, in every round.
      let firsts = Set(packets.filter(\.isKeyFrame).map(\.data.array))
      #expect(firsts.count == 1)
    }

    @Test("two encoders at once do not disturb each other")
    func twoAtOnce() async throws {
      let alone = try await record("alone.fwht", quantizer: 20)
      async let first = record("first.fwht", quantizer: 20)
      async let second = record("second.fwht", quantizer: 8)
      let (one, two) = try await (first, second)
      #expect(one.packets.map(\.data.array) == alone.packets.map(\.data.array))
      #expect(two.packets.count == 20 && two.statistics.framesSkipped == 0)
      #expect(two.packets.map(\.data.array) != alone.packets.map(\.data.array))
    }

    private func record(_ name: String, quantizer: Int) async throws -> Recording {
      try await Recording.make(
        Recording.configuration { $0.rateControl = .constantQuantizer(quantizer) },
        in: directory, named: name, frames: 0..<20
      ) { try Recording.frame($0, of: clip) }
    }

    @Test("opening and closing leaves nothing behind")
    func nothingIsLeft() async throws {
      let path = try KernelGuest.encoder()
      for _ in 0..<20 {
        let encoder = try await FWHTEncoder.open(Recording.configuration(), on: .path(path))
        try await encoder.encode(try Recording.frame(0, of: clip))
        await encoder.close()
      }
      try await eventually("the device is given back") { try KernelGuest.holdings() == (0, 0) }
    }
  }
}
