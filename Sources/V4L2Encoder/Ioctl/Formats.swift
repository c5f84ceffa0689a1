internal import CV4L2

/// One of the two queues of a memory-to-memory device, in the kernel's words.
package enum QueueDirection: Hashable, Sendable {
  /// Raw frames, application to driver.
  case output
  /// Encoded bytes, driver to application.
  case capture

  /// The kernel's number of the queue, `V4L2_BUF_TYPE_*`.
  package func bufferType(multiplanar: Bool) -> UInt32 {
    switch (self, multiplanar) {
    case (.output, false): V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
    case (.output, true): V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
    case (.capture, false): V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
    case (.capture, true): V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue
    }
  }
}

/// One entry of a queue's list of formats.
package struct FormatDescription: Hashable, Sendable {
  package var format: PixelFormat
  package var flags: UInt32

  package var isCompressed: Bool { flags & UInt32(V4L2_FMT_FLAG_COMPRESSED) != 0 }
  /// The coded frame rate is set on the CAPTURE queue, not on OUTPUT.
  package var hasCaptureFrameInterval: Bool {
    flags & UInt32(V4L2_FMT_FLAG_ENC_CAP_FRAME_INTERVAL) != 0
  }
}

/// A queue's format, the same for both planar APIs.
package struct QueueFormat: Hashable, Sendable {
  /// One memory plane.
  package struct Plane: Hashable, Sendable {
    package var bytesPerLine: Int
    package var byteCount: Int

    package init(bytesPerLine: Int, byteCount: Int) {
      self.bytesPerLine = bytesPerLine
      self.byteCount = byteCount
    }
  }

  package var format: PixelFormat
  package var size: VideoSize
  package var planes: [Plane]
  /// The raw `V4L2_COLORSPACE_*`, `XFER_FUNC`, `YCBCR_ENC` and `QUANTIZATION` numbers, which may
  /// be ones that `ColorDescription` has no name for.
  package var colorspace: UInt32 = 0
  package var transfer: UInt32 = 0
  package var matrix: UInt32 = 0
  package var quantization: UInt32 = 0
  /// `V4L2_FIELD_*`, as the driver returned it; always asked for is `V4L2_FIELD_NONE`.
  package var field: UInt32 = V4L2_FIELD_NONE.rawValue

  /// Whether each buffer is one whole picture, as far as the driver tells.
  package var isProgressive: Bool {
    field == V4L2_FIELD_NONE.rawValue || field == V4L2_FIELD_ANY.rawValue
  }
}

extension DeviceHandle {
  /// Lists a queue's formats; ends after 256, since a list of a broken driver may not end.
  ///
  /// The C request is `VIDIOC_ENUM_FMT`.
  package func formats(_ bufferType: UInt32) throws(Errno) -> [FormatDescription] {
    var list: [FormatDescription] = []
    while list.count < 256 {
      var raw = v4l2_fmtdesc()
      raw.index = UInt32(list.count)
      raw.type = bufferType
      do throws(Errno) {
        try call(CV4L2_VIDIOC_ENUM_FMT, &raw)
      } catch {
        if error == .invalidArgument { return list }
        throw error
      }
      list.append(
        FormatDescription(format: PixelFormat(rawValue: raw.pixelformat), flags: raw.flags))
    }
    return list
  }

  /// Reads a queue's format.
  ///
  /// The C request is `VIDIOC_G_FMT`.
  package func format(_ bufferType: UInt32) throws(Errno) -> QueueFormat {
    var raw = unsafe v4l2_format()
    unsafe raw.type = bufferType
    try unsafe call(CV4L2_VIDIOC_G_FMT, &raw)
    return unsafe unpack(raw)
  }

  /// Sets a queue's format and returns what the driver made of it.
  ///
  /// The C request is `VIDIOC_S_FMT`.
  package func setFormat(
    _ bufferType: UInt32, _ format: QueueFormat
  ) throws(Errno) -> QueueFormat {
    try exchange(CV4L2_VIDIOC_S_FMT, bufferType, format)
  }

