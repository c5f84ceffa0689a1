import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Several callers of one encoder, and what happens between their requests and the event loop's.
@Suite(.timeLimit(.minutes(1))) struct CallerTests {
  @Test("a caller held up in its request is not overtaken by the next")
  func framesReachTheDriverInTheOrderOfTheTable() async throws {
    let (first, second) = (Gate(), Gate())
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      guard queuesFrame(request, argument) else { return device.perform(request, argument) }
      if first.isOpenNow {
        second.open()
      } else {
        first.open()
        // As if another process had the processor for that long.
        let deadline = MonotonicTime.now + .milliseconds(300)
        while !second.isOpenNow, MonotonicTime.now < deadline {
          DeviceThread.sleep(.milliseconds(5))
        }
        // The second caller's request goes on before this one's.
        if second.isOpenNow { DeviceThread.sleep(.milliseconds(50)) }
      }
      return device.perform(request, argument)
    }
    let events = Locked<[EncoderEvent]>([])
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: transport.selector,
      observer: EncoderObserver(event: { event in events.withLock { $0.append(event) } }))
    let reader = Harness.collect(encoder.packets)
    let held = Task.detached { try await encoder.encode(Harness.frame(0)) }
    try await eventually("the first caller is inside its request") { first.isOpenNow }
    try await encoder.encode(Harness.frame(1))
    try await held.value
    try await encoder.drain()
    #expect(encoder.statistics.framesSkipped == 0)
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1])
    #expect(events.withLock { $0 } == [])
  }

  @Test func severalTasksFeedOneEncoder() async throws {
    let keys = Locked<[Int]>([])
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if queuesFrame(request, argument) {
        let time = buffer(argument).pointee.timestamp
        keys.withLock { $0.append(time.tv_sec * 1_000_000 + time.tv_usec) }
      }
      return device.perform(request, argument)
    }
    let events = Locked<[EncoderEvent]>([])
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: transport.selector,
      observer: EncoderObserver(event: { event in events.withLock { $0.append(event) } }))
    let reader = Harness.collect(encoder.packets)
    let (callers, frames) = (Int64(4), Int64(150))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for caller in 0..<callers {
        group.addTask {
          for frame in 0..<frames {
            try await encoder.encode(Harness.frame(frame * callers + caller))
          }
        }
      }
      try await group.waitForAll()
    }
    try await encoder.drain()
    await encoder.close()
    let times = try await reader.value.map(\.presentationTime)
    #expect(times.sorted() == (0..<callers * frames).map { $0 })
    for caller in 0..<callers {
      let own = times.filter { $0 % callers == caller }
      #expect(own == own.sorted())
    }
    let seen = keys.withLock { $0 }
    #expect(seen.count == Int(callers * frames))
    #expect(zip(seen, seen.dropFirst()).allSatisfy { $0 < $1 })
    #expect(events.withLock { $0 } == [])
  }

  @Test func aFrameThatWaitsForABufferWhileADrainEndsIsEncodedAfterwards() async throws {
    let gate = Gate()
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      takesFrameBack(request, argument) && !gate.isOpenNow
        ? -EAGAIN : device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.inputBuffers = 2 }, on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let count = Int64(encoder.negotiated.inputBuffers)
    for time in 0..<count { try await encoder.encode(Harness.frame(time)) }
    let waiter = Task { try await encoder.encode(Harness.frame(99)) }
    try await eventually("the frame waits") { encoder.waitingCallers == 1 }
    try await encoder.drain()
    gate.open()
    try await withDeadline(.seconds(10), "the waiting frame") { try await waiter.value }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<count).map { $0 } + [99])
  }

  @Test("a drain and its restart wait for a caller who is fetching a buffer")
  func fetchingIsNotOvertakenByARestart() async throws {
    let (isArmed, hasFetched) = (Gate(), Gate())
    let isFetching = Locked(false)
    let intrusions = Locked<[UInt]>([])
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let intrudes = request == CV4L2_VIDIOC_ENCODER_CMD || request == CV4L2_VIDIOC_STREAMOFF
      if intrudes, isFetching.withLock({ $0 }) { intrusions.withLock { $0.append(request) } }
      guard takesFrameBack(request, argument) else { return device.perform(request, argument) }
      guard isArmed.isOpenNow else { return -EAGAIN }
      let result = device.perform(request, argument)
      guard result == 0, !hasFetched.isOpenNow else { return result }
      isFetching.withLock { $0 = true }
      hasFetched.open()
      // Held up between the request and the entry in the table.
      let deadline = MonotonicTime.now + .milliseconds(300)
      while intrusions.withLock({ $0.isEmpty }), MonotonicTime.now < deadline {
        DeviceThread.sleep(.milliseconds(5))
      }
      isFetching.withLock { $0 = false }
      return result
    }
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.inputBuffers = 2
        $0.deadlines.progress = .seconds(30)
      }, on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let count = Int64(encoder.negotiated.inputBuffers)
    for time in 0..<count { try await encoder.encode(Harness.frame(time)) }
    try await eventually("every packet") { encoder.statistics.packetsOut == Int(count) }
    isArmed.open()
    let fetching = Task.detached { try await encoder.encode(Harness.frame(count)) }
    try await eventually("a caller fetches a buffer") { hasFetched.isOpenNow }
    try await encoder.drain()
    try await withDeadline(.seconds(10), "the caller who fetched") { try await fetching.value }
    for time in count + 1..<2 * count + 2 { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    #expect(intrusions.withLock { $0 } == [])
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<2 * count + 2).map { $0 })
  }

  @Test("times that jump do not use up what a kernel can store in nanoseconds")
  func timesThatJump() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if queuesFrame(request, argument) {
        // What the kernel keeps of a time: 64 bits of nanoseconds (videobuf2).
        let time = buffer(argument).pointee.timestamp
        let nanoseconds = Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_usec) &* 1000
        let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
        buffer(argument).pointee.timestamp = timeval(
          tv_sec: Int(rest < 0 ? seconds - 1 : seconds),
          tv_usec: Int((rest < 0 ? rest + 1_000_000_000 : rest) / 1000))
      }
      return device.perform(request, argument)
    }
    let events = Locked<[EncoderEvent]>([])
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: transport.selector,
      observer: EncoderObserver(event: { event in events.withLock { $0.append(event) } }))
    let reader = Harness.collect(encoder.packets)
    let times: [Int64] = [0, 1_000_000_000_000, 2, 3, .max / 4, 5]
    for time in times { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times)
    #expect(events.withLock { $0 } == [])
  }
}
