internal import CV4L2

extension DeviceHandle {
  /// The highest frame rate at which the driver takes pictures of a size, if it tells.
  ///
  /// Ends after 256 intervals, since a list of a broken driver may not end. The C request is
  /// `VIDIOC_ENUM_FRAMEINTERVALS`.
  package func highestFrameRate(of format: PixelFormat, _ size: VideoSize) -> Rational? {
    var highest: Rational?
    for index in UInt32(0)..<256 {
      guard let raw = frameInterval(index, of: format, size) else { break }
      let isList = raw.type == V4L2_FRMIVAL_TYPE_DISCRETE.rawValue
      let interval = isList ? raw.discrete : raw.stepwise.min
      if interval.numerator > 0, interval.denominator > 0 {
        let rate = Rational(Int(interval.denominator), Int(interval.numerator))
        if rate.value > highest?.value ?? 0 { highest = rate }
      }
      guard isList else { break }
    }
    return highest
  }

  /// One of the intervals, or a range of them; nil when there is none of this number.
  func frameInterval(
    _ index: UInt32, of format: PixelFormat, _ size: VideoSize
  ) -> v4l2_frmivalenum? {
    var raw = v4l2_frmivalenum()
    raw.index = index
    raw.pixel_format = format.rawValue
    raw.width = UInt32(clamping: size.width)
    raw.height = UInt32(clamping: size.height)
    do throws(Errno) {
      try call(CV4L2_VIDIOC_ENUM_FRAMEINTERVALS, &raw)
      return raw
    } catch {
      return nil
    }
  }
}
