/// The controls of one device, in the order of their ids.
final class ControlTable: Sendable {
  let controls: [ControlDefinition]
  private let indexes: [UInt32: Int]
  /// What the device does where it has no control for it.
  private let fixedValues: [UInt32: Int64]

  init(_ personality: VirtualDevice.Personality) {
    controls = personality.controls.sorted { $0.identifier < $1.identifier }
    indexes = Dictionary(
      controls.enumerated().map { ($1.identifier, $0) }, uniquingKeysWith: { first, _ in first })
    fixedValues = Self.usualValues.merging(personality.fixedValues) { $1 }
  }

  func index(of identifier: UInt32) -> Int? { indexes[identifier] }

  func fixedValue(_ identifier: UInt32) -> Int64 { fixedValues[identifier] ?? 0 }

  /// What a codec takes when neither a control nor the personality says anything.
  private static let usualValues = Dictionary(
    uniqueKeysWithValues: VirtualDevice.Personality.spec.controls.map {
      ($0.identifier, $0.initial)
    })
}

/// The values of all controls of one handle.
struct ControlValues: Sendable {
  private let table: ControlTable
  private var values: [Int64]

  init(_ table: ControlTable) {
    self.table = table
    values = table.controls.map(\.initial)
  }

  subscript(index index: Int) -> Int64 {
    get { values[index] }
    set { values[index] = newValue }
  }

  /// The value in force for a control's id, whether the device has that control or not.
  subscript(_ identifier: Int32) -> Int {
    let identifier = UInt32(bitPattern: identifier)
    guard let index = table.index(of: identifier) else {
      return Int(table.fixedValue(identifier))
    }
    return Int(values[index])
  }
}
