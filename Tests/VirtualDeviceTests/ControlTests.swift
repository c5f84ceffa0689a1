import CV4L2
import Glibc
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

@Suite("Controls and events", .timeLimit(.minutes(1)))
struct ControlTests {
  private func text<Field>(_ field: Field) -> String {
    withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  @Test("Every control is enumerated once, in order, by both requests")
  func enumeration() throws {
    let client = try DeviceClient()
    var found: [UInt32] = []
    var query = v4l2_query_ext_ctrl()
    query.id = UInt32(V4L2_CTRL_FLAG_NEXT_CTRL) | UInt32(V4L2_CTRL_FLAG_NEXT_COMPOUND)
    while client.result(CV4L2_VIDIOC_QUERY_EXT_CTRL, &query) == 0 {
      found.append(query.id)
      #expect(!text(query.name).isEmpty)
      #expect(query.minimum <= query.default_value && query.default_value <= query.maximum)
      var old = v4l2_queryctrl()
      old.id = query.id
      try client.call(CV4L2_VIDIOC_QUERYCTRL, &old)
      #expect(old.type == query.type && old.flags == query.flags)
      #expect(Int64(old.default_value) == query.default_value)
      query.id |= UInt32(V4L2_CTRL_FLAG_NEXT_CTRL) | UInt32(V4L2_CTRL_FLAG_NEXT_COMPOUND)
    }
    #expect(found == VirtualDevice.Personality.spec.controls.map(\.identifier).sorted())
    #expect(found == found.sorted())
    query.id = UInt32(V4L2_CTRL_FLAG_NEXT_COMPOUND)
    #expect(client.result(CV4L2_VIDIOC_QUERY_EXT_CTRL, &query) == -EINVAL)
    query.id = UInt32(V4L2_CID_BASE)
    #expect(client.result(CV4L2_VIDIOC_QUERY_EXT_CTRL, &query) == -EINVAL)
  }

  @Test("B-frames exist for HEVC only, and the range says so")
  func codedFormatRange() throws {
    let client = try DeviceClient()
    func highest() throws -> Int64 {
      var query = v4l2_query_ext_ctrl()
      query.id = UInt32(V4L2_CID_MPEG_VIDEO_B_FRAMES)
      try client.call(CV4L2_VIDIOC_QUERY_EXT_CTRL, &query)
      var old = v4l2_queryctrl()
      old.id = query.id
      try client.call(CV4L2_VIDIOC_QUERYCTRL, &old)
      #expect(Int64(old.maximum) == query.maximum)
      return query.maximum
    }
    var subscription = v4l2_event_subscription()
    subscription.type = UInt32(V4L2_EVENT_CTRL)
    subscription.id = UInt32(V4L2_CID_MPEG_VIDEO_B_FRAMES)
    try client.call(CV4L2_VIDIOC_SUBSCRIBE_EVENT, &subscription)

    _ = try client.setFormat(.capture, CV4L2_PIX_FMT_H264)
    #expect(try highest() == 0)
    try client.setControl(V4L2_CID_MPEG_VIDEO_B_FRAMES, 2)
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_B_FRAMES) == 0)
    var event = v4l2_event()
    #expect(client.result(CV4L2_VIDIOC_DQEVENT, &event) == -ENOENT)

