internal import CV4L2
internal import V4L2Encoder

/// One control as the kernel would describe it.
package struct ControlDefinition: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case classTitle, integer, boolean, menu, button
    /// So many 32-bit words, to which the control's value points.
    case structure(words: Int)
  }

  package let identifier: UInt32
  package let name: String
  package let kind: Kind
  package let minimum: Int64
  package var maximum: Int64
  package let step: Int64
  package let initial: Int64
  /// The items of a menu by value; nil where the device lacks one.
  package let items: [String?]
  package let isReadOnly: Bool

  package init(
    identifier: UInt32, name: String, kind: Kind, minimum: Int64, maximum: Int64, step: Int64,
    initial: Int64, items: [String?] = [], isReadOnly: Bool = false
  ) {
    self.identifier = identifier
    self.name = name
    self.kind = kind
    self.minimum = minimum
    self.maximum = maximum
    self.step = step
    self.initial = initial
    self.items = items
    self.isReadOnly = isReadOnly
  }

  var type: UInt32 {
    switch kind {
    case .classTitle: V4L2_CTRL_TYPE_CTRL_CLASS.rawValue
    case .integer: V4L2_CTRL_TYPE_INTEGER.rawValue
    case .boolean: V4L2_CTRL_TYPE_BOOLEAN.rawValue
    case .menu: V4L2_CTRL_TYPE_MENU.rawValue
    case .button: V4L2_CTRL_TYPE_BUTTON.rawValue
    case .structure: V4L2_CTRL_TYPE_U32.rawValue
    }
  }

  var flags: UInt32 {
    switch kind {
    case .classTitle: UInt32(V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_WRITE_ONLY)
    case .button: UInt32(V4L2_CTRL_FLAG_WRITE_ONLY | V4L2_CTRL_FLAG_EXECUTE_ON_WRITE)
    case .structure: UInt32(V4L2_CTRL_FLAG_HAS_PAYLOAD)
    case .integer, .boolean, .menu: isReadOnly ? UInt32(V4L2_CTRL_FLAG_READ_ONLY) : 0
    }
  }

  /// Whether a value can be read.
  var isReadable: Bool {
    switch kind {
    case .integer, .boolean, .menu: true
    case .classTitle, .button, .structure: false
    }
  }
  /// Whether a value can be written.
  var isWritable: Bool { kind != .classTitle && !isReadOnly }

  /// The value that takes effect, or a negated errno: integers are rounded into their range,
  /// menus are not, as in the kernel's control framework.
  func validated(_ value: Int64, clamps: Bool = true) -> Result<Int64, Errno> {
    if !clamps, isReadable, value < minimum || value > maximum { return .failure(.invalid) }
    switch kind {
    case .classTitle, .button, .structure: return .success(0)
    case .boolean: return .success(value == 0 ? 0 : 1)
    case .integer:
      let clamped = min(max(value, minimum), maximum)
      let rounded = minimum + (clamped - minimum + step / 2) / step * step
      return .success(rounded > maximum ? rounded - step : rounded)
    case .menu:
      guard value >= minimum, value <= maximum else { return .failure(.outOfRange) }
      guard items.indices.contains(Int(value)), items[Int(value)] != nil else {
        return .failure(.invalid)
      }
      return .success(value)
    }
  }
}

/// How a driver's list of controls is written down: range, then default.
extension ControlDefinition {
  package static func integer(
    _ control: StandardControl, _ range: ClosedRange<Int64>, _ initial: Int64, step: Int64 = 1,
    readOnly: Bool = false
  ) -> ControlDefinition {
    define(control, .integer, range, initial, step: step, readOnly: readOnly)
  }

  package static func boolean(_ control: StandardControl, _ initial: Bool) -> ControlDefinition {
    define(control, .boolean, 0...1, initial ? 1 : 0)
  }

  package static func button(_ control: StandardControl) -> ControlDefinition {
    define(control, .button, 0...0, 0, step: 0)
  }

  /// A menu with the items of these values; it starts at 0 even where that item is missing, as
  /// `v4l2_ctrl_new_std_menu` makes it.
  package static func menu(
    _ control: StandardControl, _ values: some Sequence<Int>, _ initial: Int64
  ) -> ControlDefinition {
    let offered = Set(values)
    let items = control.items.indices.map { offered.contains($0) ? control.items[$0] : nil }
    let last = offered.max() ?? 0
    return define(
      control, .menu, 0...Int64(last), initial, items: Array(items.prefix(last + 1)))
  }

  /// The title of a class of controls, which enumerations list first.
  package static func title(_ identifier: UInt32, _ name: String) -> ControlDefinition {
    ControlDefinition(
      identifier: identifier, name: name, kind: .classTitle, minimum: 0, maximum: 0, step: 0,
      initial: 0)
  }

  /// The titles that the control framework adds for the classes in use.
  package static let userTitle = title(UInt32(V4L2_CID_USER_CLASS), "User Controls")
  package static let codecTitle = title(UInt32(V4L2_CID_CODEC_CLASS), "Codec Controls")

  private static func define(
    _ control: StandardControl, _ kind: Kind, _ range: ClosedRange<Int64>, _ initial: Int64,
    step: Int64 = 1, items: [String?] = [], readOnly: Bool = false
  ) -> ControlDefinition {
    ControlDefinition(
      identifier: control.identifier, name: control.name, kind: kind,
      minimum: range.lowerBound, maximum: range.upperBound, step: step, initial: initial,
      items: items, isReadOnly: readOnly)
  }
}
