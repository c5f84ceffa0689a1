/// What a driver says of one of its controls.
///
/// The C structures are `v4l2_query_ext_ctrl` and `v4l2_querymenu`.
public struct ControlDescription: Hashable, Sendable {
  /// What values a control takes; raw values are those of `enum v4l2_ctrl_type`.
  public enum Kind: Hashable, Sendable {
    /// A number of 32 bits.
    case integer
    /// 0 or 1.
    case boolean
    /// The number of an item with a name.
    case menu
    /// Writing it is what counts.
    case button
    /// A number of 64 bits.
    case integer64
    /// A text.
    case string
    /// A bit for each thing.
    case bitmask
    /// The number of an item that is a number itself.
    case integerMenu
    /// A structure or an array, by its type's number.
    case compound(UInt32)
  }

  /// One item of a menu.
  public struct Item: Hashable, Sendable {
    /// The value that chooses it.
    public var index: Int64
    /// Its name, or its number in an integer menu.
    public var name: String

    /// Creates an item.
    public init(index: Int64, name: String) {
      self.index = index
      self.name = name
    }
  }

  /// The driver's number of the control.
  public var id: UInt32
  /// The driver's name for it; empty when it has none.
  public var title: String
  /// What values it takes.
  public var kind: Kind
  /// The lowest value the driver names.
  public var minimum: Int64
  /// The highest value the driver names.
  public var maximum: Int64
  /// The distance of values.
  public var step: Int64
  /// The value it has when a device is opened.
  public var defaultValue: Int64
  /// The items of a menu that the driver has.
  public var items: [Item] = []
  /// The value in force; nil when it cannot be read.
  public var current: Int64?
  /// Whether it can be read only.
  public var isReadOnly = false
  /// Whether it can be written only, as a button.
  public var isWriteOnly = false
  /// Whether it has no effect as other controls stand.
  public var isInactive = false
  /// Whether it cannot be written now.
  public var isLocked = false
  /// Whether its value changes by itself.
  public var isVolatile = false

  /// Creates a description.
  public init(
    id: UInt32, title: String, kind: Kind, minimum: Int64, maximum: Int64, step: Int64,
    defaultValue: Int64
  ) {
    self.id = id
    self.title = title
    self.kind = kind
    self.minimum = minimum
    self.maximum = maximum
    self.step = step
    self.defaultValue = defaultValue
  }

  /// The values it takes; nil when it has no range, or the driver's makes no sense.
  public var range: ClosedRange<Int64>? {
    switch kind {
    case .integer, .boolean, .menu, .integer64, .integerMenu:
      minimum <= maximum ? minimum...maximum : nil
    case .button, .string, .bitmask, .compound: nil
    }
  }
}
