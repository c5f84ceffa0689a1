internal import CV4L2

extension DeviceHandle {
  /// Sets one control.
  ///
  /// One at a time, so that a control the driver lacks takes no other down, and with the
  /// control's class, since libv4l2 plugins accept no other form. Drivers without the extended
  /// request get the old one. The C request is `VIDIOC_S_EXT_CTRLS`, else `VIDIOC_S_CTRL`.
  package func setControl(_ id: ControlID, _ value: Int64) throws(Errno) {
    do throws(Errno) {
      try setExtendedControl(id, value)
    } catch {
      guard error == .notSupported else { throw error }
      var raw = v4l2_control()
      raw.id = id.rawValue
      raw.value = Int32(clamping: value)
      try call(CV4L2_VIDIOC_S_CTRL, &raw)
    }
  }

  /// Sets one control by the only request that libv4l2 plugins have.
  ///
  /// The C request is `VIDIOC_S_EXT_CTRLS`.
  package func setExtendedControl(_ id: ControlID, _ value: Int64) throws(Errno) {
    var value = value
    try exchange(CV4L2_VIDIOC_S_EXT_CTRLS, id, &value)
  }

  /// Reads one control.
  ///
  /// The C request is `VIDIOC_G_EXT_CTRLS`, else `VIDIOC_G_CTRL`.
  package func control(_ id: ControlID) throws(Errno) -> Int64 {
    var value: Int64 = 0
    do throws(Errno) {
      try exchange(CV4L2_VIDIOC_G_EXT_CTRLS, id, &value)
      return value
    } catch {
      guard error == .notSupported else { throw error }
      var raw = v4l2_control()
      raw.id = id.rawValue
      try call(CV4L2_VIDIOC_G_CTRL, &raw)
      return Int64(raw.value)
    }
  }

  /// Encoder controls have 32 bits; the value is stored in the low half of the union, where a
  /// control of 64 bits would find it as well.
  private func exchange(
    _ request: UInt, _ id: ControlID, _ value: inout Int64
  ) throws(Errno) {
    var control = unsafe v4l2_ext_control()
    unsafe control.id = id.rawValue
    unsafe control.value64 = value
    try unsafe withUnsafeMutablePointer(to: &control) { control throws(Errno) in
      var raw = unsafe v4l2_ext_controls()
      unsafe raw.which = id.controlClass
      unsafe raw.count = 1
      unsafe raw.controls = control
      try unsafe call(request, &raw)
    }
    value = Int64(unsafe control.value)
  }
}
