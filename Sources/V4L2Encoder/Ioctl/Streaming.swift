internal import CV4L2

extension DeviceHandle {
  /// Starts a queue.
  ///
  /// The C request is `VIDIOC_STREAMON`.
  package func streamOn(_ bufferType: UInt32) throws(Errno) {
    var type = Int32(bitPattern: bufferType)
    try call(CV4L2_VIDIOC_STREAMON, &type)
  }

  /// Stops a queue; every buffer the driver held belongs to the caller again.
  ///
  /// The C request is `VIDIOC_STREAMOFF`.
  package func streamOff(_ bufferType: UInt32) throws(Errno) {
    var type = Int32(bitPattern: bufferType)
    try call(CV4L2_VIDIOC_STREAMOFF, &type)
  }

  /// Asks the driver to finish every queued frame and to mark the last buffer.
  ///
  /// The flags stay zero, as the kernel's encoder interface demands. The C request is
  /// `VIDIOC_ENCODER_CMD`.
  package func stopEncoder() throws(Errno) {
    var raw = v4l2_encoder_cmd()
    raw.cmd = UInt32(V4L2_ENC_CMD_STOP)
    try call(CV4L2_VIDIOC_ENCODER_CMD, &raw)
  }

  /// Asks for the event that ends a drain on older drivers.
  ///
  /// The C request is `VIDIOC_SUBSCRIBE_EVENT`.
  package func subscribeEndOfStream() throws(Errno) {
    var raw = v4l2_event_subscription()
    raw.type = UInt32(V4L2_EVENT_EOS)
    try call(CV4L2_VIDIOC_SUBSCRIBE_EVENT, &raw)
  }

  /// Takes one pending event; true when it says that the stream ended.
  ///
  /// The C request is `VIDIOC_DQEVENT`.
  package func dequeueEvent() throws(Errno) -> Bool {
    var raw = v4l2_event()
    try call(CV4L2_VIDIOC_DQEVENT, &raw)
    return raw.type == UInt32(V4L2_EVENT_EOS)
  }
}
