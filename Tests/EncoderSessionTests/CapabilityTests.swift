import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What a device says of itself, from honest drivers and from broken ones.
@Suite(.timeLimit(.minutes(2))) struct CapabilityTests {
  private typealias Query = UnsafeMutablePointer<v4l2_query_ext_ctrl>

  private func bent(_ bend: @escaping BentTransport.Bend) throws -> DeviceSelector {
    BentTransport(try Harness.device(), bend: bend).selector
  }

  @Test func anHonestDriver() throws {
    let capabilities = try EncoderCapabilities.read(from: .virtual(try Harness.device()))
    #expect(capabilities.driver == "virtual-encoder")
    #expect(capabilities.family == .generic)
    let bitrate = try #require(capabilities.description(of: .bitrate))
    #expect(bitrate.range == 10_000...200_000_000)
    #expect(bitrate.current == bitrate.defaultValue)
    #expect(capabilities.name(of: bitrate) == .bitrate)
    let profile = try #require(capabilities.description(of: .h264Profile))
    #expect(profile.kind == .menu)
    #expect(profile.items.map(\.index) == [0, 1, 2, 4])
    let button = try #require(capabilities.description(of: .forceKeyFrame))
    #expect(button.kind == .button && button.isWriteOnly && button.current == nil)
    #expect(capabilities.controls.map(\.id) == capabilities.controls.map(\.id).sorted())
    let codec = try #require(capabilities.codecs.first { $0.codec == .h264 })
    #expect(codec.profiles == ["baseline", "constrained-baseline", "main", "high"])
    #expect(codec.levels.first?.name == "1")
    #expect(codec.levels.count > 10)
    let size = try #require(codec.sizes.first)
    #expect(size.minimum.width > 0 && size.maximum.width >= 1920 && size.step.width >= 1)
    #expect(!capabilities.rawFormats.isEmpty)
  }

  @Test("the older requests say the same")
  func olderRequests() throws {
    let newer = try EncoderCapabilities.read(from: .virtual(try Harness.device()))
    let older = try EncoderCapabilities.read(
      from: bent { request, argument, device in
        request == CV4L2_VIDIOC_QUERY_EXT_CTRL ? -ENOTTY : device.perform(request, argument)
      })
    #expect(older.controls == newer.controls)
  }

  @Test("a driver that cannot go through its list is asked for each control")
  func noList() throws {
    let known = [
      UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_MODE), UInt32(V4L2_CID_MPEG_VIDEO_H264_PROFILE),
    ]
    let capabilities = try EncoderCapabilities.read(
      from: bent { request, argument, device in
        switch request {
        case CV4L2_VIDIOC_QUERY_EXT_CTRL, CV4L2_VIDIOC_G_EXT_CTRLS, CV4L2_VIDIOC_G_CTRL:
          return -ENOTTY
        case CV4L2_VIDIOC_QUERYCTRL:
          guard known.contains(argument.load(as: UInt32.self)) else { return -EINVAL }
          let result = device.perform(request, argument)
          // libv4l-rkmpp gives neither a type nor a name.
          let answer = argument.assumingMemoryBound(to: v4l2_queryctrl.self)
          answer.pointee.type = 0
          withUnsafeMutableBytes(of: &answer.pointee.name) { $0.copyBytes(from: [0]) }
          return result
        default: return device.perform(request, argument)
        }
      })
    #expect(capabilities.controls.map(\.id).sorted() == known.sorted())
    #expect(capabilities.controls.allSatisfy { $0.kind == .menu && $0.current == nil })
    #expect(capabilities.codecs.first?.profiles.contains("high") == true)
  }

  @Test("no answer is no control, not a failure")
  func noAnswers() throws {
    let capabilities = try EncoderCapabilities.read(
      from: bent { request, argument, device in
        let questions = [CV4L2_VIDIOC_QUERY_EXT_CTRL, CV4L2_VIDIOC_QUERYCTRL]
        return questions.contains(request) ? -ENOTTY : device.perform(request, argument)
      })
    #expect(capabilities.controls == [])
    #expect(capabilities.codecs.count == 2)
  }

  @Test(
    "lists without an end are cut off", arguments: ["the same", "always one more", "backwards"])
  func endlessLists(kind: String) throws {
    let calls = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_QUERYMENU { calls.withLock { $0 += 1 }; return 0 }
      guard request == CV4L2_VIDIOC_QUERY_EXT_CTRL else {
        return device.perform(request, argument)
      }
      calls.withLock { $0 += 1 }
      let query = argument.assumingMemoryBound(to: v4l2_query_ext_ctrl.self)
      let id = query.pointee.id & 0x0fff_ffff
      query.pointee = v4l2_query_ext_ctrl()
      query.pointee.id =
        switch kind {
        case "the same": 0x0099_0900
        case "always one more": id + 1
        default: id == 0 ? 0x0fff_ffff : id - 1
        }
      query.pointee.type = V4L2_CTRL_TYPE_MENU.rawValue
      query.pointee.minimum = .min
      query.pointee.maximum = .max
      return 0
    }
    // Longer than usual, for a busy machine: what has to end the lists is a count.
    let capabilities = try CapabilityReader.read(
      "bent", transport: transport, within: .seconds(20))
    #expect(capabilities.controls.count <= 1024)
    #expect(calls.withLock { $0 } <= 8192)
  }

  @Test("ranges and names that make no sense are survived, and such a driver still encodes")
  func garbage() async throws {
    let selector = try bent { request, argument, device in
      let result = device.perform(request, argument)
      guard request == CV4L2_VIDIOC_QUERY_EXT_CTRL, result == 0 else { return result }
      let query = argument.assumingMemoryBound(to: v4l2_query_ext_ctrl.self)
      query.pointee.minimum = .max
      query.pointee.maximum = .min
      query.pointee.step = .max
      query.pointee.elems = .max
      withUnsafeMutableBytes(of: &query.pointee.name) { name in
        for index in name.indices { name[index] = 0xff }
      }
      return result
    }
    let capabilities = try EncoderCapabilities.read(from: selector)
    #expect(!capabilities.controls.isEmpty)
    #expect(capabilities.controls.allSatisfy { $0.range == nil && $0.items.isEmpty })
    let encoder = try await H264Encoder.open(Harness.configuration(), on: selector)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0))
    try await encoder.drain()
    await encoder.close()
    #expect(try await reader.value.count == 1)
  }

  @Test("a driver that hangs is left behind by name")
  func hangingDriver() throws {
    let gate = Gate()
    defer { gate.open() }
    let selector = try bent { request, argument, device in
      if request == CV4L2_VIDIOC_QUERY_EXT_CTRL { gate.wait() }
      return device.perform(request, argument)
    }
    let error = #expect(throws: EncoderError.self) {
      try EncoderCapabilities.read(from: selector)
    }
    #expect(error?.code == .deviceStalled)
  }

  @Test func whatIsNoEncoderIsRefused() throws {
    let error = #expect(throws: EncoderError.self) {
      try EncoderCapabilities.read(from: .path("/dev/null"))
    }
    #expect(error != nil)
  }
}
