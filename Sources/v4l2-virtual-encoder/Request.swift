internal import CFuse3
internal import CV4L2
internal import Glibc

/// What the front has to know of single requests; all else is the device's business.
enum Request {
  static let dequeueBuffer = UInt32(CV4L2_VIDIOC_DQBUF)
  static let dequeueEvent = UInt32(CV4L2_VIDIOC_DQEVENT)
  static let identify = CFUSE3_IDENTIFY

  private static let getExtendedControls = UInt32(CV4L2_VIDIOC_G_EXT_CTRLS)
  private static let setExtendedControls = UInt32(CV4L2_VIDIOC_S_EXT_CTRLS)
  private static let tryExtendedControls = UInt32(CV4L2_VIDIOC_TRY_EXT_CTRLS)

  /// The errno of a request that would have to wait on a non-blocking file; nil for requests that
  /// never wait.
  static func errorInsteadOfWaiting(_ command: UInt32) -> Int32? {
    switch command {
    case dequeueBuffer: EAGAIN
    case dequeueEvent: ENOENT
    default: nil
    }
  }

  static func returnsStructOnFailure(_ command: UInt32) -> Bool {
    command == setExtendedControls || command == getExtendedControls
      || command == tryExtendedControls
  }
}
