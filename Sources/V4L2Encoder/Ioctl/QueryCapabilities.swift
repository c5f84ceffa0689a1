internal import CV4L2

/// What `VIDIOC_QUERYCAP` reports.
package struct DeviceCapabilities: Hashable, Sendable {
  package var driver: String
  package var card: String
  package var bus: String
  /// The capabilities of this node (`device_caps` where the driver fills it).
  package var bits: UInt32

  package var isMemoryToMemory: Bool {
    isMultiplanarMemoryToMemory || bits & UInt32(V4L2_CAP_VIDEO_M2M) != 0
  }
  package var isMultiplanarMemoryToMemory: Bool { bits & UInt32(V4L2_CAP_VIDEO_M2M_MPLANE) != 0 }
  package var canStream: Bool { bits & UInt32(V4L2_CAP_STREAMING) != 0 }
  package var isMultiplanarCapture: Bool { bits & UInt32(V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0 }
  package var isCapture: Bool {
    bits & UInt32(V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0
  }
}

extension DeviceHandle {
  /// Asks the driver who it is.
  ///
  /// The C request is `VIDIOC_QUERYCAP`.
  package func queryCapabilities() throws(Errno) -> DeviceCapabilities {
    var raw = v4l2_capability()
    try call(CV4L2_VIDIOC_QUERYCAP, &raw)
    let perNode = raw.capabilities & UInt32(V4L2_CAP_DEVICE_CAPS) != 0
    return DeviceCapabilities(
      driver: fixedText(raw.driver), card: fixedText(raw.card), bus: fixedText(raw.bus_info),
      bits: perNode ? raw.device_caps : raw.capabilities)
  }
}
