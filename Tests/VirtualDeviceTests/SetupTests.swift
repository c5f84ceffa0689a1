import CV4L2
import Glibc
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

@Suite("Formats, selection, frame interval and priority")
struct SetupTests {
  typealias Interface = VirtualDevice.Configuration.Interface

  private func formats(_ client: DeviceClient, _ direction: Direction) throws -> [UInt32] {
    var found: [UInt32] = []
    while true {
      var description = v4l2_fmtdesc()
      description.type = client.type(direction)
      description.index = UInt32(found.count)
      let result = client.result(CV4L2_VIDIOC_ENUM_FMT, &description)
      guard result == 0 else {
        #expect(result == -EINVAL)
        return found
      }
      #expect(
        (description.flags & UInt32(V4L2_FMT_FLAG_COMPRESSED) != 0) == (direction == .capture))
      found.append(description.pixelformat)
    }
  }

  @Test("The device says what it is", arguments: Interface.allCases)
  func capabilities(api: Interface) throws {
    let client = try DeviceClient(api)
    var answer = v4l2_capability()
    try client.call(CV4L2_VIDIOC_QUERYCAP, &answer)
    let kind = api == .multiplanar ? V4L2_CAP_VIDEO_M2M_MPLANE : V4L2_CAP_VIDEO_M2M
    #expect(answer.device_caps & UInt32(kind) != 0)
    #expect(answer.device_caps & UInt32(V4L2_CAP_STREAMING) != 0)
    #expect(answer.capabilities & UInt32(V4L2_CAP_DEVICE_CAPS) != 0)
  }

  @Test("Formats are those of the interface and of the codecs")
  func enumeration() throws {
    let multi = try DeviceClient(.multiplanar)
    #expect(
      try formats(multi, .output) == [
        CV4L2_PIX_FMT_NV12, CV4L2_PIX_FMT_YUV420, CV4L2_PIX_FMT_NV21, CV4L2_PIX_FMT_NV12M,
        CV4L2_PIX_FMT_YUV420M, CV4L2_PIX_FMT_YUYV,
      ])
    #expect(try formats(multi, .capture) == [CV4L2_PIX_FMT_H264, CV4L2_PIX_FMT_HEVC])
    let single = try DeviceClient(.singlePlanar, hevc: .none)
    #expect(
      try formats(single, .output) == [
        CV4L2_PIX_FMT_NV12, CV4L2_PIX_FMT_YUV420, CV4L2_PIX_FMT_NV21, CV4L2_PIX_FMT_YUYV,
      ])
    #expect(try formats(single, .capture) == [CV4L2_PIX_FMT_H264])
    let bare = try DeviceClient(h264: .none)
    #expect(try formats(bare, .capture) == [CV4L2_PIX_FMT_HEVC])
  }

  @Test("The other interface's buffer types are refused")
  func wrongInterface() throws {
    let client = try DeviceClient(.multiplanar)
    var format = v4l2_format()
    for type in [V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_CAPTURE] {
      format.type = type.rawValue
      #expect(client.result(CV4L2_VIDIOC_G_FMT, &format) == -EINVAL)
    }
    format.type = 77
    #expect(client.result(CV4L2_VIDIOC_S_FMT, &format) == -EINVAL)
  }

  @Test(
    "Strides are rounded to 64, rows to 8",
    arguments: [
      // format, width, height, asked stride, strides and sizes of the planes
      (CV4L2_PIX_FMT_NV12, 100, 90, 0, [(128, 128 * 96 * 3 / 2)]),
      (CV4L2_PIX_FMT_NV12, 100, 90, 200, [(256, 256 * 96 * 3 / 2)]),
      (CV4L2_PIX_FMT_YUV420, 100, 90, 0, [(128, 128 * 96 * 3 / 2)]),
      (CV4L2_PIX_FMT_YUYV, 100, 90, 0, [(256, 256 * 96)]),
      (CV4L2_PIX_FMT_NV12M, 1920, 1084, 0, [(1920, 1920 * 1088), (1920, 1920 * 544)]),
      (
        CV4L2_PIX_FMT_YUV420M, 1920, 1084, 0,
        [(1920, 1920 * 1088), (960, 960 * 544), (960, 960 * 544)]
      ),
    ] as [(UInt32, Int, Int, Int, [(Int, Int)])])
  func layouts(_ raw: UInt32, _ width: Int, _ height: Int, _ stride: Int, _ planes: [(Int, Int)])
    throws
  {
    let client = try DeviceClient()
    let asked = try client.setFormat(
      .output, raw, UInt32(width), UInt32(height), stride: UInt32(stride),
      request: CV4L2_VIDIOC_TRY_FMT)
    #expect(asked.fourCC == raw)
    #expect(asked.planes.map { Int($0.stride) } == planes.map(\.0))
    #expect(asked.planes.map { Int($0.size) } == planes.map(\.1))
    #expect(try client.getFormat(.output).width == 1280, "TRY_FMT changed the format")
    let set = try client.setFormat(
      .output, raw, UInt32(width), UInt32(height), stride: UInt32(stride))
    #expect(set.planes.map(\.size) == asked.planes.map(\.size))
    #expect(try client.getFormat(.output).planes.map(\.size) == set.planes.map(\.size))
  }

  @Test("Sizes are clamped, unknown formats replaced", arguments: Interface.allCases)
  func clamping(api: Interface) throws {
    let client = try DeviceClient(api)
    let small = try client.setFormat(.output, 0x1234_5678, 1, 1)
    #expect((small.fourCC, small.width, small.height) == (CV4L2_PIX_FMT_NV12, 16, 16))
    let large = try client.setFormat(.output, CV4L2_PIX_FMT_YUYV, .max, .max, stride: .max)
    #expect((large.width, large.height) == (4096, 4096))
    #expect(large.planes[0].stride == 32768)
  }

  @Test("Colours go from OUTPUT to CAPTURE", arguments: Interface.allCases)
  func colors(api: Interface) throws {
    let client = try DeviceClient(api)
    let asked: (UInt32, UInt32, UInt32, UInt32) = (
      V4L2_COLORSPACE_BT2020.rawValue, V4L2_YCBCR_ENC_BT2020.rawValue,
      V4L2_QUANTIZATION_FULL_RANGE.rawValue, V4L2_XFER_FUNC_SMPTE2084.rawValue
    )
    let set = try client.setFormat(.output, CV4L2_PIX_FMT_NV12, 64, 64, color: asked)
    #expect(set.color == asked)
    #expect(try client.getFormat(.capture).color == asked)
    let open = try client.setFormat(.output, CV4L2_PIX_FMT_NV12, 64, 64)
    #expect(open.color.space == V4L2_COLORSPACE_REC709.rawValue)
  }

  @Test("CAPTURE memory is what the client wants, within reason")
  func sizeImage() throws {
    let client = try DeviceClient()
    _ = try client.setFormat(.output, CV4L2_PIX_FMT_NV12, 640, 480)
    let whole = try client.setFormat(.capture, CV4L2_PIX_FMT_H264)
    #expect(whole.planes[0].size >= 640 * 480 * 3 / 2)
    let asked = try client.setFormat(.capture, CV4L2_PIX_FMT_H264, sizeImage: 300_000)
    #expect(asked.planes[0].size == 303_104)
    let tiny = try client.setFormat(.capture, CV4L2_PIX_FMT_H264, sizeImage: 1)
    #expect(tiny.planes[0].size >= 65536)
    let huge = try client.setFormat(.capture, CV4L2_PIX_FMT_H264, sizeImage: .max)
    #expect(huge.planes[0].size == 32 << 20)
  }

  @Test("A format with buffers is busy", arguments: Interface.allCases)
  func busy(api: Interface) throws {
    let client = try DeviceClient(api)
    for direction in [Direction.output, .capture] {
      try client.request(direction, 2)
      let fourCC = direction == .output ? CV4L2_PIX_FMT_NV12 : CV4L2_PIX_FMT_H264
      let failure = #expect(throws: DeviceClient.Failure.self) {
        try client.setFormat(direction, fourCC, 64, 64)
      }
      #expect(failure?.errno == EBUSY)
      try client.request(direction, 0)
      _ = try client.setFormat(direction, fourCC, 64, 64)
    }
  }

  @Test("The crop rectangle is the whole picture until it is set")
  func selection() throws {
    let client = try DeviceClient()
    _ = try client.setFormat(.output, CV4L2_PIX_FMT_NV12, 1920, 1084)
    for type in [V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE] {
      for target in [V4L2_SEL_TGT_CROP, V4L2_SEL_TGT_CROP_BOUNDS, V4L2_SEL_TGT_CROP_DEFAULT] {
        var selection = v4l2_selection()
        selection.type = type.rawValue
        selection.target = UInt32(target)
        try client.call(CV4L2_VIDIOC_G_SELECTION, &selection)
        #expect((selection.r.width, selection.r.height) == (1920, 1088))
      }
    }
    let crop = try client.setCrop(1920, 1080)
    #expect((crop.width, crop.height, crop.left, crop.top) == (1920, 1080, 0, 0))
    #expect(try client.getFormat(.capture).height == 1088)
    let moved = try client.setCrop(101, 99, left: 7, top: -3)
    #expect((moved.width, moved.height, moved.left, moved.top) == (100, 98, 6, 0))
    let outside = try client.setCrop(64, 64, left: .max, top: .max)
    #expect((outside.left, outside.top) == (1920 - 64, 1088 - 64))
    let whole = try client.setCrop(.max, .max, left: .min, top: .min)
    #expect((whole.width, whole.height, whole.left, whole.top) == (1920, 1088, 0, 0))

    var wrong = v4l2_selection()
    wrong.type = V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
    #expect(client.result(CV4L2_VIDIOC_G_SELECTION, &wrong) == -EINVAL)
    wrong.type = V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
    wrong.target = UInt32(V4L2_SEL_TGT_CROP_BOUNDS)
    #expect(client.result(CV4L2_VIDIOC_S_SELECTION, &wrong) == -EINVAL)
    wrong.target = UInt32(V4L2_SEL_TGT_COMPOSE)
    #expect(client.result(CV4L2_VIDIOC_G_SELECTION, &wrong) == -EINVAL)
    wrong.target = UInt32(V4L2_SEL_TGT_CROP)
    wrong.flags = UInt32(V4L2_SEL_FLAG_GE)
    wrong.r = v4l2_rect(left: 0, top: 0, width: 99, height: 99)
    #expect(client.result(CV4L2_VIDIOC_S_SELECTION, &wrong) == -ERANGE)
  }

  @Test("The frame interval is one for both queues, and never zero")
  func interval() throws {
    let client = try DeviceClient()
    var parameters = v4l2_streamparm()
    parameters.type = client.type(.output)
    parameters.parm.output.timeperframe = v4l2_fract(numerator: 1001, denominator: 30000)
    try client.call(CV4L2_VIDIOC_S_PARM, &parameters)
    #expect(parameters.parm.output.capability & UInt32(V4L2_CAP_TIMEPERFRAME) != 0)
    parameters = v4l2_streamparm()
    parameters.type = client.type(.capture)
    try client.call(CV4L2_VIDIOC_G_PARM, &parameters)
    #expect(parameters.parm.capture.timeperframe.numerator == 1001)
    #expect(parameters.parm.capture.timeperframe.denominator == 30000)
    for (numerator, denominator) in [(0, 0), (0, 5), (5, 0)] as [(UInt32, UInt32)] {
      parameters.type = client.type(.output)
      parameters.parm.output.timeperframe = v4l2_fract(
        numerator: numerator, denominator: denominator)
      try client.call(CV4L2_VIDIOC_S_PARM, &parameters)
      #expect(parameters.parm.output.timeperframe.numerator > 0)
      #expect(parameters.parm.output.timeperframe.denominator > 0)
    }
  }

  @Test("Sizes and intervals are enumerated for known formats only")
  func enumerationOfSizes() throws {
    let client = try DeviceClient()
    var sizes = v4l2_frmsizeenum()
    sizes.pixel_format = CV4L2_PIX_FMT_H264
    try client.call(CV4L2_VIDIOC_ENUM_FRAMESIZES, &sizes)
    #expect(sizes.type == V4L2_FRMSIZE_TYPE_STEPWISE.rawValue)
    #expect((sizes.stepwise.min_width, sizes.stepwise.max_height) == (16, 4096))
    sizes.index = 1
    #expect(client.result(CV4L2_VIDIOC_ENUM_FRAMESIZES, &sizes) == -EINVAL)
    sizes.index = 0
    sizes.pixel_format = CV4L2_PIX_FMT_MJPEG
    #expect(client.result(CV4L2_VIDIOC_ENUM_FRAMESIZES, &sizes) == -EINVAL)
    var intervals = v4l2_frmivalenum()
    intervals.pixel_format = CV4L2_PIX_FMT_NV12
    (intervals.width, intervals.height) = (1280, 720)
    try client.call(CV4L2_VIDIOC_ENUM_FRAMEINTERVALS, &intervals)
    #expect(intervals.type == V4L2_FRMIVAL_TYPE_CONTINUOUS.rawValue)
    (intervals.width, intervals.height) = (8, 720)
    #expect(client.result(CV4L2_VIDIOC_ENUM_FRAMEINTERVALS, &intervals) == -EINVAL)
  }

  @Test("The handle of highest priority keeps the others from changing anything")
  func priority() throws {
    let device = try VirtualDevice(.init(h264: .null, hevc: .null))
    let first = try DeviceClient(device)
    let second = try DeviceClient(device)
    var value = UInt32(0)
    try first.call(CV4L2_VIDIOC_G_PRIORITY, &value)
    #expect(value == V4L2_PRIORITY_INTERACTIVE.rawValue)
    value = V4L2_PRIORITY_RECORD.rawValue
    try first.call(CV4L2_VIDIOC_S_PRIORITY, &value)
    try second.call(CV4L2_VIDIOC_G_PRIORITY, &value)
    #expect(value == V4L2_PRIORITY_RECORD.rawValue)
    let failure = #expect(throws: DeviceClient.Failure.self) {
      try second.setFormat(.output, CV4L2_PIX_FMT_NV12, 64, 64)
    }
    #expect(failure?.errno == EBUSY)
    _ = try first.setFormat(.output, CV4L2_PIX_FMT_NV12, 64, 64)
    first.close()
    _ = try second.setFormat(.output, CV4L2_PIX_FMT_NV12, 64, 64)
    value = 9
    #expect(second.result(CV4L2_VIDIOC_S_PRIORITY, &value) == -EINVAL)
  }

  @Test("Unknown requests are ENOTTY, requests after close EBADF")
  func unknown() throws {
    let client = try DeviceClient()
    var bytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for request in [
      CV4L2_VIDIOC_EXPBUF, CV4L2_VIDIOC_ENUMINPUT, CV4L2_VIDIOC_LOG_STATUS, 0, 0xffff,
    ] {
      #expect(client.result(request, &bytes) == -ENOTTY)
    }
    client.close()
    var value = UInt32(0)
    #expect(client.result(CV4L2_VIDIOC_G_PRIORITY, &value) == -EBADF)
  }
}
