internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// QUERYCTRL, QUERY_EXT_CTRL, QUERYMENU, G/S_CTRL and G/S/TRY_EXT_CTRLS.
extension HandleState {
  private var table: ControlTable { device.controlTable }

  /// Finds what QUERYCTRL and QUERY_EXT_CTRL ask for.
  private func find(_ identifier: UInt32) -> Int? {
    let next = identifier & UInt32(V4L2_CTRL_FLAG_NEXT_CTRL) != 0
    let nextCompound = identifier & UInt32(V4L2_CTRL_FLAG_NEXT_COMPOUND) != 0
    let plain =
      identifier & ~(UInt32(V4L2_CTRL_FLAG_NEXT_CTRL) | UInt32(V4L2_CTRL_FLAG_NEXT_COMPOUND))
    if let described = personality.describedControls {
      return described.contains(identifier) ? table.index(of: identifier) : nil
    }
    if next { return table.controls.firstIndex { $0.identifier > plain } }
    // The device has no compound control.
    return nextCompound ? nil : table.index(of: plain)
  }

  /// A control as it is for the coded format: no back end writes B-frames in H.264.
  private func definition(_ index: Int) -> ControlDefinition {
    var control = table.controls[index]
    if coded.codec == .h264, control.identifier == Self.bFrames { control.maximum = 0 }
    return control
  }

  private static let bFrames = UInt32(V4L2_CID_MPEG_VIDEO_B_FRAMES)

  /// Fits the controls to another coded format, as drivers do by changing a control's range.
  mutating func followCodedFormat(effects: inout Effects) {
    guard let index = table.index(of: Self.bFrames) else { return }
    var changes = UInt32(V4L2_EVENT_CTRL_CH_RANGE)
    let fitting = min(controls[index: index], definition(index).maximum)
    if fitting != controls[index: index] {
      controls[index: index] = fitting
      changes |= UInt32(V4L2_EVENT_CTRL_CH_VALUE)
    }
    let event = controlEvent(index, changes: changes)
    guard events.isSubscribed(event.type, event.id) else { return }
    events.post(event)
    effects.notifies = true
  }

  func queryControl(_ argument: inout v4l2_queryctrl) -> Int32 {
    guard let index = find(argument.id) else { return -EINVAL }
    let control = definition(index)
    var answer = v4l2_queryctrl()
    answer.id = control.identifier
    if personality.describedControls == nil {
      answer.type = control.type
      store(control.name, in: &answer.name)
    }
    answer.minimum = Int32(control.minimum)
    answer.maximum = Int32(control.maximum)
    answer.step = Int32(control.step)
    answer.default_value = Int32(control.initial)
    answer.flags = control.flags
    argument = answer
    return 0
  }

  func queryExtendedControl(_ argument: inout v4l2_query_ext_ctrl) -> Int32 {
    guard let index = find(argument.id) else { return -EINVAL }
    let control = definition(index)
    var answer = v4l2_query_ext_ctrl()
    answer.id = control.identifier
    answer.type = control.type
    store(control.name, in: &answer.name)
    answer.minimum = control.minimum
    answer.maximum = control.maximum
    answer.step = UInt64(control.step)
    answer.default_value = control.initial
    answer.flags = control.flags
    answer.elem_size = 4
    answer.elems = 1
    argument = answer
    return 0
  }

  func queryMenu(_ argument: inout v4l2_querymenu) -> Int32 {
    guard let index = table.index(of: argument.id) else { return -EINVAL }
    let items = table.controls[index].items
    guard Int(argument.index) < items.count, let name = items[Int(argument.index)] else {
      return -EINVAL
    }
    store(name, in: &argument.name)
    argument.reserved = 0
    return 0
  }

  func getControl(_ argument: inout v4l2_control) -> Int32 {
    guard let index = table.index(of: argument.id) else { return -EINVAL }
    guard table.controls[index].kind != .classTitle else { return -EINVAL }
    guard table.controls[index].isReadable else { return -EACCES }
    argument.value = Int32(controls[index: index])
    return 0
  }

  mutating func setControl(_ argument: inout v4l2_control, effects: inout Effects) -> Int32 {
    guard let index = table.index(of: argument.id) else { return -EINVAL }
    guard table.controls[index].isWritable else { return -EACCES }
    guard maySet(argument.id) else { return -EBUSY }
    switch definition(index).validated(Int64(argument.value), clamps: clampsControls) {
    case .failure(let error): return -error.rawValue
    case .success(let value):
      apply(value, to: index, effects: &effects)
      argument.value = Int32(value)
      return 0
    }
  }

  private var clampsControls: Bool { !personality.has(.refusesControlsOutOfRange) }

  private func maySet(_ identifier: UInt32) -> Bool {
    guard let runTime = personality.runTimeControls, output.isBusy || capture.isBusy else {
      return true
    }
    return runTime.contains(identifier)
  }

  /// What an EXT_CTRLS request does with the values.
  enum ExtendedAction { case get, set, attempt }

