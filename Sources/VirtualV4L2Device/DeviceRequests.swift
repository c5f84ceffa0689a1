internal import CV4L2
internal import Glibc

/// QUERYCAP, events, selection, frame interval and priority.
extension HandleState {
  func queryCapabilities(_ argument: inout v4l2_capability) -> Int32 {
    var answer = v4l2_capability()
    let identity = personality.identity
    store(identity.driver, in: &answer.driver)
    store(identity.card, in: &answer.card)
    store(identity.bus, in: &answer.bus_info)
    answer.version = 0x06_01_00
    let kind = isMultiplanar ? V4L2_CAP_VIDEO_M2M_MPLANE : V4L2_CAP_VIDEO_M2M
    answer.device_caps = UInt32(kind | V4L2_CAP_STREAMING | V4L2_CAP_EXT_PIX_FORMAT)
    answer.capabilities = answer.device_caps | V4L2_CAP_DEVICE_CAPS
    argument = answer
    return 0
  }

  mutating func subscribe(
    _ argument: inout v4l2_event_subscription, effects: inout Effects
  ) -> Int32 {
    argument.reserved = (0, 0, 0, 0, 0)
    switch argument.type {
    case UInt32(V4L2_EVENT_EOS):
      guard personality.events.endOfStream != .unknown else { return -EINVAL }
      // The kernel keeps whatever id was given; an EOS event has none.
      _ = events.subscribe(type: argument.type, identifier: 0, flags: argument.flags)
      return 0
    case UInt32(V4L2_EVENT_CTRL):
      guard personality.events.hasControlEvents,
        let index = device.controlTable.index(of: argument.id)
      else { return -EINVAL }
      let isNew = events.subscribe(
        type: argument.type, identifier: argument.id, flags: argument.flags)
      let control = device.controlTable.controls[index]
      if isNew, control.kind != .classTitle,
        argument.flags & UInt32(V4L2_EVENT_SUB_FL_SEND_INITIAL) != 0
      {
        let changes =
          V4L2_EVENT_CTRL_CH_FLAGS | (control.isReadable ? V4L2_EVENT_CTRL_CH_VALUE : 0)
        events.post(controlEvent(index, changes: UInt32(changes)))
        effects.notifies = true
      }
      return 0
    default: return -EINVAL
    }
  }

  mutating func unsubscribe(_ argument: inout v4l2_event_subscription) -> Int32 {
    argument.reserved = (0, 0, 0, 0, 0)
    let isEnd = argument.type == UInt32(V4L2_EVENT_EOS)
    events.unsubscribe(type: argument.type, identifier: isEnd ? 0 : argument.id)
    return 0
  }

  mutating func dequeueEvent(_ argument: inout v4l2_event) -> Int32 {
    guard let event = events.dequeue() else { return -EAGAIN }
    argument = event
    return 0
  }

  /// Both spellings of the type are good for either API, as in the kernel.
  private func isOutput(_ type: UInt32) -> Bool {
    type == V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
      || type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
  }

  func getSelection(_ argument: inout v4l2_selection) -> Int32 {
    guard isOutput(argument.type) else { return -EINVAL }
    switch argument.target {
    case UInt32(V4L2_SEL_TGT_CROP): argument.r = crop
    case UInt32(V4L2_SEL_TGT_CROP_BOUNDS), UInt32(V4L2_SEL_TGT_CROP_DEFAULT):
      argument.r = v4l2_rect(
        left: 0, top: 0, width: UInt32(picture.width), height: UInt32(picture.height))
    default: return -EINVAL
    }
    argument.flags = 0
    argument.reserved = (0, 0, 0, 0, 0, 0, 0, 0, 0)
    return 0
  }

