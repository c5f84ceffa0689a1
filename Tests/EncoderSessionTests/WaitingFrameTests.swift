import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Frames that wait in the library for room in the device.
@Suite(.timeLimit(.minutes(1))) struct WaitingFrameTests {
  private let log = DropLog()

  @Test("the oldest of the frames that wait is dropped, the others come in order")
  func theOldestFrameIsDropped() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.dropOldest(queue: 3), device)
    let reader = Harness.collect(encoder.packets)
    for time in next..<next + 7 { try await encoder.encode(Harness.frame(time)) }
    #expect(log.times(.displaced) == times(next..<next + 4))
    #expect(encoder.statistics.framesDropped.displaced == 4)
    #expect(encoder.statistics.framesWaiting == 3)
    // A drain brings out what waits, too.
    let draining = Task { try await encoder.drain() }
    try await eventually("the drain waits") {
      encoder.session.engine.core.withLock { $0.drainWaiters.count == 1 }
    }
    device.removeFaults()
    try await withDeadline(.seconds(20), "the drain") { try await draining.value }
    #expect(encoder.statistics.framesWaiting == 0)
    #expect(encoder.statistics.framesInFlight == 0)
    await encoder.close()
    #expect(
      try await reader.value.map(\.presentationTime)
        == times(0..<next) + times(next + 4..<next + 7))
  }

  @Test("frames that wait go in without a further call")
  func theQueueFeedsItself() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.dropOldest(queue: 8), device)
    let reader = Harness.collect(encoder.packets)
    for time in next..<next + 8 { try await encoder.encode(Harness.frame(time)) }
    device.removeFaults()
    try await eventually("all packets") { encoder.statistics.packetsOut == Int(next) + 8 }
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next + 8))
    #expect(log.drops == [])
  }

  @Test("every frame that waits is accounted for when the encoder is closed")
  func closing() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.dropOldest(queue: 5), device)
    for time in next..<next + 5 { try await encoder.encode(Harness.frame(time)) }
    let draining = Task { try await encoderError { try await encoder.drain() } }
    try await eventually("the drain waits") {
      encoder.session.engine.core.withLock { $0.drainWaiters.count == 1 }
    }
    device.removeFaults()
    device.inject(.spoiling(.stuck))
    await encoder.close()
    #expect(
      try await withDeadline(.seconds(20), "the drain") { try await draining.value }?.code
        == .closed)
    let statistics = encoder.statistics
    #expect(statistics.framesWaiting == 0)
    #expect(statistics.framesIn + statistics.framesDropped.ended == Int(next) + 5)
    #expect(log.times(.ended).count == statistics.framesDropped.ended)
    let late = try await encoderError { try await encoder.encode(Harness.frame(99)) }
    #expect(late?.code == .closed)
  }

  @Test("every frame that waits is accounted for when the device fails")
  func failure() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.dropOldest(queue: 5), device)
    let reader = Harness.collect(encoder.packets)
    for time in next..<next + 5 { try await encoder.encode(Harness.frame(time)) }
    device.removeFaults()
    device.inject(.failing(.dequeuePacket, with: Errno(rawValue: ENODEV)))
    let error = try await encoderError { try await encoder.drain() }
    #expect(error?.code == .deviceLost)
    await #expect(throws: EncoderError.self) { try await reader.value }
    let statistics = encoder.statistics
    #expect(statistics.framesWaiting == 0)
    #expect(
      statistics.framesIn + statistics.framesDropped.ended + statistics.framesDropped.refused
        == Int(next) + 5)
    #expect(log.drops.count == statistics.framesDropped.total)
    await encoder.close()
  }

  @Test("frames that wait hold their memory, and are let go when they are dropped")
  func memoryOfWaitingFrames() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await log.overloaded(.dropOldest(queue: 2), device)
    let released = Locked<[Int64]>([])
    let size = Harness.size
    let byteCount = size.width * size.height * 2
    for time in next..<next + 4 {
      // Nobody uses it after its release.
      nonisolated(unsafe) let start = UnsafeMutableRawPointer.allocate(
        byteCount: byteCount, alignment: 128)
      start.initializeMemory(as: UInt8.self, repeating: 60, count: byteCount)
      let memory = FrameMemory(unsafeStart: start, byteCount: byteCount) {
        start.deallocate()
        released.withLock { $0.append(time) }
      }
      try await encoder.encode(
        VideoFrame(format: .i420, size: size, memory: memory, presentationTime: time))
    }
    #expect(released.withLock { $0 } == [next, next + 1])
    device.removeFaults()
    let reader = Harness.collect(encoder.packets)
    try await encoder.drain()
    #expect(released.withLock { $0 } == times(next..<next + 4))
    await encoder.close()
    _ = try await reader.value
  }

  @Test("a refused import while frames wait loses none of them")
  func refusedImport() async throws {
    let device = try Harness.device()
    let transport = BentTransport(device) { request, argument, device in
      queuesFrame(request, argument)
        && buffer(argument).pointee.memory == V4L2_MEMORY_USERPTR.rawValue
        ? -EFAULT : device.perform(request, argument)
    }
    let size = Harness.size
    let encoder = try await log.open(.dropOldest(queue: 8), on: transport.selector) {
      $0.inputFormat = .nv12
      $0.inputMemory = .userPointer(planes: [
        PlaneLayout(offset: 0, bytesPerLine: size.width),
        PlaneLayout(offset: size.width * size.height, bytesPerLine: size.width),
      ])
    }
    #expect(encoder.negotiated.isZeroCopy)
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<6 { try await encoder.encode(Harness.frame(time, format: .nv12)) }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<6))
    #expect(log.all.count { $0 == .importRefused(Errno(rawValue: EFAULT)) } == 1)
    #expect(log.drops == [])
  }

  @Test(arguments: [0, 1001, -3])
  func queueLengthsOutOfRange(count: Int) async throws {
    let error = try await encoderError {
      _ = try await log.open(.dropOldest(queue: count), on: .virtual(Harness.device()))
    }
    #expect(error?.code == .invalidConfiguration)
    #expect(error?.message.contains("queue of \(count) frames") == true)
  }
}