  /// Asks what the driver would make of a format; changes nothing.
  ///
  /// The C request is `VIDIOC_TRY_FMT`.
  package func tryFormat(
    _ bufferType: UInt32, _ format: QueueFormat
  ) throws(Errno) -> QueueFormat {
    try exchange(CV4L2_VIDIOC_TRY_FMT, bufferType, format)
  }

  private func exchange(
    _ request: UInt, _ bufferType: UInt32, _ format: QueueFormat
  ) throws(Errno) -> QueueFormat {
    var flat = cv4l2_format()
    flat.type = bufferType
    flat.pixelformat = format.format.rawValue
    flat.width = UInt32(clamping: format.size.width)
    flat.height = UInt32(clamping: format.size.height)
    flat.field = V4L2_FIELD_NONE.rawValue
    flat.colorspace = format.colorspace
    flat.xfer_func = format.transfer
    flat.ycbcr_enc = format.matrix
    flat.quantization = format.quantization
    flat.plane_count = UInt32(min(format.planes.count, Int(CV4L2_PLANES)))
    setPlane(&flat.planes.0, format.planes, 0)
    setPlane(&flat.planes.1, format.planes, 1)
    setPlane(&flat.planes.2, format.planes, 2)
    setPlane(&flat.planes.3, format.planes, 3)
    var raw = unsafe v4l2_format()
    unsafe cv4l2_format_pack(&flat, &raw)
    try unsafe call(request, &raw)
    return unsafe unpack(raw)
  }

  /// The smallest and the largest picture of a format, if the driver tells.
  ///
  /// The C request is `VIDIOC_ENUM_FRAMESIZES`.
  package func sizeRange(of format: PixelFormat) -> (minimum: VideoSize, maximum: VideoSize)? {
    var range: (minimum: VideoSize, maximum: VideoSize)?
    for index in UInt32(0)..<256 {
      var raw = v4l2_frmsizeenum()
      raw.index = index
      raw.pixel_format = format.rawValue
      do throws(Errno) {
        try call(CV4L2_VIDIOC_ENUM_FRAMESIZES, &raw)
      } catch {
        break
      }
      if raw.type != V4L2_FRMSIZE_TYPE_DISCRETE.rawValue {
        let step = raw.stepwise
        return (
          VideoSize(width: Int(step.min_width), height: Int(step.min_height)),
          VideoSize(width: Int(step.max_width), height: Int(step.max_height))
        )
      }
      let discrete = raw.discrete
      let size = VideoSize(width: Int(discrete.width), height: Int(discrete.height))
      let (low, high) = range ?? (size, size)
      range = (
        VideoSize(width: min(low.width, size.width), height: min(low.height, size.height)),
        VideoSize(width: max(high.width, size.width), height: max(high.height, size.height))
      )
    }
    return range
  }

  private func setPlane(
    _ target: inout cv4l2_plane_format, _ planes: [QueueFormat.Plane], _ index: Int
  ) {
    guard planes.indices.contains(index) else { return }
    target.bytesperline = UInt32(clamping: planes[index].bytesPerLine)
    target.sizeimage = UInt32(clamping: planes[index].byteCount)
  }

  private func unpack(_ raw: v4l2_format) -> QueueFormat {
    var raw = unsafe raw
    var flat = cv4l2_format()
    unsafe cv4l2_format_unpack(&raw, &flat)
    let all = [flat.planes.0, flat.planes.1, flat.planes.2, flat.planes.3]
    return QueueFormat(
      format: PixelFormat(rawValue: flat.pixelformat),
      size: VideoSize(width: Int(flat.width), height: Int(flat.height)),
      planes: all.prefix(Int(flat.plane_count)).map {
        QueueFormat.Plane(bytesPerLine: Int($0.bytesperline), byteCount: Int($0.sizeimage))
      },
      colorspace: flat.colorspace, transfer: flat.xfer_func, matrix: flat.ycbcr_enc,
      quantization: flat.quantization, field: flat.field)
  }
}
