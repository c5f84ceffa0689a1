/// A value that JSON can hold.
package protocol JSONConvertible {
  var json: JSON { get }
  init(json: JSON) throws(JSONFailure)
}

/// A struct whose members are named once, for writing and for reading.
package protocol JSONRecord: JSONConvertible {
  /// A record in which every member has its default.
  init()
  /// Passes every member to `fields` under its name.
  mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure)
}

/// The members of a record on their way to or from JSON.
package struct JSONFields {
  /// What was read; nil while writing.
  private let source: [(String, JSON)]?
  private(set) var written: [(String, JSON)] = []

  fileprivate init(reading source: [(String, JSON)]? = nil) { self.source = source }

  /// Exchanges one member; one that is missing in what is read keeps its default.
  package mutating func callAsFunction<Value: JSONConvertible>(
    _ name: String, _ value: inout Value
  ) throws(JSONFailure) {
    guard let source else {
      written.append((name, value.json))
      return
    }
    guard let found = source.first(where: { $0.0 == name })?.1 else { return }
    do throws(JSONFailure) { value = try Value(json: found) } catch {
      throw JSONFailure("\(name): \(error.message)")
    }
  }
}

extension JSONRecord {
  package var json: JSON {
    var copy = self
    var fields = JSONFields()
    // Writing throws nothing: `JSONFields` fails only where it reads.
    try? copy.exchange(&fields)
    return .object(fields.written)
  }

  package init(json: JSON) throws(JSONFailure) {
    guard case .object(let members) = json else { throw JSONFailure("no object") }
    self.init()
    var fields = JSONFields(reading: members)
    try exchange(&fields)
  }
}

extension String: JSONConvertible {
  package var json: JSON { .string(self) }
  package init(json: JSON) throws(JSONFailure) {
    guard case .string(let text) = json else { throw JSONFailure("no string") }
    self = text
  }
}

extension Bool: JSONConvertible {
  package var json: JSON { .boolean(self) }
  package init(json: JSON) throws(JSONFailure) {
    guard case .boolean(let value) = json else { throw JSONFailure("neither true nor false") }
    self = value
  }
}

extension Int: JSONConvertible {
  package var json: JSON { .number(self) }
  package init(json: JSON) throws(JSONFailure) {
    guard case .number(let value) = json else { throw JSONFailure("no whole number") }
    self = value
  }
}

extension Double: JSONConvertible {
  package var json: JSON { .literal(isFinite ? "\(self)" : "0") }
  package init(json: JSON) throws(JSONFailure) {
    switch json {
    case .number(let value): self = Double(value)
    case .literal(let digits):
      guard let value = Double(digits), value.isFinite else {
        throw JSONFailure("a number is too large")
      }
      self = value
    case .null, .boolean, .string, .array, .object: throw JSONFailure("no number")
    }
  }
}

extension Array: JSONConvertible where Element: JSONConvertible {
  package var json: JSON { .array(map(\.json)) }
  package init(json: JSON) throws(JSONFailure) {
    guard case .array(let values) = json else { throw JSONFailure("no array") }
    self = []
    for value in values { append(try Element(json: value)) }
  }
}

extension Optional: JSONConvertible where Wrapped: JSONConvertible {
  package var json: JSON { map(\.json) ?? .null }
  package init(json: JSON) throws(JSONFailure) {
    if case .null = json {
      self = nil
    } else {
      self = try Wrapped(json: json)
    }
  }
}