  mutating func extendedControls(
    _ argument: inout v4l2_ext_controls, _ action: ExtendedAction, caller: any CallerMemory,
    effects: inout Effects
  ) -> Int32 {
    let count = Int(argument.count)
    argument.error_idx = argument.count
    argument.reserved = 0
    let which = argument.which
    let isDefault = which == UInt32(V4L2_CTRL_WHICH_DEF_VAL)
    // Without media requests there is no request to read from or write to.
    if which == UInt32(V4L2_CTRL_WHICH_REQUEST_VAL) { return -EINVAL }
    if isDefault, action != .get { return -EINVAL }
    if personality.has(.controlsNeedTheirClass), which & ~1 != UInt32(V4L2_CTRL_CLASS_CODEC) {
      return -EINVAL
    }
    if count == 0 { return checkClass(which) }
    guard count <= 1024 else { return -EINVAL }
    let address = UInt64(UInt(bitPattern: argument.controls))
    guard address != 0 else { return -EFAULT }

    var items = [v4l2_ext_control](repeating: v4l2_ext_control(), count: count)
    let copied = items.withUnsafeMutableBytes { caller.read(address, into: $0) }
    guard copied == 0 else { return copied }

    var indexes: [Int] = []
    indexes.reserveCapacity(count)
    for (position, item) in items.enumerated() {
      // A wrong class or an unknown id never touched anything: TRY tells which one it was.
      guard isSelected(item.id, which), let index = table.index(of: item.id) else {
        if action == .attempt { argument.error_idx = UInt32(position) }
        return -EINVAL
      }
      indexes.append(index)
    }
    let result =
      action == .get
      ? read(&items, indexes, isDefault: isDefault)
      : write(&items, indexes, action, &argument, caller: caller, effects: &effects)
    guard result == 0 else { return result }
    argument.error_idx = argument.count
    return items.withUnsafeBytes { caller.write(address, from: $0) }
  }

  private func checkClass(_ which: UInt32) -> Int32 {
    if which == UInt32(V4L2_CTRL_WHICH_CUR_VAL) || which == UInt32(V4L2_CTRL_WHICH_DEF_VAL) {
      return 0
    }
    return table.index(of: which | 1) == nil ? -EINVAL : 0
  }

  private func isSelected(_ identifier: UInt32, _ which: UInt32) -> Bool {
    which == UInt32(V4L2_CTRL_WHICH_CUR_VAL) || which == UInt32(V4L2_CTRL_WHICH_DEF_VAL)
      || identifier & 0x0fff_0000 == which & 0x0fff_0000
  }

  private func read(
    _ items: inout [v4l2_ext_control], _ indexes: [Int], isDefault: Bool
  ) -> Int32 {
    for index in indexes where !table.controls[index].isReadable { return -EACCES }
    for (position, index) in indexes.enumerated() {
      items[position].value = Int32(
        isDefault ? table.controls[index].initial : controls[index: index])
    }
    return 0
  }

  /// Checks all values before the first one takes effect.
  private mutating func write(
    _ items: inout [v4l2_ext_control], _ indexes: [Int], _ action: ExtendedAction,
    _ argument: inout v4l2_ext_controls, caller: any CallerMemory, effects: inout Effects
  ) -> Int32 {
    var values: [Int64] = []
    values.reserveCapacity(indexes.count)
    for (position, index) in indexes.enumerated() {
      // S_EXT_CTRLS that changed nothing says `count`; only TRY may name the culprit.
      if action == .attempt { argument.error_idx = UInt32(position) }
      guard table.controls[index].isWritable else { return -EACCES }
      guard maySet(items[position].id) else { return -EBUSY }
      if case .structure(let words) = table.controls[index].kind {
        let failure = readStructure(items[position], words, action, caller: caller)
        guard failure == 0 else { return failure }
      }
      switch definition(index).validated(
        Int64(items[position].value), clamps: clampsControls)
      {
      case .failure(let error): return -error.rawValue
      case .success(let value): values.append(value)
      }
    }
    for (position, index) in indexes.enumerated() {
      if table.controls[index].isReadable { items[position].value = Int32(values[position]) }
      if action == .set { apply(values[position], to: index, effects: &effects) }
    }
    return 0
  }

  /// Reads the structure that a control's value points to; keeps it when it is being set.
  private mutating func readStructure(
    _ item: v4l2_ext_control, _ words: Int, _ action: ExtendedAction, caller: any CallerMemory
  ) -> Int32 {
    let address = UInt64(UInt(bitPattern: item.string))
    var structure = [UInt32](repeating: 0, count: words)
    let failure =
      address == 0 ? -EFAULT : structure.withUnsafeMutableBytes { caller.read(address, into: $0) }
    if failure == 0, action == .set { structures[item.id] = structure }
    return failure
  }

  /// Stores a checked value, tells a running codec and whoever listens.
  private mutating func apply(_ value: Int64, to index: Int, effects: inout Effects) {
    let control = table.controls[index]
    if personality.keyFrameControls.contains(control.identifier) { forcesNextKeyFrame = true }
    if control.isReadable {
      guard controls[index: index] != value else { return }
      controls[index: index] = value
      if personality.linkedControls.contains(control.identifier) {
        for other in personality.linkedControls {
          if let index = table.index(of: other) { controls[index: index] = value }
        }
      }
      if !isStreaming || !personality.has(.ignoresControlsWhileStreaming) {
        settingsGeneration += 1
      }
    }
    guard events.wantsFeedback(control.identifier) else { return }
    events.post(controlEvent(index, changes: UInt32(V4L2_EVENT_CTRL_CH_VALUE)))
    effects.notifies = true
  }

  func controlEvent(_ index: Int, changes: UInt32) -> v4l2_event {
    let control = definition(index)
    var event = v4l2_event()
    event.type = UInt32(V4L2_EVENT_CTRL)
    event.id = control.identifier
    event.u.ctrl.changes = changes
    event.u.ctrl.type = control.type
    event.u.ctrl.flags = control.flags
    event.u.ctrl.value = Int32(controls[index: index])
    event.u.ctrl.minimum = Int32(control.minimum)
    event.u.ctrl.maximum = Int32(control.maximum)
    event.u.ctrl.step = Int32(control.step)
    event.u.ctrl.default_value = Int32(control.initial)
    return event
  }
}
