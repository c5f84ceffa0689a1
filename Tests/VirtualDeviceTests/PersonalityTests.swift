import CV4L2
import Glibc
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

@Suite("What imitated drivers do otherwise", .timeLimit(.minutes(2)))
struct PersonalityTests {
  private func client(_ personality: VirtualDevice.Personality) throws -> DeviceClient {
    let device = try VirtualDevice(.init(personality: personality, h264: .null, hevc: .null))
    return try DeviceClient(device, isMultiplanar: personality.interface == .multiplanar)
  }

  /// Sets formats with what this driver wants, and starts both queues.
  private func started(
    _ personality: VirtualDevice.Personality, codec: UInt32 = CV4L2_PIX_FMT_H264
  ) throws -> DeviceClient {
    let client = try client(personality)
    _ = try client.setFormat(.capture, codec, 320, 256, sizeImage: 1 << 20)
    _ = try client.setFormat(.output, personality.rawFormats[0].fourCC, 320, 256)
    try client.mapAll(.output, try client.request(.output, 4))
    let count = try client.request(.capture, 4)
    try client.mapAll(.capture, count)
    try client.stream(.output, on: true)
    try client.stream(.capture, on: true)
    for index in 0..<Int(count) { try client.queue(.capture, index) }
    return client
  }

  private func setRate(
    _ client: DeviceClient, _ direction: Direction, _ numerator: UInt32, _ denominator: UInt32
  ) -> Int32 {
    var argument = v4l2_streamparm()
    argument.type = client.type(direction)
    let interval = v4l2_fract(numerator: numerator, denominator: denominator)
    switch direction {
    case .output: argument.parm.output.timeperframe = interval
    case .capture: argument.parm.capture.timeperframe = interval
    }
    return client.result(CV4L2_VIDIOC_S_PARM, &argument)
  }

  private func rate(_ client: DeviceClient, _ direction: Direction) throws -> v4l2_fract {
    var argument = v4l2_streamparm()
    argument.type = client.type(direction)
    try client.call(CV4L2_VIDIOC_G_PARM, &argument)
    return direction == .output
      ? argument.parm.output.timeperframe : argument.parm.capture.timeperframe
  }

  @Test("Each is named, found by its name and recognised", arguments: VirtualDevice.Personality.all)
  func identity(personality: VirtualDevice.Personality) throws {
    #expect(VirtualDevice.Personality.named(personality.name) == personality)
    #expect(!personality.summary.isEmpty)
    var capability = v4l2_capability()
    try client(personality).call(CV4L2_VIDIOC_QUERYCAP, &capability)
    let driver = withUnsafeBytes(of: capability.driver) { String(decoding: $0, as: UTF8.self) }
    #expect(driver.prefix { $0 != "\0" } == personality.identity.driver)
    let kind =
      personality.interface == .multiplanar ? V4L2_CAP_VIDEO_M2M_MPLANE : V4L2_CAP_VIDEO_M2M
    #expect(capability.device_caps & UInt32(kind) != 0)
    let identifiers = personality.controls.map(\.identifier)
    #expect(Set(identifiers).count == identifiers.count)
  }

  @Test("bcm2835-codec clamps, shrinks, and ignores START")
  func bcm2835() throws {
    let client = try client(.bcm2835)
    let format = try client.setFormat(.output, CV4L2_PIX_FMT_YUV420, 2560, 1440)
    #expect(format.width == 1920 && format.height == 1440)
    #expect(try client.setFormat(.output, CV4L2_PIX_FMT_YUV420, 1296, 972).planes[0].stride == 1344)
    #expect(try client.setFormat(.output, CV4L2_PIX_FMT_NV12, 1296, 972).planes[0].stride == 1312)
    #expect(try client.setFormat(.capture, CV4L2_PIX_FMT_H264, 1296, 972).planes[0].size == 786_432)
    #expect(try client.setCrop(640, 480, left: 16).left == 0)
    #expect(try client.setCrop(1280, 720).width == 640, "it only shrinks")
    #expect(setRate(client, .capture, 1, 25) == -EINVAL)
    #expect(setRate(client, .output, 0, 25) == -EINVAL)
    #expect(setRate(client, .output, 1, 25) == 0)
    try client.setControl(V4L2_CID_MPEG_VIDEO_GOP_SIZE, 17)
    #expect(try client.getControl(V4L2_CID_MPEG_VIDEO_H264_I_PERIOD) == 17)
    client.close()

    let running = try started(.bcm2835)
    #expect(running.command(V4L2_ENC_CMD_STOP) == 0)
    let last = try running.dequeue(.capture)
    #expect(last.isLast && last.bytesUsed == 0)
    #expect(errno { _ = try running.dequeueNow(.capture) } == EPIPE)
    #expect(running.command(V4L2_ENC_CMD_START) == 0)
    #expect(errno { _ = try running.dequeueNow(.capture) } == EPIPE)
  }

