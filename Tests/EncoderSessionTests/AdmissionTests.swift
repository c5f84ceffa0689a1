import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// What becomes of frames for which the device has no room, under each policy.
@Suite(.timeLimit(.minutes(1))) struct AdmissionTests {
  private let log = DropLog()

  /// An encoder whose device is stuck with its first frame, and holds every buffer.
  private func overloaded(
    _ policy: AdmissionPolicy, _ device: VirtualDevice, on selector: DeviceSelector? = nil
  ) async throws -> (encoder: H264Encoder, next: Int64) {
    device.inject(.spoiling(.stuck))
    let encoder = try await open(policy, on: selector ?? .virtual(device))
    let count = Int64(encoder.negotiated.inputBuffers)
    for time in 0..<count { try await encoder.encode(Harness.frame(time)) }
    #expect(encoder.statistics.framesIn == Int(count))
    return (encoder, count)
  }

  private func open(
    _ policy: AdmissionPolicy, on selector: DeviceSelector,
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> H264Encoder {
    try await H264Encoder.open(
      Harness.configuration {
        $0.admission = policy
        $0.keyFrameInterval = 1000
        $0.deadlines.progress = .seconds(30)
        change(&$0)
      }, on: selector, observer: log.observer)
  }

  private func times(_ range: Range<Int64>) -> [Int64] { range.map { $0 } }

  @Test func aFrameWaitsForRoomByDefault() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await overloaded(.wait, device)
    let reader = Harness.collect(encoder.packets)
    let waiter = Task { try await encoder.encode(Harness.frame(next)) }
    try await eventually("the frame waits") { encoder.waitingCallers == 1 }
    device.removeFaults()
    try await withDeadline(.seconds(20), "the waiting frame") { try await waiter.value }
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next + 1))
    #expect(encoder.statistics.framesDropped == DroppedFrames())
    #expect(log.drops == [])
  }

  @Test("a cancelled wait leaves nothing behind")
  func cancellation() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await overloaded(.wait, device)
    let reader = Harness.collect(encoder.packets)
    let waiters = (0..<3).map { number in
      Task { try await encoder.encode(Harness.frame(next + Int64(number))) }
    }
    try await eventually("the frames wait") { encoder.waitingCallers == 3 }
    for waiter in waiters { waiter.cancel() }
    for waiter in waiters {
      let error = try await withDeadline(.seconds(10), "the cancelled call") {
        try await encoderError { try await waiter.value }
      }
      #expect(error?.code == .cancelled)
    }
    #expect(encoder.waitingCallers == 0)
    device.removeFaults()
    try await encoder.encode(Harness.frame(next + 3))
    try await encoder.drain()
    #expect(encoder.statistics.framesInFlight == 0)
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next) + [next + 3])
    #expect(log.all == [])
  }

  @Test func theNewestFrameIsDropped() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await overloaded(.dropNewest, device)
    let reader = Harness.collect(encoder.packets)
    for time in next..<next + 5 { try await encoder.encode(Harness.frame(time)) }
    #expect(log.times(.noBuffer) == times(next..<next + 5))
    #expect(encoder.statistics.framesDropped.noBuffer == 5)
    #expect(encoder.statistics.framesDropped.total == 5)
    device.removeFaults()
    try await eventually("all packets") { encoder.statistics.packetsOut == Int(next) }
    try await encoder.encode(Harness.frame(next + 5))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next) + [next + 5])
    #expect(log.drops.count == 5)
  }

  @Test(
    "a frame after a drain waits for the restart, however impatient the policy",
    arguments: [AdmissionPolicy.dropNewest, .fail, .dropOldest(queue: 1)])
  func restartsAreWaitedFor(policy: AdmissionPolicy) async throws {
    let encoder = try await open(policy, on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<6 {
      try await encoder.encode(Harness.frame(time))
      try await encoder.drain()
    }
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<6))
    #expect(log.drops == [])
  }

  @Test(
    "more frames than buffers after a restart: the impatient are turned away, none hangs",
    arguments: [AdmissionPolicy.dropNewest, .fail])
  func aCrowdAfterADrain(policy: AdmissionPolicy) async throws {
    let (entered, gate) = (Gate(), Gate())
    let device = try Harness.device()
    let transport = BentTransport(device) { request, argument, device in
      if request == CV4L2_VIDIOC_ENCODER_CMD, !entered.isOpenNow {
        entered.open()
        gate.wait()
      }
      return device.perform(request, argument)
    }
    defer { gate.open() }
    let encoder = try await open(policy, on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(100))
    try await eventually("the first packet") { encoder.statistics.packetsOut == 1 }
    let draining = Task { try await encoder.drain() }
    try await eventually("the drain") { entered.isOpenNow }
    // The first frame after the drain gets stuck.
    device.inject(.spoiling(.stuck))
    let count = encoder.negotiated.inputBuffers
    let crowd = (0..<count + 3).map { number in
      Task {
        try await encoderError { try await encoder.encode(Harness.frame(Int64(number))) }
      }
    }
    try await eventually("everybody waits") { encoder.waitingCallers == count + 3 }
    gate.open()
    try await draining.value
    var errors: [EncoderError.Code] = []
    for caller in crowd {
      let error = try await withDeadline(.seconds(20), "one of the crowd") {
        try await caller.value
      }
      if let error { errors.append(error.code) }
    }
    device.removeFaults()
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.count == count + 1)
    #expect(errors == (policy == .fail ? Array(repeating: .wouldBlock, count: 3) : []))
    #expect(log.times(.noBuffer).count == (policy == .fail ? 0 : 3))
  }

  @Test func theCallFails() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await overloaded(.fail, device)
    let reader = Harness.collect(encoder.packets)
    let error = try await encoderError { try await encoder.encode(Harness.frame(next)) }
    #expect(error?.code == .wouldBlock)
    #expect(error?.message.contains("all \(next) input buffers") == true)
    let loanError = try await encoderError { _ = try await encoder.nextInputBuffer() }
    #expect(loanError?.code == .wouldBlock)
    device.removeFaults()
    try await eventually("all packets") { encoder.statistics.packetsOut == Int(next) }
    try await encoder.encode(Harness.frame(next))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == times(0..<next + 1))
    #expect(encoder.statistics.framesDropped.total == 0)
    #expect(log.drops == [])
  }

  @Test("the oldest of the frames that wait is dropped, the others come in order")
  func theOldestFrameIsDropped() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await overloaded(.dropOldest(queue: 3), device)
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
    let (encoder, next) = try await overloaded(.dropOldest(queue: 8), device)
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
    let (encoder, next) = try await overloaded(.dropOldest(queue: 5), device)
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
    let (encoder, next) = try await overloaded(.dropOldest(queue: 5), device)
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

  @Test(
    "a key frame that was asked for with a dropped frame is made of the next one",
    arguments: [AdmissionPolicy.dropNewest, .dropOldest(queue: 1)], [false, true])
  func keyFramesAreNotLost(policy: AdmissionPolicy, byRestart: Bool) async throws {
    let lacking: Set<UInt32> = byRestart ? [ControlID.forceKeyFrame.rawValue] : []
    let disguise = try DisguisedDevice("coda", lacking: lacking)
    let (encoder, next) = try await overloaded(policy, disguise.device, on: disguise.selector)
    #expect(encoder.negotiated.keyFrames == (byRestart ? .restart : .control))
    let reader = Harness.collect(encoder.packets)
    if byRestart, policy == .dropNewest {
      // The restart makes room, so that nothing has to be dropped.
      disguise.device.removeFaults()
    }
    try await encoder.encode(Harness.frame(next), options: FrameOptions(forceKeyFrame: true))
    try await encoder.encode(Harness.frame(next + 1))
    disguise.device.removeFaults()
    try await eventually("the first packets") {
      let statistics = encoder.statistics
      return statistics.packetsOut >= Int(next) && statistics.framesWaiting == 0
    }
    try await encoder.encode(Harness.frame(next + 2))
    try await encoder.drain()
    await encoder.close()
    let packets = try await reader.value
    let dropped = log.drops.map(\.time)
    #expect(packets.map(\.presentationTime) == times(0..<next + 3).filter { !dropped.contains($0) })
    #expect(
      dropped == (policy == .dropNewest ? (byRestart ? [] : [next, next + 1]) : [next]))
    let keyFrames = packets.filter(\.isKeyFrame).map(\.presentationTime)
    let first = packets.map(\.presentationTime).first { $0 >= next }
    #expect(keyFrames.count == 2 && keyFrames.first == 0)
    // A request reaches the device with the next frame that it takes: with frames inside it, that
    // is an earlier one.
    if byRestart || policy == .dropNewest { #expect(keyFrames.last == first) }
  }

  @Test(
    "a key frame that the driver cannot make, asked for with a dropped frame, harms no other",
    arguments: [AdmissionPolicy.dropNewest, .dropOldest(queue: 1)])
  func impossibleKeyFrames(policy: AdmissionPolicy) async throws {
    let disguise = try DisguisedDevice("hantro-vpu", lacking: [ControlID.forceKeyFrame.rawValue])
    let (encoder, next) = try await overloaded(policy, disguise.device, on: disguise.selector)
    #expect(encoder.negotiated.keyFrames == .control)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(next), options: FrameOptions(forceKeyFrame: true))
    try await encoder.encode(Harness.frame(next + 1))
    disguise.device.removeFaults()
    try await eventually("room") {
      let statistics = encoder.statistics
      return statistics.packetsOut >= Int(next) && statistics.framesWaiting == 0
    }
    try await encoder.encode(Harness.frame(next + 2))
    try await encoder.drain()
    await encoder.close()
    let dropped = policy == .dropNewest ? [next, next + 1] : [next]
    #expect(log.drops.map(\.time) == dropped)
    #expect(
      try await reader.value.map(\.presentationTime)
        == times(0..<next + 3).filter { !dropped.contains($0) })
  }

  @Test("frames that wait hold their memory, and are let go when they are dropped")
  func memoryOfWaitingFrames() async throws {
    let device = try Harness.device()
    let (encoder, next) = try await overloaded(.dropOldest(queue: 2), device)
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
    let encoder = try await open(.dropOldest(queue: 8), on: transport.selector) {
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

  @Test(
    "a device that is slower than its callers: every frame is a packet or a reported drop",
    arguments: [AdmissionPolicy.dropNewest, .dropOldest(queue: 1), .dropOldest(queue: 6)])
  func everyFrameIsAccountedFor(policy: AdmissionPolicy) async throws {
    let device = try SlowDevice(period: .milliseconds(8))
    let encoder = try await open(policy, on: device.selector)
    let reader = Harness.collect(encoder.packets)
    let (callers, frames) = (Int64(3), Int64(60))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for caller in 0..<callers {
        group.addTask {
          for frame in 0..<frames {
            let time = frame * callers + caller
            try await encoder.encode(
              Harness.frame(time), options: FrameOptions(forceKeyFrame: frame % 20 == 7))
            try await Task.sleep(for: .milliseconds(Int(time * 7 % 5)))
            if caller == 0, frame % 25 == 24 { try await encoder.drain() }
          }
        }
      }
      try await group.waitForAll()
    }
    try await encoder.drain()
    let statistics = encoder.statistics
    await encoder.close()
    let packets = try await reader.value.map(\.presentationTime)
    let dropped = log.drops.map(\.time)
    #expect((packets + dropped + log.skipped).sorted() == times(0..<callers * frames))
    #expect(statistics.framesDropped.total == dropped.count && !dropped.isEmpty)
    #expect(statistics.framesIn == packets.count + log.skipped.count)
    for caller in 0..<callers {
      let own = packets.filter { $0 % callers == caller }
      #expect(own == own.sorted())
    }
  }

  @Test("while there is room, no policy costs a request more than waiting does")
  func requestsWithRoom() async throws {
    let frames = 40
    for policy in [AdmissionPolicy.wait, .dropNewest, .dropOldest(queue: 4), .fail] {
      let encoder = try await open(policy, on: .virtual(Harness.device())) {
        $0.latencyBudget = policy == .wait ? nil : .seconds(10)
        $0.rateReduction = policy == .wait ? nil : FrameRateReduction()
      }
      let reader = Harness.collect(encoder.packets)
      for time in 0..<frames {
        try await encoder.encode(Harness.frame(Int64(time)))
        try await eventually("the packet") { encoder.statistics.packetsOut == time + 1 }
      }
      let statistics = encoder.statistics
      // QBUF and DQBUF of both queues; some buffers are asked for before they are ready.
      #expect(statistics.deviceRequests <= 5 * frames)
      #expect(statistics.framesIn == frames && statistics.overruns == 0)
      await encoder.close()
      #expect(try await reader.value.count == frames)
    }
  }

  @Test(arguments: [0, 1001, -3])
  func queueLengthsOutOfRange(count: Int) async throws {
    let error = try await encoderError {
      _ = try await open(.dropOldest(queue: count), on: .virtual(Harness.device()))
    }
    #expect(error?.code == .invalidConfiguration)
    #expect(error?.message.contains("queue of \(count) frames") == true)
  }
}
