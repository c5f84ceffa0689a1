import ClipRecorder
import Synchronization
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What an app needs that brings an encoder of its own, with nothing but the public interface.
@Suite struct OwnEncoderTests {
  @Test func anEncoderOfTheAppTakesOverFromALostDevice() async throws {
    let frames = try Pictures.frames(20)
    let picture = try #require(
      try await ClipRecorder(device: .virtual(VirtualDevice())).record([frames[0]]).packets.first)
    let device = try VirtualDevice()
    let configuration = EncoderConfiguration(
      size: Pictures.size, rateControl: .constant(bitrate: 500_000))
    let encoder = try await H264Encoder.open(
      configuration, on: .virtual(device),
      recovery: RecoveryPolicy(attempts: 1, firstPause: .milliseconds(5)),
      onDeviceLost: { loss in
        StillEncoder(loss.configuration, picture: picture.data.array)
      })
    let reading = Task {
      var packets: [EncodedPacket] = []
      for try await packet in encoder.packets { packets.append(packet) }
      return packets
    }
    // ENODEV, as of a device that was unplugged.
    device.inject(.failing(.queueFrame, with: Errno(rawValue: 19), at: 5))
    for frame in frames { try await encoder.encode(frame) }
    try await encoder.drain()
    await encoder.close()
    let packets = try await reading.value
    #expect(packets.map(\.presentationTime) == frames.map(\.presentationTime))
    let takeover = try #require(packets.firstIndex { $0.isDiscontinuity })
    #expect(packets[takeover...].allSatisfy { $0.data.array == picture.data.array })
    #expect(packets[takeover].isKeyFrame && packets[takeover].configurationRecord != nil)
    #expect(encoder.negotiated.path == "still")
    #expect(encoder.statistics.packetsOut == frames.count)
  }

  @Test func bytesWithoutAPictureAreNoPacket() {
    #expect(throws: EncoderError.self) {
      try EncodedPacket(
        [1, 2, 3], codec: .h264, presentationTime: 0, duration: 1, latency: .zero)
    }
  }
}

/// Shows one encoded picture for ever.
private final class StillEncoder: VideoEncoder {
  let configuration: EncoderConfiguration
  let negotiated: NegotiationReport
  let packets: StillPackets
  private let picture: [UInt8]
  private let counters = Mutex(EncoderStatistics())

  init(_ configuration: EncoderConfiguration, picture: [UInt8]) {
    self.configuration = configuration
    self.picture = picture
    packets = StillPackets()
    var report = NegotiationReport()
    report.path = "still"
    report.visibleSize = configuration.size
    negotiated = report
  }

  var statistics: EncoderStatistics { counters.withLock { $0 } }

  func encode(_ frame: VideoFrame, options: FrameOptions) async throws(EncoderError) {
    let packet = try EncodedPacket(
      picture, codec: .h264, presentationTime: frame.presentationTime, duration: frame.duration,
      latency: .zero)
    counters.withLock {
      $0.framesIn += 1
      $0.packetsOut += 1
    }
    packets.continuation.yield(packet)
  }

  func nextInputBuffer() async throws(EncoderError) -> InputBuffer {
    throw EncoderError(.unsupported, "there is no device that could lend a buffer; encode frames")
  }

  func encode(
    _ buffer: consuming InputBuffer, presentationTime: Int64, duration: Int64,
    options: FrameOptions
  ) async throws(EncoderError) {
    throw EncoderError(.invalidFrame, "the buffer is another encoder's")
  }

  func update(_ settings: DynamicSettings) async throws(EncoderError) -> [ControlOutcome] {
    settings.controls.map {
      ControlOutcome(name: "", id: $0.id, requested: $0.value, result: .unsupported)
    }
  }

  func requestKeyFrame() async throws(EncoderError) {}

  func reconfigure(
    _ configuration: EncoderConfiguration
  ) async throws(EncoderError) -> NegotiationReport {
    throw EncoderError(.unsupported, "a still has one size; open another encoder")
  }

  func drain() async throws(EncoderError) {}

  func close() async { packets.continuation.finish() }
}

/// A stream that never fails, as a sequence that could.
private struct StillPackets: AsyncSequence, Sendable {
  typealias Element = EncodedPacket
  typealias Failure = EncoderError

  let continuation: AsyncStream<EncodedPacket>.Continuation
  private let stream: AsyncStream<EncodedPacket>

  init() { (stream, continuation) = AsyncStream.makeStream() }

  struct AsyncIterator: AsyncIteratorProtocol {
    var packets: AsyncStream<EncodedPacket>.Iterator

    mutating func next() async throws(EncoderError) -> EncodedPacket? { await packets.next() }

    mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(EncoderError) -> EncodedPacket? {
      await packets.next(isolation: actor)
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(packets: stream.makeAsyncIterator()) }
}
