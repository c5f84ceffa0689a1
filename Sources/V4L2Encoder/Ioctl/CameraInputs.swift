internal import CV4L2
internal import Glibc

extension DeviceHandle {
  /// Lists a camera's inputs; ends after 64, since a list of a broken driver may not end.
  ///
  /// The C request is `VIDIOC_ENUMINPUT`.
  package func inputs() -> [CameraInput] {
    var inputs: [CameraInput] = []
    while inputs.count < 64, let input = input(inputs.count) { inputs.append(input) }
    return inputs
  }

  /// Describes one input; nil when there is none with this number.
  ///
  /// The C request is `VIDIOC_ENUMINPUT`.
  package func input(_ index: Int) -> CameraInput? {
    var raw = v4l2_input()
    raw.index = UInt32(clamping: index)
    do throws(Errno) {
      try call(CV4L2_VIDIOC_ENUMINPUT, &raw)
    } catch {
      return nil
    }
    return CameraInput(
      index: index, name: fixedText(raw.name),
      hasDVTimings: raw.capabilities & UInt32(V4L2_IN_CAP_DV_TIMINGS) != 0,
      signalLoss: SignalLoss(inputStatus: raw.status))
  }

  /// The number of the input in force; nil for drivers that have no inputs.
  ///
  /// The C request is `VIDIOC_G_INPUT`.
  package func currentInput() -> Int? {
    var index: Int32 = 0
    do throws(Errno) {
      try call(CV4L2_VIDIOC_G_INPUT, &index)
    } catch {
      return nil
    }
    return Int(index)
  }

  /// Chooses an input.
  ///
  /// The C request is `VIDIOC_S_INPUT`.
  package func selectInput(_ index: Int) throws(Errno) {
    var index = Int32(clamping: index)
    try call(CV4L2_VIDIOC_S_INPUT, &index)
  }
}

extension SignalLoss {
  /// Reads `V4L2_IN_ST_*`; missing colour and flipped sensors are no loss.
  fileprivate init?(inputStatus status: UInt32) {
    let unstable =
      V4L2_IN_ST_NO_H_LOCK | V4L2_IN_ST_NO_V_LOCK | V4L2_IN_ST_NO_SYNC | V4L2_IN_ST_NO_EQU
    if status & UInt32(V4L2_IN_ST_NO_POWER) != 0 {
      self = .noPower
    } else if status & UInt32(V4L2_IN_ST_NO_SIGNAL) != 0 {
      self = .noSignal
    } else if status & UInt32(unstable) != 0 {
      self = .noLock
    } else {
      return nil
    }
  }

  /// What `VIDIOC_QUERY_DV_TIMINGS` failed with; nil for what says nothing of the signal.
  package init?(timingsErrno errno: Errno) {
    switch errno.rawValue {
    case ENOLINK: self = .noSignal
    case ENOLCK: self = .noLock
    case ERANGE: self = .outOfRange
    default: return nil
    }
  }
}
