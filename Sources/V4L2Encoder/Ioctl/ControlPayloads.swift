internal import CV4L2

extension DeviceHandle {
  /// Sets one control with what goes with it.
  ///
  /// - Throws: what the driver says; `ENOTTY` when it lacks every request that may be used.
  package func setControl(
    _ write: ControlWrite, by requests: ControlRequests
  ) throws(Errno) {
    switch write.payload {
    case .value(let value):
      switch requests {
      case .extendedOrPlain: try setControl(write.id, value)
      case .extendedOnly: try setExtendedControl(write.id, value)
      }
    case .structure(let words): try setControl(write.id, structure: words)
    }
  }

  /// Sets a control whose payload lies behind a pointer and has no size, as NVIDIA's plugin wants
  /// it (`NvVideoEncoder.cpp`).
  ///
  /// The C request is `VIDIOC_S_EXT_CTRLS`.
  private func setControl(_ id: ControlID, structure words: [UInt32]) throws(Errno) {
    // One word more than the plugin should read, in case its structure ends in a padded byte.
    var words = words + [0]
    let result: Result<Void, Errno> = unsafe words.withUnsafeMutableBytes { bytes in
      Result { () throws(Errno) in
        var control = unsafe v4l2_ext_control()
        unsafe control.id = id.rawValue
        unsafe control.ptr = bytes.baseAddress
        try unsafe withUnsafeMutablePointer(to: &control) { control throws(Errno) in
          var raw = unsafe v4l2_ext_controls()
          unsafe raw.which = id.controlClass
          unsafe raw.count = 1
          unsafe raw.controls = control
          try unsafe call(CV4L2_VIDIOC_S_EXT_CTRLS, &raw)
        }
      }
    }
    try result.get()
  }
}
