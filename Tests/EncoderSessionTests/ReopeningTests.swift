import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Drivers that have to be opened anew for other settings and for another stretch of frames.
@Suite(.timeLimit(.minutes(2))) struct ReopeningTests {
  private static let drivers = ["s5p-mfc", "wave5"]
  private static let other = VideoSize(width: 640, height: 368)
  private static let bitrate = UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)

  private func device(_ driver: String) throws -> VirtualDevice {
    let personality = try #require(VirtualDevice.Personality.named(driver))
    return try VirtualDevice(.init(personality: personality, h264: .null, hevc: .null))
  }

  /// How many mappings the buffers of one opening make.
  private func mappings(_ report: NegotiationReport) -> Int {
    report.inputBuffers * report.planeSizes.count + report.outputBuffers
  }

  private func configuration(
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) -> EncoderConfiguration {
    Harness.configuration {
      $0.keyFrameInterval = 1000
      change(&$0)
    }
  }

  private func encode(
    _ times: Range<Int64>, with encoder: H264Encoder, size: VideoSize = Harness.size
  ) async throws {
    for time in times { try await encoder.encode(Harness.frame(time, size: size)) }
  }

  @Test("every setting changes on the way, in one sequence of packets", arguments: drivers)
  func settings(driver: String) async throws {
    let transport = BentTransport(try device(driver))
    let device = transport.device
    let events = Locked<[EncoderEvent]>([])
    let encoder = try await H264Encoder.open(
      configuration(), on: transport.selector,
      observer: EncoderObserver(event: { event in events.withLock { $0.append(event) } }))
    let reader = Harness.collect(encoder.packets)
    try await encode(0..<10, with: encoder)
    let outcomes = try await encoder.update(
      DynamicSettings(
        bitrate: 2_500_000, frameRate: Rational(50), keyFrameInterval: 5,
        quantizer: QuantizerRange(minimum: 12, maximum: 44),
        controls: [ControlSetting(.vbvSize, 77)]))
    #expect(!outcomes.isEmpty && outcomes.allSatisfy { $0.result == .applied }, "\(outcomes)")
    #expect(device.appliedControls[Self.bitrate] == 2_500_000)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_VBV_SIZE)] == 77)
    try await encode(10..<20, with: encoder)
    // What was set once is set again each time.
    _ = try await encoder.set(.h264MaxQP, to: 40)
    #expect(device.appliedControls[Self.bitrate] == 2_500_000)
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_VBV_SIZE)] == 77)
    try await encode(20..<23, with: encoder)
    try await encoder.drain()
    #expect(device.openHandleCount == 1)
    #expect(transport.liveMappingCount == mappings(encoder.negotiated))
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<23).map { $0 })
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0, 10, 15, 20])
    #expect(zip(packets, packets.dropFirst()).allSatisfy { $0.decodeTime <= $1.decodeTime })
    #expect(events.withLock { !$0.contains { if case .frameSkipped = $0 { true } else { false } } })
    #expect(device.openHandleCount == 0 && transport.liveMappingCount == 0)
  }

  @Test("a drain is followed by more frames, with what was in force", arguments: drivers)
  func drains(driver: String) async throws {
    let transport = BentTransport(try device(driver))
    let events = Locked<[EncoderEvent]>([])
    let encoder = try await H264Encoder.open(
      configuration(), on: transport.selector,
      observer: EncoderObserver(event: { event in events.withLock { $0.append(event) } }))
    let reader = Harness.collect(encoder.packets)
    let before = encoder.negotiated
    try await withDeadline(.seconds(60), "20 drains") {
      for part in Int64(0)..<20 {
        try await encode(part * 3..<part * 3 + 3, with: encoder)
        try await encoder.drain()
      }
    }
    #expect(encoder.negotiated == before)
    #expect(transport.liveMappingCount == mappings(before))
    #expect(transport.device.openHandleCount == 1)
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<60).map { $0 })
    #expect(packets.indices.allSatisfy { packets[$0].isKeyFrame == ($0 % 3 == 0) })
    #expect(packets.allSatisfy { !$0.changesParameterSets })
    #expect(events.withLock { $0 } == [])
    #expect(transport.device.openHandleCount == 0 && transport.liveMappingCount == 0)
  }

  @Test("that frames are copied is still said after a drain")
  func copied() async throws {
    let planes = try RasterLayout.packed(.i420, size: Harness.size).planes
    let encoder = try await H264Encoder.open(
      configuration { $0.inputMemory = .dmabuf(planes: planes) }, on: .virtual(device("s5p-mfc")))
    let reader = Harness.collect(encoder.packets)
    let before = encoder.negotiated
    #expect(before.differences.contains { $0.hasPrefix("frames are copied") })
    for part in Int64(0)..<3 {
      try await encode(part * 3..<part * 3 + 3, with: encoder)
      try await encoder.drain()
    }
    #expect(encoder.negotiated == before)
    await encoder.close()
    #expect(try await reader.value.count == 9)
  }

  @Test("changes of every kind beside somebody who encodes lose no frame", arguments: drivers)
  func underLoad(driver: String) async throws {
    let transport = BentTransport(try device(driver))
    let encoder = try await H264Encoder.open(configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let missing = try await withDeadline(.seconds(90), "frames and changes") {
      try await withThrowingTaskGroup(of: Set<Int64>.self) { group in
        group.addTask {
          var refused: Set<Int64> = []
          for time in Int64(0)..<200 {
            do {
              try await encoder.encode(Harness.frame(time, size: encoder.configuration.size))
            } catch let error as EncoderError where error.code == .invalidFrame {
              refused.insert(time)
            }
          }
          return refused
        }
        group.addTask {
          for change in 0..<5 {
            try await encoder.changeInput(size: change % 2 == 0 ? Self.other : Harness.size)
          }
          return []
        }
        for rate in 1...5 {
          group.addTask {
            let outcomes = try await encoder.update(DynamicSettings(bitrate: rate * 400_000))
            #expect(outcomes.map(\.result) == [.applied])
            return []
          }
        }
        return try await group.reduce(into: Set<Int64>()) { $0.formUnion($1) }
      }
    }
    try await encoder.drain()
    await encoder.close()
    let times = try await reader.value.map(\.presentationTime)
    #expect(times == (0..<200).filter { !missing.contains($0) })
    #expect(transport.device.openHandleCount == 0 && transport.liveMappingCount == 0)
  }

  @Test("without leave to drain it is refused by name", arguments: drivers)
  func noLeave(driver: String) async throws {
    let device = try device(driver)
    let encoder = try await H264Encoder.open(configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    try await encode(0..<5, with: encoder)
    let outcomes = try await encoder.update(
      DynamicSettings(bitrate: 2_500_000, frameRate: Rational(50), mayDrain: false))
    #expect(outcomes.count == 2)
    for outcome in outcomes {
      guard case .leftOut(let reason) = outcome.result else {
        Issue.record("\(outcome)")
        continue
      }
      #expect(reason.contains("opened anew") && reason.contains("mayDrain"))
    }
    #expect(device.appliedControls[Self.bitrate] == 1_000_000)
    try await encode(5..<10, with: encoder)
    try await encoder.drain()
    #expect(encoder.statistics.drains == 1)
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0])
  }

  @Test("a size that is refused leaves what was in force", arguments: drivers)
  func refusal(driver: String) async throws {
    let device = try device(driver)
    let encoder = try await H264Encoder.open(configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    try await encode(0..<5, with: encoder)
    let error = try await encoderError {
      try await encoder.changeInput(size: VideoSize(width: 8704, height: 4352))
    }
    #expect(error?.code == .unsupported)
    #expect(encoder.configuration.size == Harness.size)
    try await encode(5..<10, with: encoder)
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<10).map { $0 })
    #expect(device.openHandleCount == 0)
  }

  @Test(
    "a device that cannot be opened anew ends the session by name",
    arguments: [
      (ENODEV, EncoderError.Code.deviceLost, "went away"),
      (EBUSY, .deviceBusy, "is busy while opening it anew"),
    ])
  func lost(errno: Int32, code: EncoderError.Code, text: String) async throws {
    let device = try device("wave5")
    let encoder = try await H264Encoder.open(configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    try await encode(0..<5, with: encoder)
    device.inject(.failing(.open, with: Errno(rawValue: errno), times: .max))
    let error = try await encoderError {
      _ = try await encoder.update(DynamicSettings(bitrate: 2_000_000))
    }
    #expect(error?.code == code)
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "nothing")")
    #expect(error?.message.contains("virtual") == true)
    let later = try await encoderError { try await encode(5..<6, with: encoder) }
    #expect(later == error)
    await encoder.close()
    let end = try await encoderError { _ = try await reader.value }
    #expect(end == error)
    #expect(device.openHandleCount == 0)
  }

  @Test("an opening that hangs holds nobody")
  func hanging() async throws {
    let transport = BentTransport(try device("s5p-mfc"))
    let device = transport.device
    let encoder = try await H264Encoder.open(
      configuration { $0.deadlines = Deadlines(setup: .seconds(3), progress: .seconds(1)) },
      on: transport.selector)
    defer { device.removeFaults() }
    try await encode(0..<2, with: encoder)
    device.inject(.hanging(.open))
    let error = try await withDeadline(.seconds(20), "the change") {
      try await encoderError { try await encoder.changeInput(size: Self.other) }
    }
    #expect(error?.code == .deviceStalled)
    let later = try await withDeadline(.seconds(20), "a frame") {
      try await encoderError { try await encode(2..<3, with: encoder) }
    }
    #expect(later?.code == .deviceStalled)
    await encoder.close()
    device.removeFaults()
    try await eventually("everything is given back") {
      device.openHandleCount == 0 && transport.liveMappingCount == 0
    }
  }

  @Test("a node that is another device afterwards is not used")
  func anotherDevice() async throws {
    let isAnother = Locked(false)
    let transport = BentTransport(try device("wave5")) { request, argument, device in
      let result = device.perform(request, argument)
      if request == CV4L2_VIDIOC_QUERYCAP, isAnother.withLock({ $0 }) {
        let capability = argument.assumingMemoryBound(to: v4l2_capability.self)
        withUnsafeMutableBytes(of: &capability.pointee.bus_info) { $0[0] = UInt8(ascii: "X") }
      }
      return result
    }
    let encoder = try await H264Encoder.open(configuration(), on: transport.selector)
    try await encode(0..<2, with: encoder)
    isAnother.withLock { $0 = true }
    let error = try await encoderError { try await encoder.changeInput(size: Self.other) }
    #expect(error?.code == .deviceLost)
    #expect(error?.message.contains("another device") == true)
    #expect(!encoder.isRunning)
    await encoder.close()
  }

  @Test("a buffer on loan outlives the opening it came from, and is refused")
  func loans() async throws {
    let transport = BentTransport(try device("wave5"))
    let encoder = try await H264Encoder.open(configuration(), on: transport.selector)
    let reader = Harness.collect(encoder.packets)
    let loan = LentBuffer(try await encoder.nextInputBuffer())
    try await encode(0..<3, with: encoder)
    try await encoder.drain()
    try await encode(3..<4, with: encoder)
    #expect(loan.fill(with: 99))
    let error = try await encoderError { try await loan.encode(4, with: encoder) }
    #expect(error?.code == .invalidFrame)
    #expect(error?.message.contains("opened anew") == true)
    try await encoder.drain()
    #expect(transport.liveMappingCount == mappings(encoder.negotiated))
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<4).map { $0 })
    #expect(transport.liveMappingCount == 0)
  }

  @Test("frames read where they are go on being read there")
  func framesInPlace() async throws {
    let device = try device("s5p-mfc")
    let stride = Harness.size.width
    let encoder = try await H264Encoder.open(
      configuration {
        $0.inputFormat = .nv12
        $0.inputMemory = .userPointer(planes: [
          PlaneLayout(offset: 0, bytesPerLine: stride),
          PlaneLayout(offset: stride * Harness.size.height, bytesPerLine: stride),
        ])
      }, on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    let isZeroCopy = encoder.negotiated.isZeroCopy
    for part in Int64(0)..<3 {
      for time in part * 2..<part * 2 + 2 {
        try await encoder.encode(Harness.frame(time, format: .nv12))
      }
      try await encoder.drain()
      #expect(encoder.negotiated.isZeroCopy == isZeroCopy)
    }
    #expect(isZeroCopy && encoder.statistics.bytesCopied == 0)
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<6).map { $0 })
  }

  @Test("the trace has a line for it")
  func trace() async throws {
    let lines = Locked<[String]>([])
    let selector = DeviceSelector.virtual(try device("wave5")).traced(
      by: DeviceTrace { line in lines.withLock { $0.append(line) } })
    let encoder = try await H264Encoder.open(configuration(), on: selector)
    try await encoder.changeInput(size: Self.other)
    await encoder.close()
    let all = lines.withLock { $0 }
    let place = try #require(all.firstIndex { $0.contains(" 1 reopen -> 0 (") })
    let after = all[place...]
    #expect(after.contains { $0.contains("VIDIOC_SUBSCRIBE_EVENT eos") })
    #expect(after.contains { $0.contains("VIDIOC_S_PARM") })
    #expect(all.count { $0.contains(" reopen ") } == 1)
  }
}
