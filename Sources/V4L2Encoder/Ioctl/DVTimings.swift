internal import CV4L2

/// The timings of a digital video signal, such as HDMI.
package struct DVTimings: Sendable {
  fileprivate let raw: v4l2_dv_timings

  private var bt: v4l2_bt_timings { raw.bt }

  package var size: VideoSize { VideoSize(width: Int(bt.width), height: Int(bt.height)) }

  /// Frames per second; nil when the driver does not know the pixel clock.
  package var frameRate: Rational? {
    // What was measured wrongly may be anything.
    let pixels = frameWidth.multipliedReportingOverflow(by: frameHeight)
    guard !pixels.overflow, pixels.partialValue > 0, bt.pixelclock > 0, bt.pixelclock < 1 << 40
    else { return nil }
    return Rational(reducing: Int(bt.pixelclock), pixels.partialValue)
  }

  /// Pixels of a row and rows of a frame, blanking included.
  private var frameWidth: Int {
    Int(bt.width) + Int(bt.hfrontporch) + Int(bt.hsync) + Int(bt.hbackporch)
  }
  private var frameHeight: Int {
    let first = Int(bt.height) + Int(bt.vfrontporch) + Int(bt.vsync) + Int(bt.vbackporch)
    guard bt.interlaced != 0 else { return first }
    return first + Int(bt.il_vfrontporch) + Int(bt.il_vsync) + Int(bt.il_vbackporch)
  }

  /// Whether both are the same signal.
  ///
  /// A measured pixel clock is never exact; 250 kHz is what the kernel's receivers allow it when
  /// they compare (`v4l2_match_dv_timings` in adv7604.c and others).
  package func matches(_ other: DVTimings) -> Bool {
    let (low, high) = (
      min(bt.pixelclock, other.bt.pixelclock), max(bt.pixelclock, other.bt.pixelclock)
    )
    return size == other.size && bt.interlaced == other.bt.interlaced
      && frameWidth == other.frameWidth && frameHeight == other.frameHeight && high - low <= 250_000
  }
}

extension DeviceHandle {
  /// Measures the signal at the input.
  ///
  /// The C request is `VIDIOC_QUERY_DV_TIMINGS`.
  package func measureTimings() throws(Errno) -> DVTimings {
    try timings(by: CV4L2_VIDIOC_QUERY_DV_TIMINGS)
  }

  /// Reads the timings in force.
  ///
  /// The C request is `VIDIOC_G_DV_TIMINGS`.
  package func currentTimings() throws(Errno) -> DVTimings {
    try timings(by: CV4L2_VIDIOC_G_DV_TIMINGS)
  }

  /// Sets the timings, which sets the format to their size.
  ///
  /// The C request is `VIDIOC_S_DV_TIMINGS`.
  package func setTimings(_ timings: DVTimings) throws(Errno) {
    var raw = timings.raw
    try call(CV4L2_VIDIOC_S_DV_TIMINGS, &raw)
  }

  private func timings(by request: UInt) throws(Errno) -> DVTimings {
    var raw = v4l2_dv_timings()
    try call(request, &raw)
    return DVTimings(raw: raw)
  }
}