  mutating func setSelection(_ argument: inout v4l2_selection) -> Int32 {
    guard isOutput(argument.type), argument.target == UInt32(V4L2_SEL_TGT_CROP) else {
      return -EINVAL
    }
    let asked = argument.r
    let allowed = UInt32(V4L2_SEL_FLAG_GE | V4L2_SEL_FLAG_LE)
    guard argument.flags & ~allowed == 0 else { return -EINVAL }
    guard !output.isStreaming, !capture.isStreaming else { return -EBUSY }
    // Chroma comes in pairs, so every edge is even.
    let onlyShrinks = personality.crop == .shrinking
    let geometry = personality.geometry
    let width = Self.side(
      asked.width, geometry.widths, limit: onlyShrinks ? Int(crop.width) : picture.width)
    let height = Self.side(
      asked.height, geometry.heights, limit: onlyShrinks ? Int(crop.height) : picture.height)
    let mayMove = personality.crop == .anywhere
    let applied = v4l2_rect(
      left: mayMove ? Self.edge(asked.left, limit: picture.width - width) : 0,
      top: mayMove ? Self.edge(asked.top, limit: picture.height - height) : 0,
      width: UInt32(width), height: UInt32(height))
    if argument.flags & UInt32(V4L2_SEL_FLAG_GE) != 0,
      applied.width < asked.width || applied.height < asked.height
    {
      return -ERANGE
    }
    if argument.flags & UInt32(V4L2_SEL_FLAG_LE) != 0,
      applied.width > asked.width || applied.height > asked.height
    {
      return -ERANGE
    }
    crop = applied
    followCrop()
    settingsGeneration += 1
    argument.r = applied
    argument.reserved = (0, 0, 0, 0, 0, 0, 0, 0, 0)
    return 0
  }

  private static func side(_ asked: UInt32, _ range: ClosedRange<Int>, limit: Int) -> Int {
    min(max(Int(asked), range.lowerBound) & ~1, limit)
  }

  private static func edge(_ asked: Int32, limit: Int) -> Int32 {
    Int32(min(max(Int(asked), 0), limit) & ~1)
  }

  func getParameters(_ argument: inout v4l2_streamparm) -> Int32 {
    guard let direction = direction(of: argument.type), takesFrameRate(direction) else {
      return -EINVAL
    }
    let type = argument.type
    argument = v4l2_streamparm()
    argument.type = type
    switch direction {
    case .output:
      argument.parm.output.capability = UInt32(V4L2_CAP_TIMEPERFRAME)
      argument.parm.output.timeperframe = interval
    case .capture:
      argument.parm.capture.capability = UInt32(V4L2_CAP_TIMEPERFRAME)
      argument.parm.capture.timeperframe = interval
    }
    return 0
  }

  mutating func setParameters(_ argument: inout v4l2_streamparm) -> Int32 {
    let rule = personality.frameRate
    guard let direction = direction(of: argument.type), takesFrameRate(direction) else {
      return -EINVAL
    }
    let asked =
      direction == .output
      ? argument.parm.output.timeperframe : argument.parm.capture.timeperframe
    if let failure = rule.zeroFailure, asked.numerator == 0 || asked.denominator == 0 {
      return -failure
    }
    if let limit = rule.limit,
      UInt64(asked.denominator) > UInt64(asked.numerator) * UInt64(limit.framesPerSecond)
    {
      return -limit.failure
    }
    let granted = clamped(asked)
    // Else one clock: the device cannot code at another rate than it is fed, so CAPTURE follows.
    guard direction == .capture || !rule.isDecidedByCapture else {
      argument.parm.output.capability = UInt32(V4L2_CAP_TIMEPERFRAME)
      argument.parm.output.timeperframe = granted
      return 0
    }
    interval = granted
    settingsGeneration += 1
    if personality.has(.keepsWholeFrameRates) {
      let whole = max(1, granted.denominator / granted.numerator)
      interval = v4l2_fract(numerator: 1, denominator: whole)
      argument.parm.output.capability = UInt32(V4L2_CAP_TIMEPERFRAME)
      return 0
    }
    return getParameters(&argument)
  }

  private func takesFrameRate(_ direction: Direction) -> Bool {
    let rule = personality.frameRate
    return direction == .output ? rule.isTakenOnOutput : rule.isTakenOnCapture
  }

  private func clamped(_ asked: v4l2_fract) -> v4l2_fract {
    guard asked.numerator > 0, asked.denominator > 0 else {
      let initial = personality.frameRate.initial
      return v4l2_fract(numerator: initial.numerator, denominator: initial.denominator)
    }
    let numerator = UInt64(asked.numerator)
    let denominator = UInt64(asked.denominator)
    if numerator * 1000 < denominator { return Self.shortestInterval }
    if numerator > denominator * 1000 { return Self.longestInterval }
    return asked
  }

  mutating func setPriority(_ value: UInt32) -> Int32 {
    guard (V4L2_PRIORITY_BACKGROUND.rawValue...V4L2_PRIORITY_RECORD.rawValue).contains(value)
    else { return -EINVAL }
    device.priorities.change(from: priority, to: value)
    priority = value
    return 0
  }
}
