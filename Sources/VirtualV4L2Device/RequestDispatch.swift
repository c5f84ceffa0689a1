internal import CV4L2
internal import Glibc

extension HandleState {
  /// Performs one request; the struct behind `argument` has the size the request names.
  mutating func perform(
    _ request: UInt, _ argument: UnsafeMutableRawPointer, caller: any CallerMemory,
    effects: inout Effects
  ) -> Int32 {
    guard !isClosed else { return -EBADF }
    if !personality.lackingRequests.isEmpty, let failure = personality.lackingRequests[request] {
      return -failure
    }
    guard !Self.needsPriority(request) || device.priorities.allow(priority) else {
      return -EBUSY
    }
    switch request {
    case CV4L2_VIDIOC_QBUF:
      return queueBuffer(
        &argument.as(v4l2_buffer.self).pointee, queues: true, caller: caller, effects: &effects)
    case CV4L2_VIDIOC_DQBUF:
      return dequeueBuffer(
        &argument.as(v4l2_buffer.self).pointee, caller: caller, effects: &effects)
    case CV4L2_VIDIOC_QUERYBUF:
      return queryBuffer(&argument.as(v4l2_buffer.self).pointee, caller: caller)
    case CV4L2_VIDIOC_PREPARE_BUF:
      return queueBuffer(
        &argument.as(v4l2_buffer.self).pointee, queues: false, caller: caller, effects: &effects)
    case CV4L2_VIDIOC_REQBUFS:
      return requestBuffers(&argument.as(v4l2_requestbuffers.self).pointee, caller: caller)
    case CV4L2_VIDIOC_CREATE_BUFS:
      return createBuffers(&argument.as(v4l2_create_buffers.self).pointee, caller: caller)
    case CV4L2_VIDIOC_STREAMON:
      return streamOn(argument.as(UInt32.self).pointee, effects: &effects)
    case CV4L2_VIDIOC_STREAMOFF:
      return streamOff(argument.as(UInt32.self).pointee, effects: &effects)
    case CV4L2_VIDIOC_ENCODER_CMD, CV4L2_VIDIOC_TRY_ENCODER_CMD:
      return encoderCommand(
        &argument.as(v4l2_encoder_cmd.self).pointee,
        isTrial: request == CV4L2_VIDIOC_TRY_ENCODER_CMD, effects: &effects)
    default:
      return performControl(request, argument, caller: caller, effects: &effects)
        ?? performSetup(request, argument, effects: &effects) ?? -ENOTTY
    }
  }

  private mutating func performControl(
    _ request: UInt, _ argument: UnsafeMutableRawPointer, caller: any CallerMemory,
    effects: inout Effects
  ) -> Int32? {
    switch request {
    case CV4L2_VIDIOC_QUERYCTRL: queryControl(&argument.as(v4l2_queryctrl.self).pointee)
    case CV4L2_VIDIOC_QUERY_EXT_CTRL:
      queryExtendedControl(&argument.as(v4l2_query_ext_ctrl.self).pointee)
    case CV4L2_VIDIOC_QUERYMENU: queryMenu(&argument.as(v4l2_querymenu.self).pointee)
    case CV4L2_VIDIOC_G_CTRL: getControl(&argument.as(v4l2_control.self).pointee)
    case CV4L2_VIDIOC_S_CTRL:
      setControl(&argument.as(v4l2_control.self).pointee, effects: &effects)
    case CV4L2_VIDIOC_G_EXT_CTRLS:
      extendedControls(
        &argument.as(v4l2_ext_controls.self).pointee, .get, caller: caller, effects: &effects)
    case CV4L2_VIDIOC_S_EXT_CTRLS:
      extendedControls(
        &argument.as(v4l2_ext_controls.self).pointee, .set, caller: caller, effects: &effects)
    case CV4L2_VIDIOC_TRY_EXT_CTRLS:
      extendedControls(
        &argument.as(v4l2_ext_controls.self).pointee, .attempt, caller: caller,
        effects: &effects)
    case CV4L2_VIDIOC_SUBSCRIBE_EVENT:
      subscribe(&argument.as(v4l2_event_subscription.self).pointee, effects: &effects)
    case CV4L2_VIDIOC_UNSUBSCRIBE_EVENT:
      unsubscribe(&argument.as(v4l2_event_subscription.self).pointee)
    case CV4L2_VIDIOC_DQEVENT: dequeueEvent(&argument.as(v4l2_event.self).pointee)
    default: nil
    }
  }