  @Test("bcm2835-codec does not start with a level that is too low")
  func insufficientLevel() throws {
    let client = try client(.bcm2835)
    _ = try client.setFormat(.capture, CV4L2_PIX_FMT_H264, 1920, 1080)
    _ = try client.setFormat(.output, CV4L2_PIX_FMT_NV12, 1920, 1080)
    #expect(setRate(client, .output, 1, 60) == 0)
    try client.request(.output, 2)
    #expect(errno { try client.stream(.output, on: true) } == ESRCH)
    try client.setControl(V4L2_CID_MPEG_VIDEO_H264_LEVEL, 13)
    try client.stream(.output, on: true)
  }

  @Test("coda takes START for STOP and ends with EPIPE alone")
  func coda() throws {
    let client = try started(.coda)
    #expect(client.command(V4L2_ENC_CMD_START) == 0)
    let deadline = MonotonicTime.now + .seconds(20)
    var answer = EAGAIN
    while answer == EAGAIN, MonotonicTime.now < deadline {
      answer = errno { _ = try client.dequeueNow(.capture) }
    }
    #expect(answer == EPIPE)
    client.close()

    let other = try self.client(.coda)
    _ = try other.setFormat(.capture, CV4L2_PIX_FMT_H264, 640, 480)
    _ = try other.setFormat(.output, CV4L2_PIX_FMT_NV12, 640, 360)
    try other.request(.output, 2)
    try other.request(.capture, 2)
    try other.stream(.output, on: true)
    #expect(errno { try other.stream(.capture, on: true) } == EINVAL)
    #expect(errno { try other.setControl(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 1) } == EINVAL)
  }

  @Test("s5p-mfc ends with an empty buffer and an event, and takes no frame after STOP")
  func s5pMFC() throws {
    let idle = try client(.s5pMFC)
    #expect(idle.command(V4L2_ENC_CMD_STOP) == -EINVAL)
    #expect(errno { _ = try idle.setFormat(.capture, CV4L2_PIX_FMT_H264, 320, 240) } == EINVAL)
    #expect(errno { try idle.request(.output, 2, memory: V4L2_MEMORY_DMABUF) } == EINVAL)
    #expect(errno { _ = try idle.setCrop(64, 64) } == ENOTTY)
    idle.close()

    let client = try started(.s5pMFC)
    var subscription = v4l2_event_subscription()
    subscription.type = UInt32(V4L2_EVENT_EOS)
    try client.call(CV4L2_VIDIOC_SUBSCRIBE_EVENT, &subscription)
    // HEADER_MODE is SEPARATE: the parameter sets come first, in a buffer of their own.
    try client.queue(.output, 0, timestamp: 5)
    let headers = try client.dequeue(.capture)
    let packet = try client.dequeue(.capture)
    #expect(headers.bytesUsed < 64 && packet.isKey && packet.timestamp == 5)
    #expect(client.command(V4L2_ENC_CMD_START) == -EINVAL)
    #expect(client.command(V4L2_ENC_CMD_STOP) == 0)
    #expect(errno { try client.queue(.output, 1) } == EIO)
    let end = try client.dequeue(.capture)
    #expect(end.bytesUsed == 0 && !end.isLast)
    var event = v4l2_event()
    #expect(client.result(CV4L2_VIDIOC_DQEVENT, &event) == 0)
    #expect(event.type == UInt32(V4L2_EVENT_EOS))
    #expect(errno { _ = try client.dequeueNow(.capture) } == EAGAIN)
  }

