internal import Glibc

extension EncoderError {
  /// What a failed request means, and what to do about it.
  package init(
    _ operation: String, _ errno: Errno, device path: String, while action: String
  ) {
    let (code, text) = EncoderError.meaning(of: errno, path: path, action: action)
    self.init(code, operation: operation, errno: errno, text)
  }

  /// Why a device could not be opened.
  package init(_ failure: OpenFailure, device path: String) {
    guard let explanation = failure.explanation else {
      self.init("open", failure.errno, device: path, while: "opening it")
      return
    }
    self.init(
      failure.errno == .notSupported ? .notAnEncoder : .deviceBusy, operation: "open",
      errno: failure.errno, explanation)
  }

  private static func meaning(
    of errno: Errno, path: String, action: String
  ) -> (Code, String) {
    switch errno.rawValue {
    case ENODEV, ENXIO, ENOTCONN, ECONNABORTED, ECONNRESET, ESHUTDOWN, EBADF:
      (.deviceLost, "\(path) went away while \(action); open it again")
    case EIO:
      (.deviceLost, "\(path) failed while \(action); open it again")
    case ENOENT, ENOTDIR:
      (.deviceUnavailable, "\(path) does not exist; `v4l2enc devices` lists what is there")
    case EACCES, EPERM:
      (.deviceUnavailable, "\(path) may not be opened; \(NodeAccess.remedy(path))")
    case EISDIR:
      (.deviceUnavailable, "\(path) is a directory, not a device")
    case EBUSY:
      (.deviceBusy, "\(path) is busy while \(action); \(holders(path))")
    case EAGAIN:
      (
        .deviceBusy,
        "\(path) is still not ready while \(action); try again in a moment, and if that stays so, "
          + "load its driver again"
      )
    case ENOMEM, ENOSPC:
      (
        .outOfMemory,
        "\(path) has no memory while \(action); use fewer buffers, or on boards without IOMMU "
          + "give the CMA more memory (cma=256M on the kernel's command line)"
      )
    case ESRCH:
      // bcm2835-codec's answer to STREAMON when the firmware refuses the level.
      (.unsupported, "\(path) refuses the combination of level, size, rate and bitrate")
    case EINTR, ETIMEDOUT:
      (.deviceStalled, "\(path) did not answer while \(action)")
    default:
      (.unsupported, "\(path) refused while \(action)")
    }
  }

  private static func holders(_ path: String) -> String {
    let holders = NodeAccess.holders(path)
    guard !holders.isEmpty else { return "another program may hold it" }
    return "it is open in \(holders.joined(separator: ", "))"
  }
}

extension EncoderError {
  /// The same error with the device that should have been named, where a wrong one was.
  ///
  /// Looking for it takes no longer than one node may take to answer.
  func advising(insteadOf path: String, for codec: VideoCodec) -> EncoderError {
    let isMistaken = errno?.rawValue == ENOENT || code == .notAnEncoder
    guard isMistaken,
      let advice = try? BoundedCall.run(
        named: "v4l2-advice", within: DeviceProbe.patience,
        { DeviceCatalog.advice(insteadOf: path, for: codec) })
    else { return self }
    return EncoderError(code, operation: operation, errno: errno, "\(message); \(advice)")
  }
}
