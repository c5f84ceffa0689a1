internal import CV4L2

extension DeviceHandle {
  /// Lists a format's sizes with their rates; ends after 256 sizes, and 2,048 rates of all of them,
  /// since a list of a broken driver may not end.
  ///
  /// The C requests are `VIDIOC_ENUM_FRAMESIZES` and `VIDIOC_ENUM_FRAMEINTERVALS`.
  package func offeredSizes(of format: PixelFormat) -> [CameraOffer.Size] {
    var sizes: [CameraOffer.Size] = []
    var budget = 2048
    while sizes.count < 256 {
      var raw = v4l2_frmsizeenum()
      raw.index = UInt32(sizes.count)
      raw.pixel_format = format.rawValue
      do throws(Errno) {
        try call(CV4L2_VIDIOC_ENUM_FRAMESIZES, &raw)
      } catch {
        break
      }
      guard raw.type == V4L2_FRMSIZE_TYPE_DISCRETE.rawValue else {
        let range = raw.stepwise
        let maximum = VideoSize(width: Int(range.max_width), height: Int(range.max_height))
        let minimum = VideoSize(width: Int(range.min_width), height: Int(range.min_height))
        guard minimum.width <= maximum.width, minimum.height <= maximum.height else { return [] }
        return [
          CameraOffer.Size(
            minimum: minimum, maximum: maximum,
            // A continuous range goes in steps of one; some drivers leave the steps zero.
            step: VideoSize(
              width: max(Int(range.step_width), 1), height: max(Int(range.step_height), 1)),
            rates: offeredRates(of: format, size: maximum, &budget))
        ]
      }
      let size = VideoSize(width: Int(raw.discrete.width), height: Int(raw.discrete.height))
      sizes.append(
        CameraOffer.Size(
          minimum: size, maximum: size, rates: offeredRates(of: format, size: size, &budget)))
    }
    return sizes
  }

  private func offeredRates(
    of format: PixelFormat, size: VideoSize, _ budget: inout Int
  ) -> [CameraOffer.Rate] {
    var rates: [CameraOffer.Rate] = []
    while rates.count < 256, budget > 0 {
      budget -= 1
      guard let raw = frameInterval(UInt32(rates.count), of: format, size) else { break }
      guard raw.type == V4L2_FRMIVAL_TYPE_DISCRETE.rawValue else {
        // The longest interval is the slowest rate.
        guard let slowest = Rational(interval: raw.stepwise.max),
          let fastest = Rational(interval: raw.stepwise.min)
        else { return [] }
        return [CameraOffer.Rate(slowest: slowest, fastest: fastest)]
      }
      guard let rate = Rational(interval: raw.discrete) else { break }
      rates.append(CameraOffer.Rate(slowest: rate, fastest: rate))
    }
    return rates
  }

  /// Reads the time between two frames that a camera keeps, as a rate; nil when it does not tell.
  ///
  /// The C request is `VIDIOC_G_PARM`.
  package func captureFrameRate(_ bufferType: UInt32) -> Rational? {
    var raw = v4l2_streamparm()
    raw.type = bufferType
    do throws(Errno) {
      try call(CV4L2_VIDIOC_G_PARM, &raw)
    } catch {
      return nil
    }
    return Rational(interval: unsafe raw.parm.capture.timeperframe)
  }
}

extension Rational {
  /// The rate with this time between frames; nil for one that cannot be.
  fileprivate init?(interval: v4l2_fract) {
    guard interval.numerator > 0, interval.denominator > 0 else { return nil }
    self.init(reducing: Int(interval.denominator), Int(interval.numerator))
  }

  /// A fraction of positive numbers in its lowest terms.
  init(reducing numerator: Int, _ denominator: Int) {
    var (high, low) = (numerator, denominator)
    while low != 0 { (high, low) = (low, high % low) }
    self.init(numerator / high, denominator / high)
  }
}
