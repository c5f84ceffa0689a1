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
  /// What `VIDIOC_S_PARM` answers is not always what the driver keeps: wave5 cuts 30000/1001 to 29
  /// and answers the fraction (wave5_vpu_enc_s_parm). So `VIDIOC_G_PARM` is asked where there is
  /// one.
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
    let answered = Self.frameRate(direction, raw)
    raw = v4l2_streamparm()
    raw.type = bufferType
    guard (try? call(CV4L2_VIDIOC_G_PARM, &raw)) != nil else { return answered }
    let kept = Self.frameRate(direction, raw)
    return kept.numerator > 0 && kept.denominator > 0 ? kept : answered
  }

  private static func frameRate(_ direction: QueueDirection, _ raw: v4l2_streamparm) -> Rational {
    let interval =
      switch direction {
      case .output: unsafe raw.parm.output.timeperframe
      case .capture: unsafe raw.parm.capture.timeperframe
      }
    return Rational(Int(interval.denominator), Int(interval.numerator))
  }
}
