/// Key frames on demand.
extension Engine {
  /// Where the driver has no control for key frames, everything is brought out before the frame,
  /// so that it is the first after a restart.
  nonisolated(nonsending) func prepare(
    _ options: FrameOptions, for frame: VideoFrame? = nil
  ) async throws(EncoderError) -> FrameOptions {
    var options = options
    if mayDropFrames, !options.forceKeyFrame, core.withLock({ $0.isKeyFrameOwed }) {
      options.forceKeyFrame = true
      options.inheritsKeyFrame = true
    }
    guard options.forceKeyFrame else { return options }
    let setup = core.withLock { $0.setup }
    if let frame { try setup.writer.check(frame) }
    guard setup.report.keyFrames == .restart else { return options }
    try await drainDevice()
    core.withLock { $0.isKeyFrameOwed = false }
    options.forceKeyFrame = false
    return options
  }

  /// Makes the next frame that the driver takes a key frame.
  nonisolated(nonsending) func requestKeyFrame() async throws(EncoderError) {
    let (report, error) = core.withLock { ($0.setup.report, $0.machine.terminalError) }
    if let error { throw error }
    switch report.keyFrames {
    case .control:
      try await request { Result { () throws(EncoderError) in try self.forceKeyFrame() } }.get()
    case .restart: try await drainDevice()
    }
  }

  /// Asks the driver to make the next frame a key frame.
  func forceKeyFrame() throws(EncoderError) {
    var refusal = Errno.notSupported
    for write in device.family.keyFrames.controls {
      do throws(Errno) {
        try device.handle.setControl(write, by: device.family.controlRequests)
        return
      } catch {
        refusal = error
        guard error == .invalidArgument || error == .notSupported else { break }
      }
    }
    guard refusal == .invalidArgument || refusal == .notSupported else {
      throw EncoderError(
        "VIDIOC_S_EXT_CTRLS", refusal, device: device.path, while: "asking for a key frame")
    }
    throw EncoderError(
      .unsupported, operation: "VIDIOC_S_EXT_CTRLS", errno: refusal,
      "\(device.path) makes no key frames on demand (FORCE_KEY_FRAME); use a shorter key frame "
        + "interval")
  }
}
