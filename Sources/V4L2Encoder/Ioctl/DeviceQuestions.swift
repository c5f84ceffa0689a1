internal import CV4L2
internal import Glibc

/// What a driver can be asked without any effect on anybody, for dumps.
extension DeviceHandle {
  /// Everything that `VIDIOC_QUERYCAP` answers.
  package func identity() throws(Errno) -> DeviceDump.Identity {
    var raw = v4l2_capability()
    try call(CV4L2_VIDIOC_QUERYCAP, &raw)
    var identity = DeviceDump.Identity()
    identity.driver = fixedText(raw.driver)
    identity.card = fixedText(raw.card)
    identity.bus = fixedText(raw.bus_info)
    identity.version = "\(raw.version >> 16).\(raw.version >> 8 & 0xff).\(raw.version & 0xff)"
    identity.capabilities = Bits(raw.capabilities)
    identity.deviceCapabilities = Bits(raw.device_caps)
    return identity
  }

  /// Lists a queue's formats with their names; ends after 256, since a list of a broken driver may
  /// not end.
  ///
  /// The C request is `VIDIOC_ENUM_FMT`.
  package func namedFormats(_ bufferType: UInt32) -> [DeviceDump.Format] {
    var list: [DeviceDump.Format] = []
    while list.count < 256 {
      var raw = v4l2_fmtdesc()
      raw.index = UInt32(list.count)
      raw.type = bufferType
      do throws(Errno) { try call(CV4L2_VIDIOC_ENUM_FMT, &raw) } catch { break }
      var format = DeviceDump.Format()
      format.fourCC = FourCC(raw.pixelformat)
      format.name = fixedText(raw.description)
      format.flags = Bits(raw.flags)
      list.append(format)
    }
    return list
  }

  /// Asks for the capabilities of a queue's buffers, by making room for none.
  ///
  /// The C request is `VIDIOC_REQBUFS`.
  package func bufferCapabilities(
    _ bufferType: UInt32, memory: UInt32
  ) throws(Errno) -> UInt32 {
    var raw = v4l2_requestbuffers()
    raw.type = bufferType
    raw.memory = memory
    try call(CV4L2_VIDIOC_REQBUFS, &raw)
    return raw.capabilities
  }

  /// The rectangles of the OUTPUT queue.
  ///
  /// The C request is `VIDIOC_G_SELECTION`, with the single-planar type, as for setting it.
  package func selections() -> [DeviceDump.Selection] {
    let targets = [V4L2_SEL_TGT_CROP, V4L2_SEL_TGT_CROP_DEFAULT, V4L2_SEL_TGT_CROP_BOUNDS]
    return targets.map { target in
      var raw = v4l2_selection()
      raw.type = V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
      raw.target = UInt32(target)
      var selection = DeviceDump.Selection()
      selection.target = RequestText.selectionTarget(UInt32(target))
      do throws(Errno) {
        try call(CV4L2_VIDIOC_G_SELECTION, &raw)
        selection.rectangle = "\(raw.r.width)x\(raw.r.height)@\(raw.r.left),\(raw.r.top)"
      } catch {
        selection.error = error.description
      }
      return selection
    }
  }

  /// Finds out which requests there are, by asking for what cannot be.
  ///
  /// A driver that has a request says EINVAL to a queue, a control or a format number 0; one that
  /// lacks it says ENOTTY before it looks. Left out is what might wait (DQBUF, DQEVENT) or start
  /// something (QBUF, STREAMON); `VIDIOC_ENCODER_CMD` gets a command that does not exist.
  package func requestAnswers() -> [DeviceDump.Answer] {
    let nowhere: UInt32 = 0
    let questions: [(request: UInt, words: [UInt32], mark: String)] = [
      (CV4L2_VIDIOC_G_FMT, [nowhere], ""), (CV4L2_VIDIOC_S_FMT, [nowhere], ""),
      (CV4L2_VIDIOC_TRY_FMT, [nowhere], ""), (CV4L2_VIDIOC_ENUM_FRAMESIZES, [0, 0], ""),
      (CV4L2_VIDIOC_ENUM_FRAMEINTERVALS, [0, 0], ""), (CV4L2_VIDIOC_QUERYBUF, [0, nowhere], ""),
      (CV4L2_VIDIOC_CREATE_BUFS, [0, 0, 0], ""), (CV4L2_VIDIOC_PREPARE_BUF, [0, nowhere], ""),
      (CV4L2_VIDIOC_EXPBUF, [nowhere], ""), (CV4L2_VIDIOC_G_PARM, [nowhere], ""),
      (CV4L2_VIDIOC_S_PARM, [nowhere], ""), (CV4L2_VIDIOC_G_SELECTION, [nowhere, 0xffff], ""),
      (CV4L2_VIDIOC_S_SELECTION, [nowhere, 0xffff], ""), (CV4L2_VIDIOC_G_CROP, [nowhere], ""),
      (CV4L2_VIDIOC_CROPCAP, [nowhere], ""), (CV4L2_VIDIOC_QUERYCTRL, [0], ""),
      (CV4L2_VIDIOC_QUERY_EXT_CTRL, [0], ""), (CV4L2_VIDIOC_QUERYMENU, [0], ""),
      (CV4L2_VIDIOC_G_CTRL, [0], ""), (CV4L2_VIDIOC_S_CTRL, [0], ""),
      (CV4L2_VIDIOC_G_EXT_CTRLS, [0, 0], ""), (CV4L2_VIDIOC_S_EXT_CTRLS, [0, 0], ""),
      (CV4L2_VIDIOC_TRY_EXT_CTRLS, [0, 0], ""), (CV4L2_VIDIOC_G_PRIORITY, [0], ""),
      (CV4L2_VIDIOC_SUBSCRIBE_EVENT, [UInt32(V4L2_EVENT_EOS)], " eos"),
      (CV4L2_VIDIOC_SUBSCRIBE_EVENT, [UInt32(V4L2_EVENT_CTRL)], " ctrl"),
      (CV4L2_VIDIOC_TRY_ENCODER_CMD, [UInt32(V4L2_ENC_CMD_STOP)], " stop"),
      (CV4L2_VIDIOC_TRY_ENCODER_CMD, [UInt32(V4L2_ENC_CMD_START)], " start"),
      (CV4L2_VIDIOC_ENCODER_CMD, [0xffff], ""),
    ]
    return questions.map { question in
      DeviceDump.Answer(
        RequestText.name(question.request) + question.mark,
        failure(of: question.request, beginningWith: question.words))
    }
  }

  /// What a request with a struct of zeros behind these first words fails with; nil for nothing.
  private func failure(of request: UInt, beginningWith words: [UInt32]) -> Errno? {
    // Larger than the struct of any request; aligned as the largest of their members.
    var room = [UInt64](repeating: 0, count: 128)
    return unsafe room.withUnsafeMutableBytes { bytes in
      guard let address = bytes.baseAddress else { return nil }
      for (index, word) in words.enumerated() {
        unsafe bytes.storeBytes(of: word, toByteOffset: index * 4, as: UInt32.self)
      }
      var result = -EINTR
      for _ in 0..<100 where result == -EINTR { result = unsafe ioctl(request, address) }
      return result < 0 ? Errno(rawValue: -result) : nil
    }
  }
}

extension BufferMemory {
  /// Every kind of memory with its number, the ones this library does not use too.
  package static var kinds: [(name: String, number: UInt32)] {
    [V4L2_MEMORY_MMAP, V4L2_MEMORY_USERPTR, V4L2_MEMORY_DMABUF].map {
      (RequestText.memory($0.rawValue), $0.rawValue)
    }
  }
}
