internal import CV4L2

extension DeviceHandle {
  /// Asks to be told when the signal at a camera's input changes.
  ///
  /// The C request is `VIDIOC_SUBSCRIBE_EVENT` for `V4L2_EVENT_SOURCE_CHANGE`.
  package func subscribeSourceChange(input: Int) throws(Errno) {
    var raw = v4l2_event_subscription()
    raw.type = UInt32(V4L2_EVENT_SOURCE_CHANGE)
    raw.id = UInt32(clamping: input)
    try call(CV4L2_VIDIOC_SUBSCRIBE_EVENT, &raw)
  }

  /// Takes all pending events; true when one of them says that the signal changed.
  ///
  /// The C request is `VIDIOC_DQEVENT`.
  package func dequeueSourceChanges() throws(Errno) -> Bool {
    var isChanged = false
    // More than any driver keeps, so that one that always has another cannot hold us.
    for _ in 0..<64 {
      var raw = v4l2_event()
      do throws(Errno) {
        try call(CV4L2_VIDIOC_DQEVENT, &raw)
      } catch {
        if error == .noEntry || error == .wouldBlock { return isChanged }
        throw error
      }
      if raw.type == UInt32(V4L2_EVENT_SOURCE_CHANGE) { isChanged = true }
    }
    return isChanged
  }
}
