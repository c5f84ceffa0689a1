import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What a decoder makes of a stream that two or more encoders wrote.
@Suite(.timeLimit(.minutes(3))) struct RecoveryContentTests {
  @Test("every picture is decoded, each from its own frame", arguments: [0, 2])
  func pictures(bidirectionalFrames: Int) async throws {
    let source = try await MediaTools.pictures(.carphone)
    let device = try VirtualDevice(VirtualDevice.Configuration())
    let size = VideoSize(width: source.width, height: source.height)
    let configuration = RecoveryRun.configuration {
      $0.size = size
      $0.color = .usual(for: size)
      $0.rateControl = .constant(bitrate: 600_000)
      $0.keyFrameInterval = 1000
      $0.bidirectionalFrames = bidirectionalFrames
      // An encoder under load may be slow, and is not to be taken for one that is stuck.
      $0.deadlines = Deadlines(progress: .seconds(3))
    }
    let run =
      bidirectionalFrames == 0
      ? try await RecoveryRun.open(H264.self, on: .virtual(device), configuration)
      : try await RecoveryRun.open(HEVC.self, on: .virtual(device), configuration)
    device.inject(
      .failing(.dequeuePacket, with: Errno(rawValue: ENODEV), at: 20),
      .spoiling(.stuck, frame: 60))
    for index in 0..<source.frameCount {
      let frame = try VideoFrame(
        format: .i420, size: size, memory: FrameMemory(copying: source.frame(index)),
        presentationTime: Int64(index))
      try await run.encoder.encode(frame)
    }
    let outcome = try await run.finish()
    #expect(device.faultCount == 2 && outcome.discontinuities.count == 2)
    #expect(outcome.times.sorted() == (0..<Int64(source.frameCount)).map { $0 })
    #expect(outcome.decodeTimesRise)
    let keys = outcome.packets.indices.filter { outcome.packets[$0].isKeyFrame }
    #expect(keys == [0] + outcome.discontinuities)

    let directory = try TemporaryDirectory()
    let stream = try directory.write(
      outcome.packets.flatMap(\.data.array), to: bidirectionalFrames == 0 ? "a.h264" : "a.hevc")
    let decoded = try await MediaTools.decode(stream: stream, in: directory)
    #expect(decoded.frameCount == source.frameCount)
    // Each encoder's pictures come out in the order of their times, one encoder after the other.
    let bounds = [0] + outcome.discontinuities + [outcome.times.count]
    let order = zip(bounds, bounds.dropFirst()).flatMap { outcome.times[$0..<$1].sorted() }
    for (index, time) in order.enumerated() where index < decoded.frameCount {
      #expect(decoded.lumaPSNR(index, against: source, at: Int(time)) >= 28)
    }
  }
}
