internal import V4L2Encoder

/// The controls of a device, for `v4l2enc devices --controls`.
enum ControlListing {
  /// A paragraph below the device; empty for one that is no usable encoder.
  static func text(of report: DeviceReport) -> String {
    guard report.refusal == nil else { return "" }
    switch read(report) {
    case .failure(let error): return "  controls: cannot be read: \(error.message)\n"
    case .success(let capabilities): return text(of: capabilities)
    }
  }

  static func text(of capabilities: EncoderCapabilities) -> String {
    let family = capabilities.family
    var text = "  family: \(family.name), \(family.machines)\n"
    guard !capabilities.controls.isEmpty else {
      return text + "  controls: the driver does not list any; they are tried when encoding\n"
    }
    text += "  controls:\n"
    for control in capabilities.controls {
      text += "    \(name(of: control, in: capabilities)): \(values(of: control))\n"
    }
    return text
  }

  /// The controls as an array of objects; null for a device that cannot be asked.
  static func json(of report: DeviceReport) -> JSON {
    guard report.refusal == nil, case .success(let capabilities) = read(report) else {
      return .null
    }
    return .array(capabilities.controls.map { json($0, in: capabilities) })
  }

  private static func json(
    _ control: ControlDescription, in capabilities: EncoderCapabilities
  ) -> JSON {
    let items = control.items.map { item in
      JSON.object([("value", number(item.index)), ("name", .string(item.name))])
    }
    return .object([
      ("id", .number(Int(control.id))),
      ("name", capabilities.name(of: control).map { .string($0.name) } ?? .null),
      ("title", .string(control.title)),
      ("kind", .string(kind(of: control))),
      ("minimum", control.range.map { number($0.lowerBound) } ?? .null),
      ("maximum", control.range.map { number($0.upperBound) } ?? .null),
      ("step", number(control.step)),
      ("default", control.range == nil ? .null : number(control.defaultValue)),
      ("current", control.current.map(number) ?? .null),
      ("items", .array(items)),
      ("read_only", .boolean(control.isReadOnly)),
      ("inactive", .boolean(control.isInactive)),
      ("locked", .boolean(control.isLocked)),
    ])
  }

  private static func number(_ value: Int64) -> JSON { .literal(String(value)) }

  /// What the device says, or one line of why it cannot be asked.
  private static func read(_ report: DeviceReport) -> Result<EncoderCapabilities, CommandError> {
    Result { () throws(CommandError) in
      let selector = try DeviceChoice.selector(report.path)
      do throws(EncoderError) {
        return try EncoderCapabilities.read(from: selector)
      } catch {
        throw CommandError(error)
      }
    }
  }

  private static func name(
    of control: ControlDescription, in capabilities: EncoderCapabilities
  ) -> String {
    let number = "0x" + String(control.id, radix: 16)
    let name = capabilities.name(of: control)?.name
    switch (name, printable(control.title)) {
    case (nil, ""): return number
    case (nil, let title): return "\(number) (\(title))"
    case (let name?, ""): return name
    case (let name?, let title): return "\(name) (\(title))"
    }
  }

  private static func kind(of control: ControlDescription) -> String {
    switch control.kind {
    case .integer, .integer64: "integer"
    case .boolean: "switch"
    case .menu, .integerMenu: "menu"
    case .button: "button"
    case .string: "text"
    case .bitmask: "bits"
    case .compound: "structure"
    }
  }

  private static func values(of control: ControlDescription) -> String {
    var parts: [String] = []
    switch control.kind {
    case .integer, .integer64:
      guard let range = control.range else { return "no range that makes sense" }
      parts = ["\(range.lowerBound) to \(range.upperBound)"]
      if control.step > 1 { parts[0] += " in steps of \(control.step)" }
      parts.append("default \(control.defaultValue)")
    case .boolean: parts = ["0 or 1", "default \(control.defaultValue)"]
    case .menu, .integerMenu:
      let items = control.items.map { "\($0.index) = \(printable($0.name))" }
      parts = [
        items.isEmpty ? "a menu without items" : items.joined(separator: ", "),
        "default \(control.defaultValue)",
      ]
    case .button, .string, .bitmask, .compound: parts = [kind(of: control)]
    }
    if let current = control.current, current != control.defaultValue {
      parts.append("now \(current)")
    }
    if control.isReadOnly { parts.append("read only") }
    if control.isInactive { parts.append("without effect as others stand") }
    if control.isLocked { parts.append("locked") }
    return parts.joined(separator: "; ")
  }

  /// A driver's text without what would move the cursor.
  private static func printable(_ text: String) -> String {
    String(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f })
  }
}
