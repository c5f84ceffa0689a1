import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

@Suite(.timeLimit(.minutes(3))) struct SessionTests {
  @Test(
    "every frame becomes a packet with its own time",
    arguments: VirtualDevice.Configuration.Interface.allCases)
  func everyFrame(api: VirtualDevice.Configuration.Interface) async throws {
    let device = try Harness.device(api: api)
    let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    let times = (0..<35).map { Int64($0) * 7 - 20 }
    for time in times { try await encoder.encode(Harness.frame(time)) }
    try await encoder.drain()
    #expect(encoder.statistics.framesInFlight == 0)
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == times)
    #expect(packets.map(\.decodeTime) == times)
    #expect(packets.allSatisfy { $0.duration == 1 && !$0.isTimeInferred && !$0.isCorrupt })
    let keys = packets.indices.filter { packets[$0].isKeyFrame }
    #expect(keys == [0, 10, 20, 30])
    #expect(keys.allSatisfy { packets[$0].hasParameterSets })
    let statistics = encoder.statistics
    #expect(statistics.framesIn == 35 && statistics.packetsOut == 35)
    #expect(statistics.bytesOut == packets.reduce(0) { $0 + $1.byteCount })
    #expect(device.openHandleCount == 0)
  }

  @Test func framesHeldBackComeAtTheDrain() async throws {
    let device = try Harness.device(nullDelay: 3)
    let encoder = try await HEVCEncoder.open(Harness.configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    for round in 0..<3 {
      for index in 0..<12 { try await encoder.encode(Harness.frame(Int64(round * 12 + index))) }
      try await encoder.drain()
      #expect(encoder.statistics.packetsOut == (round + 1) * 12)
    }
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<36).map(Int64.init))
    // Each stretch starts a stream of its own.
    #expect([0, 12, 24].allSatisfy { packets[$0].isKeyFrame && packets[$0].hasParameterSets })
  }

  @Test func thousandCyclesOnOneDevice() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    var next: Int64 = 0
    for cycle in 0..<1000 {
      for _ in 0...(cycle % 3) {
        try await encoder.encode(Harness.frame(next))
        next += 1
      }
      try await encoder.drain()
    }
    let statistics = encoder.statistics
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.map(\.presentationTime) == (0..<next).map { $0 })
    #expect(statistics.drains == 1000)
    #expect(statistics.framesSkipped == 0)
  }

  @Test func sixteenEncodersAtOnce() async throws {
    let device = try Harness.device()
    try await withThrowingTaskGroup(of: (Int64, [Int64]).self) { group in
      for number in Int64(0)..<16 {
        group.addTask {
          let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
          let reader = Harness.collect(encoder.packets)
          for time in 0..<Int64(50) {
            try await encoder.encode(Harness.frame(number * 1000 + time))
          }
          try await encoder.drain()
          await encoder.close()
          return (number, try await reader.value.map(\.presentationTime))
        }
      }
      for try await (number, times) in group {
        #expect(times == (0..<50).map { number * 1000 + $0 })
      }
    }
    #expect(device.openHandleCount == 0)
    #expect(device.encodedFrameCount == 800)
  }

  @Test func keyFrameOnDemand() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.keyFrameInterval = 1000 }, on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<20 {
      try await encoder.encode(
        Harness.frame(time), options: FrameOptions(forceKeyFrame: time == 13))
      // The control acts on the next frame the device takes, so it must have taken the others.
      try await eventually(within: .seconds(5), "the packet of frame \(time)") {
        encoder.statistics.packetsOut == Int(time) + 1
      }
    }
    try await encoder.drain()
    await encoder.close()
    let packets = try await reader.value
    #expect(packets.indices.filter { packets[$0].isKeyFrame } == [0, 13])
    #expect(packets[13].hasParameterSets)
  }

  @Test func drainOfNothingReturns() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    try await encoder.drain()
    #expect(encoder.statistics.drains == 0)
    await encoder.close()
  }

  @Test func closedEncodersRefuse() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    await encoder.close()
    await encoder.close()
    let refusals = [
      try await encoderError { try await encoder.encode(Harness.frame(0)) },
      try await encoderError { try await encoder.drain() },
      try await encoderError { _ = try await encoder.nextInputBuffer() },
    ]
    #expect(refusals.map { $0?.code } == [.closed, .closed, .closed])
    for try await _ in encoder.packets { Issue.record("a packet out of nothing") }
  }

  @Test func aDroppedEncoderGivesTheDeviceBack() async throws {
    let device = try Harness.device()
    for _ in 0..<20 {
      let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
      try await encoder.encode(Harness.frame(0))
      try await encoder.encode(Harness.frame(1))
    }
    try await eventually(within: .seconds(10), "every handle is closed") {
      device.openHandleCount == 0
    }
  }

  @Test func readerWhoDoesNotReadIsNamed() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      Harness.configuration {
        $0.packetCapacity = 2
        $0.deadlines.consumer = .milliseconds(200)
      }, on: .virtual(device))
    var accepted = 0
    do throws(EncoderError) {
      for time in Int64(0)..<100 {
        let frame: VideoFrame
        do { frame = try Harness.frame(time) } catch { break }
        try await encoder.encode(frame)
        accepted += 1
      }
      Issue.record("100 frames fit into an encoder that nobody reads")
    } catch {
      #expect(error.code == .consumerStalled)
    }
    // Reading makes the encoder work again: nothing was lost, and a drain ends, at the latest the
    // one after the reader got a turn of this machine.
    let reader = Harness.collect(encoder.packets)
    for _ in 0..<50 {
      do throws(EncoderError) {
        try await encoder.drain()
        break
      } catch {
        #expect(error.code == .consumerStalled)
      }
    }
    #expect(encoder.statistics.drains == 1)
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == (0..<Int64(accepted)).map { $0 })
  }

  @Test func cancelledWaiterLeavesCleanly() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(
      Harness.configuration { $0.packetCapacity = 1 }, on: .virtual(device))
    let feeder = Task { () -> EncoderError? in
      for time in Int64(0)..<100 {
        let frame: VideoFrame
        do { frame = try Harness.frame(time) } catch { return nil }
        do throws(EncoderError) { try await encoder.encode(frame) } catch { return error }
      }
      return nil
    }
    try await eventually(within: .seconds(5), "back pressure") {
      encoder.statistics.framesInFlight >= 4
    }
    feeder.cancel()
    #expect(await feeder.value?.code == .cancelled)
    let reader = Harness.collect(encoder.packets)
    try await encoder.drain()
    let accepted = encoder.statistics.framesIn
    await encoder.close()
    #expect(try await reader.value.count == accepted)
  }

  @Test func framesOfAnotherKindAreRefused() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    let other = VideoSize(width: 64, height: 64)
    for frame in [
      try Harness.frame(0, size: other), try Harness.frame(0, format: .nv12),
    ] {
      do throws(EncoderError) {
        try await encoder.encode(frame)
        Issue.record("accepted")
      } catch {
        #expect(error.code == .invalidFrame)
      }
    }
    await encoder.close()
  }

  @Test func framesRenderedIntoTheDevicesBuffers() async throws {
    let device = try Harness.device()
    let encoder = try await H264Encoder.open(Harness.configuration(), on: .virtual(device))
    let reader = Harness.collect(encoder.packets)
    for time in Int64(0)..<10 {
      var buffer = try await encoder.nextInputBuffer()
      #expect(buffer.size == Harness.size)
      for plane in 0..<buffer.planeCount {
        #expect(buffer.bytesPerLine(ofPlane: plane) > 0)
        buffer.withMutableBytes(ofPlane: plane) { bytes in
          bytes.storeBytes(of: 128, toByteOffset: 0, as: UInt8.self)
        }
      }
      // Every third is given back unused.
      if time % 3 == 2 { continue }
      try await encoder.encode(
        buffer, presentationTime: time, duration: 1, options: FrameOptions())
    }
    try await encoder.drain()
    let late = try await encoder.nextInputBuffer()
    try await encoder.encode(late, presentationTime: 99, duration: 1, options: FrameOptions())
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [0, 1, 3, 4, 6, 7, 9, 99])
  }

  @Test func aLoanDoesNotHoldUpADrain() async throws {
    let encoder = try await H264Encoder.open(
      Harness.configuration(), on: .virtual(Harness.device()))
    let reader = Harness.collect(encoder.packets)
    let loan = try await encoder.nextInputBuffer()
    try await encoder.encode(Harness.frame(1))
    try await encoder.drain()
    try await encoder.encode(loan, presentationTime: 2, duration: 1, options: FrameOptions())
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.map(\.presentationTime) == [1, 2])
  }
}
