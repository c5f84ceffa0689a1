internal import CV4L2

extension DeviceHandle {
  /// Says which part of the OUTPUT buffer (raw frame) is the picture; returns what the driver
  /// made of it.
  ///
  /// The buffer type is the single-planar one on every device: the kernel converts it, and
  /// bcm2835-codec and iris accept no other. The C request is `VIDIOC_S_SELECTION`.
  package func crop(to size: VideoSize) throws(Errno) -> VideoSize {
    var raw = v4l2_selection()
    raw.type = V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
    raw.target = UInt32(V4L2_SEL_TGT_CROP)
    raw.r.width = UInt32(clamping: size.width)
    raw.r.height = UInt32(clamping: size.height)
    try call(CV4L2_VIDIOC_S_SELECTION, &raw)
    guard raw.r.left == 0, raw.r.top == 0 else { throw .invalidArgument }
    return VideoSize(width: Int(raw.r.width), height: Int(raw.r.height))
  }

  /// Sets the time between two frames of a queue; returns what the driver made of it, as a rate.
  ///
  /// The C request is `VIDIOC_S_PARM`.
  package func setFrameRate(
    _ direction: QueueDirection, _ bufferType: UInt32, _ rate: Rational
  ) throws(Errno) -> Rational {
    var raw = v4l2_streamparm()
    raw.type = bufferType
    let interval = v4l2_fract(
      numerator: UInt32(clamping: rate.denominator), denominator: UInt32(clamping: rate.numerator))
    switch direction {
    case .output: unsafe raw.parm.output.timeperframe = interval
    case .capture: unsafe raw.parm.capture.timeperframe = interval
    }
    try call(CV4L2_VIDIOC_S_PARM, &raw)
    let granted =
      switch direction {
      case .output: unsafe raw.parm.output.timeperframe
      case .capture: unsafe raw.parm.capture.timeperframe
      }
    return Rational(Int(granted.denominator), Int(granted.numerator))
  }
}