  @Test(
    "s5p-mfc and wave5 encode nothing more once their queues were stopped",
    arguments: [VirtualDevice.Personality.s5pMFC, .wave5])
  func oneStretch(personality: VirtualDevice.Personality) throws {
    let client = try started(personality)
    try client.queue(.output, 0, timestamp: 5)
    #expect(try client.dequeue(.capture).bytesUsed > 0)
    for isOn in [false, true] {
      for direction in [Direction.output, .capture] { try client.stream(direction, on: isOn) }
    }
    try client.queue(.capture, 0)
    try client.queue(.output, 0, timestamp: 6)
    let deadline = MonotonicTime.now + .milliseconds(200)
    #expect(try client.handle.wait(for: [.capture, .output], until: deadline) == [])
    #expect(errno { _ = try client.dequeueNow(.output) } == EAGAIN)
    try client.handle.reopen()
    #expect(errno { try client.queue(.capture, 0) } == EINVAL)
  }

  @Test("venus puts the payload behind an offset and wants four buffers")
  func venus() throws {
    let client = try started(.venus)
    try client.queue(.output, 0, timestamp: 5)
    let deadline = MonotonicTime.now + .seconds(20)
    while try client.handle.wait(for: .capture, until: deadline).isEmpty,
      MonotonicTime.now < deadline
    {}
    try client.withBuffer(.capture, 0) { buffer, planes in
      try client.call(CV4L2_VIDIOC_DQBUF, &buffer)
      #expect(planes[0].data_offset == 64 && planes[0].bytesused > 64)
      let bytes = try #require(client.planes(.capture, Int(buffer.index)).first?.address)
      #expect(bytes.load(fromByteOffset: 64, as: UInt32.self) == 0x0100_0000)
    }
    client.close()
    let other = try self.client(.venus)
    #expect(try other.setFormat(.output, CV4L2_PIX_FMT_NV12, 1920, 1080).height == 1088)
    #expect(try other.request(.output, 2) == 4)
    #expect(try rate(other, .output).denominator == 15)
  }

  @Test("iris takes the coded rate on CAPTURE and has no memory for too fast a one")
  func iris() throws {
    let client = try client(.iris)
    #expect(setRate(client, .output, 1, 50) == 0)
    #expect(try rate(client, .capture).denominator == 30)
    #expect(setRate(client, .capture, 1, 25) == 0)
    #expect(try rate(client, .capture).denominator == 25)
    #expect(setRate(client, .capture, 1, 1000) == -ENOMEM)
    #expect(errno { _ = try client.setFormat(.output, CV4L2_PIX_FMT_YUYV, 640, 480) } == EINVAL)
    var format = v4l2_fmtdesc()
    format.type = client.type(.capture)
    try client.call(CV4L2_VIDIOC_ENUM_FMT, &format)
    #expect(format.flags & UInt32(V4L2_FMT_FLAG_ENC_CAP_FRAME_INTERVAL) != 0)
  }

  @Test("wave5 says that a key frame of H.264 is predicted, and cuts frame rates")
  func wave5() throws {
    let client = try started(.wave5)
    try client.queue(.output, 0)
    let packet = try client.dequeue(.capture)
    #expect(!packet.isKey && packet.flags & UInt32(V4L2_BUF_FLAG_PFRAME) != 0)
    client.close()
    let hevc = try started(.wave5, codec: CV4L2_PIX_FMT_HEVC)
    try hevc.queue(.output, 0)
    #expect(try hevc.dequeue(.capture).isKey)
    #expect(setRate(hevc, .output, 1001, 30_000) == 0)
    #expect(try rate(hevc, .output).denominator == 29)
  }

