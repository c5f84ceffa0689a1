import Foundation
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// What callers may do to a session, on a driver whose QBUF encodes before it returns.
  @Suite(.timeLimit(.minutes(2))) struct Sessions {
    private static let size = VideoSize(width: 640, height: 360)
    private let directory: TemporaryDirectory
    private let picture: [UInt8]

    init() throws {
      directory = try TemporaryDirectory()
      picture = try Recording.clip().frame(0)
    }

    private func frame(_ time: Int64) throws -> VideoFrame {
      try VideoFrame(
        format: .i420, size: Self.size, memory: FrameMemory(copying: picture),
        presentationTime: time)
    }

    private func open(
      _ change: (inout EncoderConfiguration) -> Void = { _ in }
    ) async throws -> FWHTEncoder {
      let configuration = Recording.configuration {
        $0.size = Self.size
        change(&$0)
      }
      return try await FWHTEncoder.open(configuration, on: .path(try KernelGuest.encoder()))
    }

    @Test("a lent buffer gives the same bytes as a frame")
    func lentBuffers() async throws {
      let encoder = try await open()
      let reader = Recording.collect(encoder.packets)
      try await encoder.encode(try frame(0))
      try await encoder.drain()
      for time in Int64(1)...2 {
        var buffer = try await encoder.nextInputBuffer()
        var offset = 0
        for plane in 0..<buffer.planeCount {
          let stride = buffer.bytesPerLine(ofPlane: plane)
          let (width, rows) = plane == 0 ? (640, 360) : (320, 180)
          buffer.withMutableBytes(ofPlane: plane) { bytes in
            for row in 0..<rows {
              for column in 0..<width {
                bytes.storeBytes(
                  of: picture[offset + row * width + column],
                  toByteOffset: row * stride + column, as: UInt8.self)
              }
            }
          }
          offset += width * rows
        }
        // The first is given back unused.
        if time == 1 { continue }
        try await encoder.encode(
          buffer, presentationTime: time, duration: 1, options: FrameOptions())
      }
      try await encoder.drain()
      await encoder.close()
      let packets = try await reader.value
      #expect(packets.map(\.presentationTime) == [0, 2])
      #expect(Set(packets.map(\.data.array)).count == 1)
    }

    @Test("key frames on demand are refused by name, and the session goes on")
    func forcedKeyFrame() async throws {
      let encoder = try await open()
      let reader = Recording.collect(encoder.packets)
      try await encoder.encode(try frame(0))
      let error = await #expect(throws: EncoderError.self) {
        try await encoder.encode(try frame(1), options: FrameOptions(forceKeyFrame: true))
      }
      #expect(error?.code == .unsupported)
      #expect(error?.message.contains("FORCE_KEY_FRAME") == true)
      try await encoder.encode(try frame(2))
      try await encoder.drain()
      await encoder.close()
      #expect(try await reader.value.map(\.presentationTime) == [0, 2])
    }

    @Test("a reader that rests stalls the encoder by name, and no frame is lost when it goes on")
    func restingReader() async throws {
      let encoder = try await open {
        $0.packetCapacity = 2
        $0.deadlines.consumer = .milliseconds(300)
      }
      var accepted: [Int64] = []
      let error = await #expect(throws: EncoderError.self) {
        try await withDeadline(.seconds(20), "the stall") {
          for time in Int64(0)..<100 { try await encoder.encode(try frame(time)) }
        }
      }
      #expect(error?.code == .consumerStalled)
      let count = encoder.statistics.framesIn
      #expect(count > 2 && count < 20)
      accepted = (0..<Int64(count)).map { $0 }
      let reader = Recording.collect(encoder.packets)
      try await encoder.encode(try frame(100))
      try await encoder.drain()
      await encoder.close()
      #expect(try await reader.value.map(\.presentationTime) == accepted + [100])
    }

    @Test("cancelled callers leave the session as it was")
    func cancelled() async throws {
      let encoder = try await open { $0.packetCapacity = 2 }
      let feeder = Task {
        for time in Int64(0)..<100 { try await encoder.encode(try frame(time)) }
      }
      try await eventually("the feeder waits") {
        let statistics = encoder.statistics
        return statistics.packetsOut == 2 && statistics.framesInFlight > 2
      }
      feeder.cancel()
      let error = await #expect(throws: EncoderError.self) {
        try await withDeadline(.seconds(5), "the cancellation") { try await feeder.value }
      }
      #expect(error?.code == .cancelled)
      let count = Int64(encoder.statistics.framesIn)
      let reader = Recording.collect(encoder.packets)
      try await encoder.encode(try frame(count))
      try await encoder.drain()
      await encoder.close()
      #expect(try await reader.value.map(\.presentationTime) == (0...count).map { $0 })
    }

    @Test("an encoder that is dropped gives its device back")
    func dropped() async throws {
      func use() async throws {
        let encoder = try await open()
        for time in Int64(0)..<3 { try await encoder.encode(try frame(time)) }
      }
      try await use()
      try await eventually("the device is given back") {
        try KernelGuest.holdings() == (0, 0)
      }
    }
  }
}
