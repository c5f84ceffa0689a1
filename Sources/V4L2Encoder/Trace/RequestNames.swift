internal import CV4L2

extension RequestText {
  /// The C name of a request, or its number.
  static func name(_ request: UInt) -> String { names[request] ?? hexadecimal(UInt32(request)) }

  /// The request with a C name; nil when there is none.
  package static func request(named name: String) -> UInt? {
    names.first { $0.value == name }?.key
  }

  private static let names: [UInt: String] = [
    CV4L2_VIDIOC_QUERYCAP: "VIDIOC_QUERYCAP", CV4L2_VIDIOC_ENUM_FMT: "VIDIOC_ENUM_FMT",
    CV4L2_VIDIOC_G_FMT: "VIDIOC_G_FMT", CV4L2_VIDIOC_S_FMT: "VIDIOC_S_FMT",
    CV4L2_VIDIOC_TRY_FMT: "VIDIOC_TRY_FMT", CV4L2_VIDIOC_REQBUFS: "VIDIOC_REQBUFS",
    CV4L2_VIDIOC_QUERYBUF: "VIDIOC_QUERYBUF", CV4L2_VIDIOC_QBUF: "VIDIOC_QBUF",
    CV4L2_VIDIOC_EXPBUF: "VIDIOC_EXPBUF", CV4L2_VIDIOC_DQBUF: "VIDIOC_DQBUF",
    CV4L2_VIDIOC_STREAMON: "VIDIOC_STREAMON", CV4L2_VIDIOC_STREAMOFF: "VIDIOC_STREAMOFF",
    CV4L2_VIDIOC_G_PARM: "VIDIOC_G_PARM", CV4L2_VIDIOC_S_PARM: "VIDIOC_S_PARM",
    CV4L2_VIDIOC_G_CTRL: "VIDIOC_G_CTRL", CV4L2_VIDIOC_S_CTRL: "VIDIOC_S_CTRL",
    CV4L2_VIDIOC_QUERYCTRL: "VIDIOC_QUERYCTRL", CV4L2_VIDIOC_QUERYMENU: "VIDIOC_QUERYMENU",
    CV4L2_VIDIOC_G_EXT_CTRLS: "VIDIOC_G_EXT_CTRLS", CV4L2_VIDIOC_S_EXT_CTRLS: "VIDIOC_S_EXT_CTRLS",
    CV4L2_VIDIOC_TRY_EXT_CTRLS: "VIDIOC_TRY_EXT_CTRLS",
    CV4L2_VIDIOC_QUERY_EXT_CTRL: "VIDIOC_QUERY_EXT_CTRL",
    CV4L2_VIDIOC_ENUM_FRAMESIZES: "VIDIOC_ENUM_FRAMESIZES",
    CV4L2_VIDIOC_ENUM_FRAMEINTERVALS: "VIDIOC_ENUM_FRAMEINTERVALS",
    CV4L2_VIDIOC_ENCODER_CMD: "VIDIOC_ENCODER_CMD",
    CV4L2_VIDIOC_TRY_ENCODER_CMD: "VIDIOC_TRY_ENCODER_CMD", CV4L2_VIDIOC_DQEVENT: "VIDIOC_DQEVENT",
    CV4L2_VIDIOC_SUBSCRIBE_EVENT: "VIDIOC_SUBSCRIBE_EVENT",
    CV4L2_VIDIOC_UNSUBSCRIBE_EVENT: "VIDIOC_UNSUBSCRIBE_EVENT",
    CV4L2_VIDIOC_CREATE_BUFS: "VIDIOC_CREATE_BUFS", CV4L2_VIDIOC_PREPARE_BUF: "VIDIOC_PREPARE_BUF",
    CV4L2_VIDIOC_G_SELECTION: "VIDIOC_G_SELECTION", CV4L2_VIDIOC_S_SELECTION: "VIDIOC_S_SELECTION",
    CV4L2_VIDIOC_G_CROP: "VIDIOC_G_CROP", CV4L2_VIDIOC_S_CROP: "VIDIOC_S_CROP",
    CV4L2_VIDIOC_CROPCAP: "VIDIOC_CROPCAP", CV4L2_VIDIOC_G_PRIORITY: "VIDIOC_G_PRIORITY",
    CV4L2_VIDIOC_S_PRIORITY: "VIDIOC_S_PRIORITY", CV4L2_VIDIOC_LOG_STATUS: "VIDIOC_LOG_STATUS",
    CV4L2_VIDIOC_ENUMINPUT: "VIDIOC_ENUMINPUT", CV4L2_VIDIOC_G_INPUT: "VIDIOC_G_INPUT",
    CV4L2_VIDIOC_S_INPUT: "VIDIOC_S_INPUT", CV4L2_VIDIOC_ENUMOUTPUT: "VIDIOC_ENUMOUTPUT",
  ]

  /// A queue, by its buffer type.
  static func queue(_ type: UInt32) -> String {
    switch type {
    case V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue: "capture"
    case V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue: "output"
    case V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue: "capture-mplane"
    case V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue: "output-mplane"
    default: "type-\(type)"
    }
  }

  static func memory(_ value: UInt32) -> String {
    switch value {
    case V4L2_MEMORY_MMAP.rawValue: "mmap"
    case V4L2_MEMORY_USERPTR.rawValue: "userptr"
    case V4L2_MEMORY_DMABUF.rawValue: "dmabuf"
    default: "memory-\(value)"
    }
  }

  static func event(_ type: UInt32) -> String {
    switch type {
    case UInt32(V4L2_EVENT_EOS): "eos"
    case UInt32(V4L2_EVENT_CTRL): "ctrl"
    case UInt32(V4L2_EVENT_SOURCE_CHANGE): "source-change"
    default: "event-\(type)"
    }
  }

  static func encoderCommand(_ command: UInt32) -> String {
    switch command {
    case UInt32(V4L2_ENC_CMD_START): "start"
    case UInt32(V4L2_ENC_CMD_STOP): "stop"
    case UInt32(V4L2_ENC_CMD_PAUSE): "pause"
    case UInt32(V4L2_ENC_CMD_RESUME): "resume"
    default: "command-\(command)"
    }
  }

  static func selectionTarget(_ target: UInt32) -> String {
    switch target {
    case UInt32(V4L2_SEL_TGT_CROP): "crop"
    case UInt32(V4L2_SEL_TGT_CROP_DEFAULT): "crop-default"
    case UInt32(V4L2_SEL_TGT_CROP_BOUNDS): "crop-bounds"
    case UInt32(V4L2_SEL_TGT_COMPOSE): "compose"
    case UInt32(V4L2_SEL_TGT_COMPOSE_DEFAULT): "compose-default"
    case UInt32(V4L2_SEL_TGT_COMPOSE_BOUNDS): "compose-bounds"
    default: "target-\(target)"
    }
  }

  /// What is waited for or ready, in the names of poll(2).
  static func readiness(_ set: Readiness) -> String {
    let names: [(Readiness, String)] = [
      (.capture, "IN"), (.output, "OUT"), (.event, "PRI"), (.error, "ERR"), (.hangUp, "HUP"),
    ]
    let parts = names.filter { set.contains($0.0) }.map(\.1)
    return parts.isEmpty ? "nothing" : parts.joined(separator: "|")
  }

  static func hexadecimal(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }
}