    guard try client.setFormat(.capture, CV4L2_PIX_FMT_HEVC).fourCC == CV4L2_PIX_FMT_HEVC
    else { return }
    #expect(try highest() == 2)
    try client.setControl(V4L2_CID_MPEG_VIDEO_B_FRAMES, 2)
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_B_FRAMES) == 2)
    #expect(client.result(CV4L2_VIDIOC_DQEVENT, &event) == 0)
    #expect(event.u.ctrl.changes == UInt32(V4L2_EVENT_CTRL_CH_RANGE))
    #expect(event.u.ctrl.maximum == 2)

    _ = try client.setFormat(.capture, CV4L2_PIX_FMT_H264)
    #expect(try highest() == 0)
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_B_FRAMES) == 0)
    #expect(client.result(CV4L2_VIDIOC_DQEVENT, &event) == 0)
    #expect(
      event.u.ctrl.changes
        == UInt32(V4L2_EVENT_CTRL_CH_RANGE) | UInt32(V4L2_EVENT_CTRL_CH_VALUE))
    #expect(event.u.ctrl.value == 0 && event.u.ctrl.maximum == 0)
  }

  @Test("Menus have the kernel's items, and holes where the device lacks one")
  func menus() throws {
    let client = try DeviceClient()
    var item = v4l2_querymenu()
    item.id = UInt32(V4L2_CID_MPEG_VIDEO_H264_PROFILE)
    item.index = V4L2_MPEG_VIDEO_H264_PROFILE_HIGH.rawValue
    try client.call(CV4L2_VIDIOC_QUERYMENU, &item)
    #expect(text(item.name) == "High")
    for index in [V4L2_MPEG_VIDEO_H264_PROFILE_EXTENDED.rawValue, 5, UInt32.max] {
      item.index = index
      #expect(client.result(CV4L2_VIDIOC_QUERYMENU, &item) == -EINVAL)
    }
    item.id = UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)
    item.index = 0
    #expect(client.result(CV4L2_VIDIOC_QUERYMENU, &item) == -EINVAL)
  }

  @Test("Integers are rounded into range, menu items outside it are refused")
  func values() throws {
    let client = try DeviceClient()
    try client.setControl(V4L2_CID_MPEG_VIDEO_BITRATE, 1)
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_BITRATE) == 10_000)
    try client.setControl(V4L2_CID_MPEG_VIDEO_BITRATE, .max)
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_BITRATE) == 200_000_000)
    try client.setControl(V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, -7)
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE) == 1)
    func errno(_ identifier: Int32, _ value: Int32) -> Int32 {
      var control = v4l2_control(id: UInt32(bitPattern: identifier), value: value)
      return client.result(CV4L2_VIDIOC_S_CTRL, &control)
    }
    #expect(errno(V4L2_CID_MPEG_VIDEO_H264_PROFILE, 3) == -EINVAL)
    #expect(errno(V4L2_CID_MPEG_VIDEO_H264_PROFILE, 99) == -ERANGE)
    #expect(errno(V4L2_CID_MPEG_VIDEO_H264_PROFILE, -1) == -ERANGE)
    #expect(errno(V4L2_CID_MIN_BUFFERS_FOR_OUTPUT, 3) == -EACCES)
    #expect(errno(V4L2_CID_USER_CLASS, 3) == -EACCES)
    #expect(errno(V4L2_CID_BRIGHTNESS, 3) == -EINVAL)
    #expect(errno(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 5) == 0)
    var button = v4l2_control(id: UInt32(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME), value: 0)
    #expect(client.result(CV4L2_VIDIOC_G_CTRL, &button) == -EACCES)
    #expect(
      client.device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == 200_000_000)
  }

  /// One EXT_CTRLS request: result, error_idx and the values afterwards.
  private func extended(
    _ client: DeviceClient, _ request: UInt, _ pairs: [(Int32, Int32)],
    which: UInt32 = UInt32(V4L2_CTRL_WHICH_CUR_VAL)
  ) -> (result: Int32, errorIndex: UInt32, values: [Int32]) {
    var items = pairs.map { pair in
      var item = v4l2_ext_control()
      item.id = UInt32(bitPattern: pair.0)
      item.value = pair.1
      return item
    }
    return items.withUnsafeMutableBufferPointer { buffer in
      var argument = v4l2_ext_controls()
      argument.which = which
      argument.count = UInt32(buffer.count)
      argument.controls = buffer.baseAddress
      let result = client.result(request, &argument)
      return (result, argument.error_idx, buffer.map(\.value))
    }
  }

  @Test("EXT_CTRLS sets all or nothing and says where it failed")
  func extendedControls() throws {
    let client = try DeviceClient()
    let good = [
      (V4L2_CID_MPEG_VIDEO_BITRATE, Int32(2_000_000)), (V4L2_CID_MPEG_VIDEO_GOP_SIZE, 25),
    ]
    #expect(extended(client, CV4L2_VIDIOC_TRY_EXT_CTRLS, good).result == 0)
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_GOP_SIZE) == 12)
    #expect(extended(client, CV4L2_VIDIOC_S_EXT_CTRLS, good).result == 0)
    let read = extended(client, CV4L2_VIDIOC_G_EXT_CTRLS, good.map { ($0.0, 0) })
    #expect(read.values == [2_000_000, 25])
    let defaults = extended(
      client, CV4L2_VIDIOC_G_EXT_CTRLS, good.map { ($0.0, 0) },
      which: UInt32(V4L2_CTRL_WHICH_DEF_VAL))
    #expect(defaults.values == [4_000_000, 12])

    let bad = [
      (V4L2_CID_MPEG_VIDEO_BITRATE, Int32(3_000_000)), (V4L2_CID_MPEG_VIDEO_H264_PROFILE, 99),
    ]
    let tried = extended(client, CV4L2_VIDIOC_TRY_EXT_CTRLS, bad)
    #expect((tried.result, tried.errorIndex) == (-ERANGE, 1))
    let set = extended(client, CV4L2_VIDIOC_S_EXT_CTRLS, bad)
    #expect((set.result, set.errorIndex) == (-ERANGE, 2))
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_BITRATE) == 2_000_000)

    let wrongClass = extended(
      client, CV4L2_VIDIOC_TRY_EXT_CTRLS, [(V4L2_CID_MIN_BUFFERS_FOR_OUTPUT, 1)],
      which: 0x0099_0000)
    #expect((wrongClass.result, wrongClass.errorIndex) == (-EINVAL, 0))
    let readOnly = extended(
      client, CV4L2_VIDIOC_S_EXT_CTRLS, [(V4L2_CID_MIN_BUFFERS_FOR_OUTPUT, 1)])
    #expect((readOnly.result, readOnly.errorIndex) == (-EACCES, 1))
    for which in [UInt32(V4L2_CTRL_WHICH_REQUEST_VAL), UInt32(V4L2_CTRL_WHICH_DEF_VAL)] {
      #expect(extended(client, CV4L2_VIDIOC_S_EXT_CTRLS, good, which: which).result == -EINVAL)
    }
    #expect(extended(client, CV4L2_VIDIOC_G_EXT_CTRLS, [], which: 0x0099_0000).result == 0)
    #expect(extended(client, CV4L2_VIDIOC_G_EXT_CTRLS, [], which: 0x0098_0000).result == 0)
    #expect(extended(client, CV4L2_VIDIOC_G_EXT_CTRLS, [], which: 0x00ff_0000).result == -EINVAL)
    var null = v4l2_ext_controls()
    null.count = 1
    #expect(client.result(CV4L2_VIDIOC_S_EXT_CTRLS, &null) == -EFAULT)
    null.count = .max
    #expect(client.result(CV4L2_VIDIOC_S_EXT_CTRLS, &null) == -EINVAL)
  }

  @Test("Each handle has its own controls")
  func perHandle() throws {
    let device = try VirtualDevice(.init(h264: .null, hevc: .null))
    let first = try DeviceClient(device)
    let second = try DeviceClient(device)
    try first.setControl(V4L2_CID_MPEG_VIDEO_GOP_SIZE, 99)
    #expect(try second.getControl(V4L2_CID_MPEG_VIDEO_GOP_SIZE) == 12)
    #expect(device.openHandleCount == 2)
  }

  private func subscribe(
    _ client: DeviceClient, _ type: Int32, _ identifier: Int32 = 0, _ flags: Int32 = 0
  ) -> Int32 {
    var argument = v4l2_event_subscription()
    argument.type = UInt32(type)
    argument.id = UInt32(identifier)
    argument.flags = UInt32(flags)
    return client.result(CV4L2_VIDIOC_SUBSCRIBE_EVENT, &argument)
  }

  @Test("Control events come with feedback, merge, and count what is pending")
  func controlEvents() throws {
    let client = try DeviceClient()
    let flags = V4L2_EVENT_SUB_FL_SEND_INITIAL | V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK
    #expect(subscribe(client, V4L2_EVENT_CTRL, V4L2_CID_MPEG_VIDEO_BITRATE, flags) == 0)
    #expect(subscribe(client, V4L2_EVENT_CTRL, V4L2_CID_MPEG_VIDEO_GOP_SIZE) == 0)
    #expect(subscribe(client, V4L2_EVENT_CTRL, V4L2_CID_BRIGHTNESS) == -EINVAL)
    #expect(subscribe(client, V4L2_EVENT_VSYNC) == -EINVAL)
    #expect(
      try client.handle.wait(for: .event, until: MonotonicTime.now + .seconds(5)) == .event)
    var event = v4l2_event()
    try client.call(CV4L2_VIDIOC_DQEVENT, &event)
    #expect(event.id == UInt32(V4L2_CID_MPEG_VIDEO_BITRATE) && event.u.ctrl.value == 4_000_000)
    #expect(event.pending == 0)
    #expect(client.result(CV4L2_VIDIOC_DQEVENT, &event) == -ENOENT)

    // Two changes are one event with the newer value; without feedback there is none.
    try client.setControl(V4L2_CID_MPEG_VIDEO_BITRATE, 1_000_000)
    try client.setControl(V4L2_CID_MPEG_VIDEO_BITRATE, 3_000_000)
    try client.setControl(V4L2_CID_MPEG_VIDEO_GOP_SIZE, 5)
    try client.call(CV4L2_VIDIOC_DQEVENT, &event)
    #expect(event.u.ctrl.value == 3_000_000 && event.sequence == 2)
    #expect(event.u.ctrl.changes & UInt32(V4L2_EVENT_CTRL_CH_VALUE) != 0)
    #expect(client.result(CV4L2_VIDIOC_DQEVENT, &event) == -ENOENT)

    try client.setControl(V4L2_CID_MPEG_VIDEO_BITRATE, 1_000_000)
    var all = v4l2_event_subscription()
    all.type = UInt32(V4L2_EVENT_ALL)
    try client.call(CV4L2_VIDIOC_UNSUBSCRIBE_EVENT, &all)
    #expect(client.result(CV4L2_VIDIOC_DQEVENT, &event) == -ENOENT)
  }

  @Test("The end of a drain is an event")
  func endOfStream() throws {
    let client = try DeviceClient()
    #expect(subscribe(client, V4L2_EVENT_EOS) == 0)
    try StreamTests.start(client)
    _ = try StreamTests.encode(client, 3)
    #expect(client.command(V4L2_ENC_CMD_STOP) == 0)
    #expect(
      try client.handle.wait(for: .event, until: MonotonicTime.now + .seconds(5)) == .event)
    var event = v4l2_event()
    try client.call(CV4L2_VIDIOC_DQEVENT, &event)
    #expect(event.type == UInt32(V4L2_EVENT_EOS))
    let packet = try client.dequeue(.capture)
    #expect(packet.isLast && packet.bytesUsed == 0)
  }
}
