import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What drivers are known to do to packets.
@Suite(.timeLimit(.minutes(2))) struct PacketRuleTests {
  @Test("frames without a packet are reported, and do not hang the drain")
  func skippedFrames() async throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      let number = count.withLock { count -> Int in
        count += 1
        return count
      }
      guard number == 3 || number == 7 else { return result }
      // The encoder produced nothing: its buffer comes back empty.
      let planes = buffer(argument).pointee.m.planes
      planes?.pointee.bytesused = 0
      return 0
    }
    let outcome = try await transport.encode(frames: 10, drains: 1)
    #expect(outcome.times == [0, 1, 3, 4, 5, 7, 8, 9])
    #expect(outcome.statistics.framesSkipped == 2)
    #expect(
      outcome.events == [.frameSkipped(presentationTime: 2), .frameSkipped(presentationTime: 6)])
  }

  @Test("a buffer of parameter sets alone belongs to the next picture")
  func separateHeaders() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_S_EXT_CTRLS,
        controlNumber(argument) == V4L2_CID_MPEG_VIDEO_HEADER_MODE
      {
        argument.assumingMemoryBound(to: v4l2_ext_controls.self).pointee.controls.pointee.value =
          Int32(V4L2_MPEG_VIDEO_HEADER_MODE_SEPARATE.rawValue)
      }
      return device.perform(request, argument)
    }
    let outcome = try await transport.encode()
    #expect(outcome.times == times(0..<24))
    #expect(outcome.packets[0].isKeyFrame && outcome.packets[0].hasParameterSets)
    #expect(outcome.packets[12].isKeyFrame && outcome.packets[12].hasParameterSets)
    #expect(outcome.report.differences.contains { $0.contains("HEADER_MODE") })
  }

  @Test("a driver that cannot repeat parameter sets: the library inserts them")
  func insertedParameterSets() async throws {
    let absent = [
      UInt32(V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR),
      UInt32(V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER),
    ]
    let device = try Harness.device()
    let transport = BentTransport(device) { request, argument, device in
      let isControl = request == CV4L2_VIDIOC_S_EXT_CTRLS || request == CV4L2_VIDIOC_G_EXT_CTRLS
      if isControl, absent.contains(controlNumber(argument)) { return -EINVAL }
      return device.perform(request, argument)
    }
    let outcome = try await transport.encode(frames: 25, drains: 1)
    #expect(outcome.report.parameterSets == .inserted)
    let keys = outcome.packets.filter(\.isKeyFrame)
    #expect(keys.map(\.presentationTime) == [0, 10, 20])
    #expect(keys.allSatisfy { $0.hasParameterSets })
    for absentControl in outcome.report.controls where absent.contains(absentControl.id) {
      #expect(absentControl.result == .unsupported)
    }
  }

  @Test("key frames are read from the bitstream, as wave5 flags them wrongly")
  func wrongKeyFrameFlag() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      if result == 0, takesPacket(request, argument) {
        buffer(argument).pointee.flags ^= UInt32(V4L2_BUF_FLAG_KEYFRAME)
      }
      return result
    }
    let outcome = try await transport.encode(frames: 12, drains: 1)
    #expect(outcome.packets.indices.filter { outcome.packets[$0].isKeyFrame } == [0, 10])
  }

  @Test("a driver that does not copy times is served in order, and the packets say so")
  func timesNotCopied() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      if result == 0, takesPacket(request, argument) {
        buffer(argument).pointee.flags &= ~UInt32(V4L2_BUF_FLAG_TIMESTAMP_COPY)
        buffer(argument).pointee.timestamp = timeval(tv_sec: 0, tv_usec: 0)
      }
      return result
    }
    let outcome = try await transport.encode()
    #expect(outcome.times == times(0..<24))
    #expect(outcome.packets.allSatisfy { $0.isTimeInferred })
  }

  @Test func theErrorFlagSpoilsOneBuffer() async throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      let isThird = count.withLock { count -> Bool in
        count += 1
        return count == 3
      }
      if isThird { buffer(argument).pointee.flags |= UInt32(V4L2_BUF_FLAG_ERROR) }
      return result
    }
    let outcome = try await transport.encode()
    #expect(outcome.times == times(0..<24))
    #expect(outcome.packets.indices.filter { outcome.packets[$0].isCorrupt } == [2])
    #expect(outcome.events == [.corruptPacket(presentationTime: 2)])
  }

  @Test(
    "buffers that cannot be are a protocol violation, never a trap",
    arguments: ["index", "bytesused", "data_offset"])
  func impossibleBuffers(what: String) async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      switch what {
      case "index": buffer(argument).pointee.index = 77
      case "bytesused": buffer(argument).pointee.m.planes.pointee.bytesused = .max
      default: buffer(argument).pointee.m.planes.pointee.data_offset = .max
      }
      return result
    }
    do throws(any Error) {
      _ = try await transport.encode()
      Issue.record("accepted")
    } catch let error as EncoderError {
      #expect(error.code == .protocolViolation)
    }
  }
}