  private mutating func performSetup(
    _ request: UInt, _ argument: UnsafeMutableRawPointer, effects: inout Effects
  ) -> Int32? {
    switch request {
    case CV4L2_VIDIOC_QUERYCAP: queryCapabilities(&argument.as(v4l2_capability.self).pointee)
    case CV4L2_VIDIOC_ENUM_FMT: enumerateFormats(&argument.as(v4l2_fmtdesc.self).pointee)
    case CV4L2_VIDIOC_G_FMT: getFormat(&argument.as(v4l2_format.self).pointee)
    case CV4L2_VIDIOC_S_FMT:
      setFormat(&argument.as(v4l2_format.self).pointee, effects: &effects)
    case CV4L2_VIDIOC_TRY_FMT: tryFormat(&argument.as(v4l2_format.self).pointee)
    case CV4L2_VIDIOC_ENUM_FRAMESIZES:
      enumerateFrameSizes(&argument.as(v4l2_frmsizeenum.self).pointee)
    case CV4L2_VIDIOC_ENUM_FRAMEINTERVALS:
      enumerateFrameIntervals(&argument.as(v4l2_frmivalenum.self).pointee)
    case CV4L2_VIDIOC_G_SELECTION: getSelection(&argument.as(v4l2_selection.self).pointee)
    case CV4L2_VIDIOC_S_SELECTION: setSelection(&argument.as(v4l2_selection.self).pointee)
    // In the kernel these mean composing for an OUTPUT queue, which an encoder has not.
    case CV4L2_VIDIOC_G_CROP, CV4L2_VIDIOC_S_CROP, CV4L2_VIDIOC_CROPCAP: -EINVAL
    case CV4L2_VIDIOC_G_PARM: getParameters(&argument.as(v4l2_streamparm.self).pointee)
    // Only a kernel driver makes DMABUFs of its memory: nobody could import a memfd as one, and
    // udmabuf, which turns one into the other, is not in Debian's kernels.
    case CV4L2_VIDIOC_EXPBUF: -ENOTTY
    case CV4L2_VIDIOC_S_PARM: setParameters(&argument.as(v4l2_streamparm.self).pointee)
    case CV4L2_VIDIOC_G_PRIORITY:
      {
        argument.as(UInt32.self).pointee = device.priorities.highest
        return 0
      }()
    case CV4L2_VIDIOC_S_PRIORITY: setPriority(argument.as(UInt32.self).pointee)
    default: nil
    }
  }

  /// Requests another handle of higher priority may forbid.
  private static func needsPriority(_ request: UInt) -> Bool {
    switch request {
    case CV4L2_VIDIOC_S_FMT, CV4L2_VIDIOC_REQBUFS, CV4L2_VIDIOC_CREATE_BUFS,
      CV4L2_VIDIOC_STREAMON, CV4L2_VIDIOC_STREAMOFF, CV4L2_VIDIOC_S_PARM, CV4L2_VIDIOC_S_CTRL,
      CV4L2_VIDIOC_S_EXT_CTRLS, CV4L2_VIDIOC_S_SELECTION, CV4L2_VIDIOC_S_CROP,
      CV4L2_VIDIOC_ENCODER_CMD, CV4L2_VIDIOC_S_PRIORITY:
      true
    default: false
    }
  }
}

extension UnsafeMutableRawPointer {
  fileprivate func `as`<T>(_ type: T.Type) -> UnsafeMutablePointer<T> {
    assumingMemoryBound(to: type)
  }
}
