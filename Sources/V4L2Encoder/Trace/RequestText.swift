internal import CV4L2
internal import Glibc

/// Requests and the structs behind them in words.
package enum RequestText {
  /// What the caller says, with a space before it.
  @unsafe static func given(_ request: UInt, _ argument: UnsafeRawPointer) -> String {
    switch request {
    case CV4L2_VIDIOC_QUERYCAP, CV4L2_VIDIOC_DQEVENT, CV4L2_VIDIOC_G_PRIORITY: ""
    case CV4L2_VIDIOC_ENUM_FMT:
      unsafe read(argument, v4l2_fmtdesc.self) { " \(queue($0.type)) \($0.index)" }
    case CV4L2_VIDIOC_G_FMT:
      unsafe read(argument, v4l2_format.self) { unsafe " \(queue($0.type))" }
    case CV4L2_VIDIOC_REQBUFS:
      unsafe read(argument, v4l2_requestbuffers.self) {
        " \(queue($0.type)) \(memory($0.memory)) \($0.count)"
      }
    case CV4L2_VIDIOC_QUERYBUF, CV4L2_VIDIOC_DQBUF:
      unsafe read(argument, v4l2_buffer.self) {
        unsafe " \(queue($0.type)) \(memory($0.memory)) \($0.index)"
      }
    case CV4L2_VIDIOC_EXPBUF:
      unsafe read(argument, v4l2_exportbuffer.self) {
        " \(queue($0.type)) \($0.index) plane \($0.plane)"
      }
    case CV4L2_VIDIOC_G_PARM:
      unsafe read(argument, v4l2_streamparm.self) { " \(queue($0.type))" }
    case CV4L2_VIDIOC_G_CTRL:
      unsafe read(argument, v4l2_control.self) { " \(control($0.id))" }
    case CV4L2_VIDIOC_G_EXT_CTRLS:
      unsafe read(argument, v4l2_ext_controls.self) { unsafe controls($0, withValues: false) }
    case CV4L2_VIDIOC_QUERYCTRL:
      unsafe read(argument, v4l2_queryctrl.self) { " \(queried($0.id))" }
    case CV4L2_VIDIOC_QUERY_EXT_CTRL:
      unsafe read(argument, v4l2_query_ext_ctrl.self) { " \(queried($0.id))" }
    case CV4L2_VIDIOC_QUERYMENU:
      unsafe read(argument, v4l2_querymenu.self) { " \(control($0.id)) \($0.index)" }
    case CV4L2_VIDIOC_ENUM_FRAMESIZES:
      unsafe read(argument, v4l2_frmsizeenum.self) {
        " \(PixelFormat(rawValue: $0.pixel_format)) \($0.index)"
      }
    case CV4L2_VIDIOC_ENUM_FRAMEINTERVALS:
      unsafe read(argument, v4l2_frmivalenum.self) {
        " \(PixelFormat(rawValue: $0.pixel_format)) \($0.width)x\($0.height) \($0.index)"
      }
    case CV4L2_VIDIOC_G_SELECTION:
      unsafe read(argument, v4l2_selection.self) {
        " \(queue($0.type)) \(selectionTarget($0.target))"
      }
    default: unsafe content(request, argument)
    }
  }

  /// What the driver answers, with a space before it.
  @unsafe static func answer(_ request: UInt, _ argument: UnsafeRawPointer) -> String {
    switch request {
    case CV4L2_VIDIOC_STREAMON, CV4L2_VIDIOC_STREAMOFF, CV4L2_VIDIOC_SUBSCRIBE_EVENT,
      CV4L2_VIDIOC_UNSUBSCRIBE_EVENT, CV4L2_VIDIOC_QBUF, CV4L2_VIDIOC_S_PRIORITY:
      ""
    default: unsafe content(request, argument)
    }
  }

  /// What is in a struct that means the same in both directions.
  @unsafe private static func content(_ request: UInt, _ argument: UnsafeRawPointer) -> String {
    switch request {
    case CV4L2_VIDIOC_QUERYCAP: unsafe read(argument, v4l2_capability.self, capability)
    case CV4L2_VIDIOC_ENUM_FMT:
      unsafe read(argument, v4l2_fmtdesc.self) {
        " \(PixelFormat(rawValue: $0.pixelformat)) flags \(hexadecimal($0.flags)) "
          + "\"\(fixedText($0.description))\""
      }
    case CV4L2_VIDIOC_G_FMT, CV4L2_VIDIOC_S_FMT, CV4L2_VIDIOC_TRY_FMT:
      unsafe read(argument, v4l2_format.self) { unsafe format($0) }
    case CV4L2_VIDIOC_REQBUFS:
      unsafe read(argument, v4l2_requestbuffers.self) {
        " \($0.count) capabilities \(hexadecimal($0.capabilities))"
      }
    case CV4L2_VIDIOC_CREATE_BUFS:
      unsafe read(argument, v4l2_create_buffers.self) {
        unsafe " \(memory($0.memory)) \($0.count) from \($0.index)\(format($0.format))"
      }
    case CV4L2_VIDIOC_QUERYBUF, CV4L2_VIDIOC_QBUF, CV4L2_VIDIOC_DQBUF, CV4L2_VIDIOC_PREPARE_BUF:
      unsafe read(argument, v4l2_buffer.self) { unsafe buffer($0) }
    case CV4L2_VIDIOC_EXPBUF:
      unsafe read(argument, v4l2_exportbuffer.self) { " fd \($0.fd)" }
    case CV4L2_VIDIOC_STREAMON, CV4L2_VIDIOC_STREAMOFF:
      unsafe read(argument, UInt32.self) { " \(queue($0))" }
    case CV4L2_VIDIOC_G_PRIORITY, CV4L2_VIDIOC_S_PRIORITY:
      unsafe read(argument, UInt32.self) { " \($0)" }
    case CV4L2_VIDIOC_G_PARM, CV4L2_VIDIOC_S_PARM:
      unsafe read(argument, v4l2_streamparm.self) { parameters($0) }
    case CV4L2_VIDIOC_G_CTRL, CV4L2_VIDIOC_S_CTRL:
      unsafe read(argument, v4l2_control.self) { " \(control($0.id))=\($0.value)" }
    case CV4L2_VIDIOC_G_EXT_CTRLS, CV4L2_VIDIOC_S_EXT_CTRLS, CV4L2_VIDIOC_TRY_EXT_CTRLS:
      unsafe read(argument, v4l2_ext_controls.self) { unsafe controls($0, withValues: true) }
    case CV4L2_VIDIOC_QUERYCTRL:
      unsafe read(argument, v4l2_queryctrl.self) {
        " \(control($0.id)) type \($0.type) \($0.minimum)..\($0.maximum) step \($0.step) "
          + "default \($0.default_value) flags \(hexadecimal($0.flags)) \"\(fixedText($0.name))\""
      }
    case CV4L2_VIDIOC_QUERY_EXT_CTRL:
      unsafe read(argument, v4l2_query_ext_ctrl.self) {
        " \(control($0.id)) type \($0.type) \($0.minimum)..\($0.maximum) step \($0.step) "
          + "default \($0.default_value) flags \(hexadecimal($0.flags)) \"\(fixedText($0.name))\""
      }
    case CV4L2_VIDIOC_QUERYMENU:
      // A menu of numbers has the number in place of the name; the request does not say which.
      unsafe read(argument, v4l2_querymenu.self) {
        " \"\(fixedText($0.name))\" value \($0.value)"
      }
    case CV4L2_VIDIOC_ENUM_FRAMESIZES: unsafe read(argument, v4l2_frmsizeenum.self, sizes)
    case CV4L2_VIDIOC_ENUM_FRAMEINTERVALS: unsafe read(argument, v4l2_frmivalenum.self, intervals)
    case CV4L2_VIDIOC_ENCODER_CMD, CV4L2_VIDIOC_TRY_ENCODER_CMD:
      unsafe read(argument, v4l2_encoder_cmd.self) {
        " \(encoderCommand($0.cmd)) flags \($0.flags)"
      }
    case CV4L2_VIDIOC_SUBSCRIBE_EVENT, CV4L2_VIDIOC_UNSUBSCRIBE_EVENT:
      unsafe read(argument, v4l2_event_subscription.self) { " \(event($0.type)) \($0.id)" }
    case CV4L2_VIDIOC_DQEVENT:
      unsafe read(argument, v4l2_event.self) {
        " \(event($0.type)) \($0.id) sequence \($0.sequence) pending \($0.pending)"
      }
    case CV4L2_VIDIOC_G_SELECTION, CV4L2_VIDIOC_S_SELECTION:
      unsafe read(argument, v4l2_selection.self) {
        " \(queue($0.type)) \(selectionTarget($0.target)) "
          + "\($0.r.width)x\($0.r.height)@\($0.r.left),\($0.r.top) flags \($0.flags)"
      }
    default: ""
    }
  }

  @unsafe private static func read<Struct>(
    _ argument: UnsafeRawPointer, _ type: Struct.Type, _ text: (Struct) -> String
  ) -> String { text(unsafe argument.loadUnaligned(as: type)) }

  private static func control(_ id: UInt32) -> String {
    EncoderControl.name(of: ControlID(rawValue: id))
  }

  /// A control with the marks that ask for the next one.
  private static func queried(_ id: UInt32) -> String {
    let marks = UInt32(V4L2_CTRL_FLAG_NEXT_CTRL) | UInt32(V4L2_CTRL_FLAG_NEXT_COMPOUND)
    let name = id & ~marks == 0 ? "the first" : control(id & ~marks)
    return id & marks == 0 ? name : "next after \(name)"
  }

  private static func capability(_ raw: v4l2_capability) -> String {
    let version = "\(raw.version >> 16).\(raw.version >> 8 & 0xff).\(raw.version & 0xff)"
    return " driver \"\(fixedText(raw.driver))\" card \"\(fixedText(raw.card))\" "
      + "bus \"\(fixedText(raw.bus_info))\" version \(version) capabilities "
      + "\(hexadecimal(raw.capabilities)) device \(hexadecimal(raw.device_caps))"
  }

  private static func format(_ raw: v4l2_format) -> String {
    var raw = unsafe raw
    var flat = cv4l2_format()
    unsafe cv4l2_format_unpack(&raw, &flat)
    let all = [flat.planes.0, flat.planes.1, flat.planes.2, flat.planes.3]
    let planes = all.prefix(Int(flat.plane_count)).map { "\($0.bytesperline)/\($0.sizeimage)" }
    return unsafe " \(queue(raw.type)) \(PixelFormat(rawValue: flat.pixelformat)) "
      + "\(flat.width)x\(flat.height) planes \(planes.joined(separator: " ")) "
      + "colours \(flat.colorspace)/\(flat.xfer_func)/\(flat.ycbcr_enc)/\(flat.quantization)"
  }

  private static func buffer(_ raw: v4l2_buffer) -> String {
    var planes: [String] = []
    switch unsafe raw.type {
    case V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue:
      guard let first = unsafe raw.m.planes else { break }
      for index in 0..<min(Int(unsafe raw.length), Int(VIDEO_MAX_PLANES)) {
        let plane = unsafe first[index]
        let place = unsafe self.place(raw.memory, plane.m.mem_offset, plane.m.fd)
        let offset = plane.data_offset == 0 ? "" : " from \(plane.data_offset)"
        planes.append("\(plane.bytesused)/\(plane.length)\(offset)\(place)")
      }
    default:
      let place = unsafe self.place(raw.memory, raw.m.offset, raw.m.fd)
      planes.append(unsafe "\(raw.bytesused)/\(raw.length)\(place)")
    }
    let microseconds =
      unsafe Int64(raw.timestamp.tv_sec) &* 1_000_000 &+ Int64(raw.timestamp.tv_usec)
    return unsafe " \(queue(raw.type)) \(memory(raw.memory)) \(raw.index) "
      + "planes \(planes.joined(separator: " ")) time \(microseconds) sequence \(raw.sequence) "
      + "flags \(BufferFlags(rawValue: raw.flags))"
  }

  private static func place(_ memory: UInt32, _ offset: UInt32, _ descriptor: Int32) -> String {
    switch memory {
    case V4L2_MEMORY_MMAP.rawValue: " at \(hexadecimal(offset))"
    case V4L2_MEMORY_DMABUF.rawValue: " fd \(descriptor)"
    default: ""
    }
  }

  private static func parameters(_ raw: v4l2_streamparm) -> String {
    let isOutput = [V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE].contains {
      $0.rawValue == raw.type
    }
    let interval =
      unsafe isOutput ? raw.parm.output.timeperframe : raw.parm.capture.timeperframe
    return " \(queue(raw.type)) \(interval.numerator)/\(interval.denominator) s"
  }

  private static func controls(_ raw: v4l2_ext_controls, withValues: Bool) -> String {
    var list: [String] = []
    if let first = unsafe raw.controls {
      for index in 0..<min(Int(unsafe raw.count), 64) {
        let one = unsafe first[index]
        let name = unsafe control(one.id)
        let payload = unsafe one.size == 0 ? "\(one.value)" : "(\(one.size) bytes)"
        list.append(withValues ? "\(name)=\(payload)" : name)
      }
    }
    return unsafe " class \(hexadecimal(raw.which)) \(list.joined(separator: " "))"
  }

  private static func sizes(_ raw: v4l2_frmsizeenum) -> String {
    guard raw.type != V4L2_FRMSIZE_TYPE_DISCRETE.rawValue else {
      return " \(raw.discrete.width)x\(raw.discrete.height)"
    }
    let range = raw.stepwise
    return " \(range.min_width)x\(range.min_height)..\(range.max_width)x\(range.max_height) "
      + "step \(range.step_width)x\(range.step_height)"
  }

  private static func intervals(_ raw: v4l2_frmivalenum) -> String {
    func text(_ interval: v4l2_fract) -> String { "\(interval.numerator)/\(interval.denominator)" }
    guard raw.type != V4L2_FRMIVAL_TYPE_DISCRETE.rawValue else { return " \(text(raw.discrete)) s" }
    return " \(text(raw.stepwise.min))..\(text(raw.stepwise.max)) s"
  }
}
