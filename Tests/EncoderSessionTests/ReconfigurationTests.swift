import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// A change of size, format or buffers while an encoder is open, at its edges.
@Suite(.timeLimit(.minutes(2))) struct ReconfigurationTests {
  private static let other = VideoSize(width: 640, height: 360)

  /// Whether a request frees the buffers for raw frames.
  private static func freesFrames(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Bool {
    guard request == CV4L2_VIDIOC_REQBUFS else { return false }
    let buffers = argument.load(as: v4l2_requestbuffers.self)
    return buffers.count == 0 && buffers.type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
  }

  @Test("another pixel format is no other stream")
  func format() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.inputFormat = .nv12 }, on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<5 { try await encoder.encode(Harness.frame(time, format: .nv12)) }
    let report = try await encoder.changeInput(format: .i420)
    #expect(report.rawFormat == .i420 && report.isPassThrough)
    for time in Int64(5)..<10 { try await encoder.encode(Harness.frame(time)) }
    let error = try await encoderError {
      try await encoder.encode(Harness.frame(10, format: .nv12))
    }
    #expect(error?.code == .invalidFrame)
    try await encoder.drain()
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<10).map { $0 })
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0, 5])
    #expect(packets.allSatisfy { !$0.changesParameterSets })
    #expect(packets[5].configurationRecord == packets[0].configurationRecord)
  }

  @Test("frames whose callers wait already come out in their own size")
  func waitingCallers() async throws {
    let gate = Gate()
    let transport = BentTransport(try Harness.device(), isSilent: { !gate.isOpenNow })
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .seconds(60) }, on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    defer { gate.open() }
    let callers = (Int64(0)..<16).map { time in
      Task { try await encoder.encode(Harness.frame(time)) }
    }
    // What the driver has done can be fetched without the event loop, so some get in.
    try await eventually("all others wait") {
      encoder.statistics.framesIn + encoder.waitingCallers == callers.count
    }
    #expect(encoder.waitingCallers > 4)
    let change = Task { try await encoder.changeInput(size: Self.other) }
    try await eventually("the change waits behind them") {
      encoder.statistics.framesIn + encoder.waitingCallers == callers.count + 1
    }
    gate.open()
    try await withDeadline(.seconds(30), "the callers") {
      for caller in callers { try await caller.value }
    }
    let report = try await withDeadline(.seconds(30), "the change") { try await change.value }
    #expect(report.visibleSize == Self.other)
    try await encoder.encode(Harness.frame(16, size: Self.other))
    try await encoder.drain()
    #expect(encoder.statistics.framesSkipped == 0)
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.count == 17 && packets.last?.presentationTime == 16)
    #expect(packets.last?.isKeyFrame == true && packets.last?.changesParameterSets == true)
  }

  @Test("a lent buffer stays writable, is refused, and is nobody's when it comes back")
  func loans() async throws {
    let transport = BentTransport(try Harness.device())
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0))
    let loans = [
      LentBuffer(try await encoder.nextInputBuffer()),
      LentBuffer(try await encoder.nextInputBuffer()),
    ]
    try await encoder.changeInput(size: Self.other)
    let fresh = try await encoder.lendAll()
    #expect(fresh.count == encoder.negotiated.inputBuffers)
    #expect(loans[0].fill(with: 99))
    let error = try await encoderError { try await loans[0].encode(1, with: encoder) }
    #expect(error?.code == .invalidFrame)
    #expect(error?.message.contains("changed") == true)
    loans[1].giveBack()
    // Neither of the old ones has become a free one of the new.
    let free = encoder.session.engine.core.withLock { $0.pool.hasFree }
    #expect(!free)
    for (time, loan) in fresh.enumerated() { try await loan.encode(Int64(time + 2), with: encoder) }
    try await encoder.drain()
    #expect(
      transport.liveMappingCount
        == encoder.negotiated.inputBuffers + encoder.negotiated.outputBuffers)
    await encoder.close()
    #expect(try await reader.value.count == 1 + fresh.count)
    #expect(transport.liveMappingCount == 0)
  }

  @Test("a driver that keeps buffers on loan says so, and the encoder goes on as before")
  func buffersThatCannotBeFreed() async throws {
    let isKeeping = Locked(true)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if Self.freesFrames(request, argument), isKeeping.withLock({ $0 }) { return -EBUSY }
      return device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let loan = LentBuffer(try await encoder.nextInputBuffer())
    try await encoder.encode(Harness.frame(0))
    let error = try await encoderError { try await encoder.changeInput(size: Self.other) }
    #expect(error?.code == .buffersLent)
    #expect(encoder.configuration.size == Harness.size)
    try await loan.encode(1, with: encoder)
    for time in Int64(2)..<10 { try await encoder.encode(Harness.frame(time)) }
    isKeeping.withLock { $0 = false }
    try await encoder.changeInput(size: Self.other)
    try await encoder.encode(Harness.frame(10, size: Self.other))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<11).map { $0 })
    #expect(transport.liveMappingCount == 0)
  }

  @Test("a device that takes neither the change nor its former settings ends the session")
  func noWayBack() async throws {
    let isBroken = Locked(false)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_S_FMT, isBroken.withLock({ $0 }) { return -EIO }
      return device.perform(request, argument)
    }
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0))
    isBroken.withLock { $0 = true }
    let error = try await withDeadline(.seconds(30), "the change") {
      try await encoderError { try await encoder.changeInput(size: Self.other) }
    }
    #expect(error?.code == .deviceLost)
    #expect(!encoder.isRunning)
    let later = try await encoderError { try await encoder.encode(Harness.frame(1)) }
    #expect(later?.code == .deviceLost)
    await encoder.close()
    let end = try await encoderError { _ = try await reader.value }
    #expect(end?.code == .deviceLost)
    #expect(transport.liveMappingCount == 0)
  }

  @Test("many changes leave nothing behind, and decode times go on")
  func often() async throws {
    let device = try Harness.device()
    let transport = BentTransport(device)
    let encoder = try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let sizes = [Harness.size, Self.other, VideoSize(width: 176, height: 144)]
    try await withDeadline(.seconds(60), "60 changes") {
      for time in Int64(0)..<60 {
        let size = sizes[Int(time) % 3]
        try await encoder.changeInput(size: size)
        try await encoder.encode(Harness.frame(time, size: size))
      }
      try await encoder.drain()
    }
    let report = encoder.negotiated
    #expect(transport.liveMappingCount == report.inputBuffers + report.outputBuffers)
    #expect(encoder.statistics.framesIn == 60)
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<60).map { $0 })
    #expect(packets.allSatisfy { $0.isKeyFrame })
    #expect(zip(packets, packets.dropFirst()).allSatisfy { $0.decodeTime <= $1.decodeTime })
    #expect(transport.liveMappingCount == 0)
    #expect(device.openHandleCount == 0)
  }

  @Test("changes beside somebody who encodes lose no frame without saying so")
  func underLoad() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    let missing = try await withDeadline(.seconds(60), "frames and changes") {
      try await withThrowingTaskGroup(of: Set<Int64>.self) { group in
        group.addTask {
          var refused: Set<Int64> = []
          for time in Int64(0)..<300 {
            let size = encoder.configuration.size
            do {
              try await encoder.encode(Harness.frame(time, size: size))
            } catch let error as EncoderError where error.code == .invalidFrame {
              refused.insert(time)
            }
          }
          return refused
        }
        group.addTask {
          for change in 0..<10 {
            try await encoder.changeInput(size: change % 2 == 0 ? Self.other : Harness.size)
          }
          return []
        }
        return try await group.reduce(into: Set<Int64>()) { $0.formUnion($1) }
      }
    }
    try await encoder.drain()
    await encoder.close()
    let times = try await reader.value.map(\.presentationTime)
    #expect(times == (0..<300).filter { !missing.contains($0) })
  }

  @Test("from copies to frames read in place, to another size, and back")
  func inputMemory() async throws {
    let transport = BentTransport(try Harness.device())
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.inputFormat = .nv12 }, on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    func packed(_ size: VideoSize) -> InputMemory {
      .userPointer(planes: [
        PlaneLayout(offset: 0, bytesPerLine: size.width),
        PlaneLayout(offset: size.width * size.height, bytesPerLine: size.width),
      ])
    }
    var time: Int64 = 0
    let parts: [(VideoSize, InputMemory)] = [
      (Harness.size, .copied), (Harness.size, packed(Harness.size)),
      (Self.other, packed(Self.other)), (Harness.size, .copied),
    ]
    for (number, (size, memory)) in parts.enumerated() {
      if number > 0 {
        var configuration = encoder.configuration
        configuration.size = size
        configuration.inputMemory = memory
        try await encoder.reconfigure(configuration)
      }
      #expect(encoder.negotiated.isZeroCopy == (memory != .copied))
      let before = encoder.statistics.bytesCopied
      for _ in 0..<6 {
        try await encoder.encode(Harness.frame(time, size: size, format: .nv12))
        time += 1
      }
      let copied = encoder.statistics.bytesCopied - before
      #expect(copied == (memory == .copied ? 6 * size.width * size.height * 3 / 2 : 0))
    }
    try await encoder.drain()
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<24).map { $0 })
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0, 6, 12, 18])
    #expect(transport.liveMappingCount == 0)
  }

  @Test("what is fixed at the opening is refused by name, without a drain")
  func fixedParts() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    try await encoder.encode(Harness.frame(0))
    let changes: [(String, (inout EncoderConfiguration) -> Void)] = [
      ("timeBase", { $0.timeBase = Rational(1, 1000) }),
      ("admission", { $0.admission = .fail }),
      ("latencyBudget", { $0.latencyBudget = .seconds(1) }),
      ("rateReduction", { $0.rateReduction = FrameRateReduction() }),
      ("packetCapacity", { $0.packetCapacity += 1 }),
      ("deadlines", { $0.deadlines.setup = .seconds(3) }),
      ("bitstreamForm", { $0.bitstreamForm = .lengthPrefixed(parameterSets: .inBand) }),
      ("accessUnitDelimiters", { $0.accessUnitDelimiters = true }),
      ("measuresQuantizer", { $0.measuresQuantizer = true }),
      ("picture size", { $0.size = VideoSize(width: 0, height: 16) }),
    ]
    for (name, change) in changes {
      var configuration = encoder.configuration
      change(&configuration)
      let error = try await encoderError { try await encoder.reconfigure(configuration) }
      #expect(error?.code == .invalidConfiguration)
      #expect(error?.message.contains(name) == true, "\(error?.message ?? "nothing")")
    }
    #expect(encoder.statistics.drains == 0)
    await encoder.close()
    let error = try await encoderError { try await encoder.changeInput(size: Self.other) }
    #expect(error?.code == .closed)
  }

  @Test("a change that waits ends with the session")
  func closing() async throws {
    let gate = Gate()
    let transport = BentTransport(try Harness.device(), isSilent: { !gate.isOpenNow })
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.deadlines.progress = .seconds(60) }, on: transport.selector)
    defer { gate.open() }
    try await encoder.encode(Harness.frame(0))
    let change = Task {
      try await encoderError { try await encoder.changeInput(size: Self.other) }
    }
    try await eventually("the change drains") {
      encoder.session.engine.core.withLock { !$0.drainWaiters.isEmpty }
    }
    await encoder.close()
    let error = try await withDeadline(.seconds(20), "the change") { try await change.value }
    #expect(error?.code == .closed)
  }

  @Test("what was changed on the way stays in force, and is asked for again")
  func settingsStay() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
    _ = try await encoder.update(
      DynamicSettings(
        bitrate: 2_500_000, frameRate: Rational(50), keyFrameInterval: 33,
        quantizer: QuantizerRange(minimum: 12, maximum: 44),
        controls: [ControlSetting(.vbvSize, 77)]))
    let report = try await encoder.changeInput(size: Self.other)
    #expect(report.frameRate == Rational(50))
    let asked = Dictionary(
      report.controls.map { ($0.name, $0.requested) }, uniquingKeysWith: { $1 })
    #expect(asked["BITRATE"] == 2_500_000 && asked["GOP_SIZE"] == 33)
    #expect(asked["H264_MIN_QP"] == 12 && asked["H264_MAX_QP"] == 44)
    #expect(asked["VBV_SIZE"] == 77)
    let configuration = encoder.configuration
    #expect(configuration.rateControl == .constant(bitrate: 2_500_000))
    #expect(configuration.size == Self.other && configuration.keyFrameInterval == 33)
    // A value given by number does not outlive a later one given by name.
    _ = try await encoder.update(DynamicSettings(controls: [ControlSetting(.bitrate, 900_000)]))
    _ = try await encoder.update(DynamicSettings(bitrate: 800_000))
    try await encoder.changeInput(size: Harness.size)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == 800_000)
    await encoder.close()
  }
}
