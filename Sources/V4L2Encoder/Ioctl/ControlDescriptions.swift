internal import CV4L2

/// Limits of what is asked of a driver whose lists may have no end.
private enum Bounds {
  static let controls = 1024
  /// The longest menu of the kernel has 24 items.
  static let items: Int64 = 128
  static let requests = 8192
}

extension DeviceHandle {
  /// Lists what the driver says of its controls, without titles and disabled ones.
  ///
  /// Drivers that cannot go through their list are asked for each of `known` by its number. Ends
  /// after 1,024 controls or 8,192 requests, since a list of a broken driver may not end. The C
  /// requests are `VIDIOC_QUERY_EXT_CTRL`, else `VIDIOC_QUERYCTRL`, `VIDIOC_QUERYMENU` and those
  /// of `control(_:)`.
  package func controlDescriptions(known: [ControlID] = []) -> [ControlDescription] {
    var budget = Bounds.requests
    var list: [ControlDescription] = []
    var last: UInt32 = 0
    while list.count < Bounds.controls, budget > 0 {
      budget -= 1
      let next = UInt32(V4L2_CTRL_FLAG_NEXT_CTRL) | UInt32(V4L2_CTRL_FLAG_NEXT_COMPOUND)
      guard let found = describe(last, next: next) else { break }
      // A driver that does not come forward would be asked for ever.
      guard found.raw.id > last else { break }
      last = found.raw.id
      if found.isListed { list.append(complete(found, &budget)) }
    }
    guard last == 0 else { return list }
    for id in known where budget > 0 {
      budget -= 1
      guard let found = describe(id.rawValue, next: 0), found.raw.id == id.rawValue,
        found.isListed
      else { continue }
      list.append(complete(found, &budget))
    }
    return list
  }

  /// What the driver says of one control; nil when it does not know it, or answers no question.
  package func controlDescription(_ id: ControlID) -> ControlDescription? {
    guard let found = describe(id.rawValue, next: 0), found.raw.id == id.rawValue,
      found.isListed
    else { return nil }
    var budget = Int(Bounds.items) * 2
    return complete(found, &budget)
  }

  /// An answer in the form of the newer request, whichever request gave it.
  private func describe(_ id: UInt32, next: UInt32) -> Answer? {
    var raw = v4l2_query_ext_ctrl()
    raw.id = id | next
    do throws(Errno) {
      try call(CV4L2_VIDIOC_QUERY_EXT_CTRL, &raw)
      return Answer(raw: raw)
    } catch {
      guard error == .notSupported else { return nil }
    }
    var old = v4l2_queryctrl()
    // The older request knows no compound controls.
    old.id = id | (next & UInt32(V4L2_CTRL_FLAG_NEXT_CTRL))
    do throws(Errno) {
      try call(CV4L2_VIDIOC_QUERYCTRL, &old)
    } catch {
      return nil
    }
    raw = v4l2_query_ext_ctrl()
    raw.id = old.id
    raw.type = old.type
    raw.minimum = Int64(old.minimum)
    raw.maximum = Int64(old.maximum)
    raw.step = UInt64(clamping: old.step)
    raw.default_value = Int64(old.default_value)
    raw.flags = old.flags
    return Answer(raw: raw, title: fixedText(old.name))
  }

  private func complete(_ answer: Answer, _ budget: inout Int) -> ControlDescription {
    var description = answer.description
    switch description.kind {
    case .menu, .integerMenu:
      description.items = items(of: description, &budget)
    case .integer, .boolean, .button, .integer64, .string, .bitmask, .compound: break
    }
    if answer.holdsNumber, !description.isWriteOnly, budget > 0 {
      budget -= 1
      description.current = try? control(ControlID(rawValue: description.id))
    }
    return description
  }

  /// Items between the bounds that the driver has; those it lacks are left out.
  private func items(
    of control: ControlDescription, _ budget: inout Int
  ) -> [ControlDescription.Item] {
    let first = max(control.minimum, 0)
    guard first <= control.maximum, first <= Int64(UInt32.max) else { return [] }
    let last = min(control.maximum, first + Bounds.items - 1, Int64(UInt32.max))
    var items: [ControlDescription.Item] = []
    for index in first...last where budget > 0 {
      budget -= 1
      var raw = v4l2_querymenu()
      raw.id = control.id
      raw.index = UInt32(index)
      do throws(Errno) {
        try call(CV4L2_VIDIOC_QUERYMENU, &raw)
      } catch {
        if error == .notSupported { break }
        continue
      }
      let name =
        control.kind == .integerMenu ? String(raw.value) : fixedText(raw.name)
      items.append(ControlDescription.Item(index: index, name: name))
    }
    return items
  }
}

/// What a driver answered, before anything more is asked.
private struct Answer {
  var raw: v4l2_query_ext_ctrl
  var title: String

  init(raw: v4l2_query_ext_ctrl, title: String? = nil) {
    self.raw = raw
    self.title = title ?? fixedText(raw.name)
  }

  /// Titles of groups and what the driver has switched off are no controls.
  var isListed: Bool {
    raw.type != V4L2_CTRL_TYPE_CTRL_CLASS.rawValue
      && raw.flags & UInt32(V4L2_CTRL_FLAG_DISABLED) == 0
  }

  /// Whether its value is one number of at most 32 bits.
  var holdsNumber: Bool {
    guard raw.flags & UInt32(V4L2_CTRL_FLAG_HAS_PAYLOAD) == 0, raw.elems <= 1 else { return false }
    switch kind {
    case .integer, .boolean, .menu, .bitmask, .integerMenu: return true
    case .button, .integer64, .string, .compound: return false
    }
  }

  private var kind: ControlDescription.Kind {
    switch v4l2_ctrl_type(rawValue: raw.type) {
    case V4L2_CTRL_TYPE_INTEGER: .integer
    case V4L2_CTRL_TYPE_BOOLEAN: .boolean
    case V4L2_CTRL_TYPE_MENU: .menu
    case V4L2_CTRL_TYPE_BUTTON: .button
    case V4L2_CTRL_TYPE_INTEGER64: .integer64
    case V4L2_CTRL_TYPE_STRING: .string
    case V4L2_CTRL_TYPE_BITMASK: .bitmask
    case V4L2_CTRL_TYPE_INTEGER_MENU: .integerMenu
    default: kindWithoutType
    }
  }

  /// rkmpp's plugin leaves the type zero.
  private var kindWithoutType: ControlDescription.Kind {
    guard raw.type == 0, let known = EncoderControl(id: raw.id) else { return .compound(raw.type) }
    return switch known.kind {
    case .integer: .integer
    case .boolean: .boolean
    case .menu: .menu
    case .button: .button
    case .bitmask: .bitmask
    }
  }

  var description: ControlDescription {
    func has(_ flag: Int32) -> Bool { raw.flags & UInt32(bitPattern: flag) != 0 }
    var description = ControlDescription(
      id: raw.id, title: title, kind: kind, minimum: raw.minimum, maximum: raw.maximum,
      step: Int64(clamping: raw.step), defaultValue: raw.default_value)
    description.isReadOnly = has(V4L2_CTRL_FLAG_READ_ONLY)
    description.isWriteOnly = has(V4L2_CTRL_FLAG_WRITE_ONLY)
    description.isInactive = has(V4L2_CTRL_FLAG_INACTIVE)
    description.isLocked = has(V4L2_CTRL_FLAG_GRABBED)
    description.isVolatile = has(V4L2_CTRL_FLAG_VOLATILE)
    return description
  }
}