  @Test("rkmpp wants CAPTURE first, the class of a control, and shares a frame's memory")
  func rkmpp() throws {
    let client = try client(.rkmpp)
    #expect(errno { _ = try client.setFormat(.output, CV4L2_PIX_FMT_NV12M, 320, 240) } == EINVAL)
    #expect(errno { _ = try client.setFormat(.capture, CV4L2_PIX_FMT_H264, 320, 240) } == EINVAL)
    #expect(errno { try client.setControl(V4L2_CID_MPEG_VIDEO_BITRATE, 1) } == ENOTTY)
    #expect(set(client, V4L2_CID_MPEG_VIDEO_BITRATE, 1_000_000, which: 0) == -EINVAL)
    let codecClass = UInt32(V4L2_CTRL_CLASS_CODEC)
    #expect(set(client, V4L2_CID_MPEG_VIDEO_BITRATE, 1_000_000, which: codecClass) == 0)
    #expect(set(client, V4L2_CID_MPEG_VIDEO_B_FRAMES, 1, which: codecClass) == -EINVAL)

    _ = try client.setFormat(.capture, CV4L2_PIX_FMT_H264, 320, 256, sizeImage: 1 << 20)
    _ = try client.setFormat(.output, CV4L2_PIX_FMT_YUV420M, 320, 256)
    try client.request(.output, 2)
    try client.withBuffer(.output, 0) { buffer, planes in
      try client.call(CV4L2_VIDIOC_QUERYBUF, &buffer)
      #expect(buffer.length == 3)
      #expect(planes[0].length == 320 * 256 * 3 / 2)
      #expect(planes[1].length == 0 && planes[2].length == 0)
    }
  }

  @Test("NVIDIA's plugin ends at an empty frame and locks most controls")
  func nvidia() throws {
    let codecClass = UInt32(V4L2_CTRL_CLASS_CODEC)
    let idle = try client(.nvidia)
    var range: [UInt32] = [20, 40, 21, 41, 22, 42]
    let quantizers: UInt32 = 0x0099_0b1b
    #expect(
      range.withUnsafeMutableBytes { bytes in
        var control = v4l2_ext_control()
        control.id = quantizers
        control.string = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        return set(idle, &control, which: codecClass)
      } == 0)
    #expect(idle.device.appliedStructures == [quantizers: range])
    idle.close()

    let client = try started(.nvidia)
    #expect(set(client, V4L2_CID_MPEG_VIDEO_GOP_SIZE, 5, which: codecClass) == -EBUSY)
    #expect(set(client, V4L2_CID_MPEG_VIDEO_BITRATE, 500_000, which: codecClass) == 0)
    try client.queue(
      .output, 0, timestamp: 5, flags: UInt32(V4L2_BUF_FLAG_TIMESTAMP_COPY))
    #expect(try client.dequeue(.capture).timestamp == 5)
    try client.queue(.output, 1, timestamp: 6)
    #expect(try client.dequeue(.capture).timestamp == 0, "times are copied on request")
    try client.queue(.output, 2, bytesUsed: [0, 0, 0])
    let end = try client.dequeue(.capture)
    #expect(end.bytesUsed == 0 && !end.isLast)
  }

  @Test("What poll(2) says is what the plugins' descriptors say")
  func polling() throws {
    func bits(_ personality: VirtualDevice.Personality) throws -> Readiness {
      let device = try VirtualDevice(.init(personality: personality, h264: .null, hevc: .null))
      let handle = try device.open()
      defer { handle.close() }
      return handle.readiness()
    }
    #expect(try bits(.spec) == .error)
    #expect(try bits(.rkmpp) == [])
    #expect(try bits(.nvidia) == [.capture, .output])
  }

  private func set(
    _ client: DeviceClient, _ identifier: Int32, _ value: Int32, which: UInt32
  ) -> Int32 {
    var control = v4l2_ext_control()
    control.id = UInt32(bitPattern: identifier)
    control.value = value
    return set(client, &control, which: which)
  }

  private func set(
    _ client: DeviceClient, _ control: inout v4l2_ext_control, which: UInt32
  ) -> Int32 {
    withUnsafeMutablePointer(to: &control) { control in
      var controls = v4l2_ext_controls()
      controls.which = which
      controls.count = 1
      controls.controls = control
      return client.result(CV4L2_VIDIOC_S_EXT_CTRLS, &controls)
    }
  }
}
