/// Why a text is no JSON, or not the one that was expected.
package struct JSONFailure: Error, Hashable, Sendable {
  package var message: String
  package init(_ message: String) { self.message = message }
}

extension JSON {
  /// Reads one value; numbers that are not whole become literals.
  package init(parsing text: String) throws(JSONFailure) {
    var reader = JSONReader(text)
    self = try reader.value(depth: 0)
    try reader.end()
  }
}

/// Reads JSON from untrusted text: every step consumes something, and depth is bounded.
private struct JSONReader {
  private let bytes: [UInt8]
  private var place = 0
  private static let maximumDepth = 64

  init(_ text: String) { bytes = Array(text.utf8) }

  mutating func value(depth: Int) throws(JSONFailure) -> JSON {
    guard depth < Self.maximumDepth else { throw failure("nested too deeply") }
    skipSpace()
    switch peek {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  mutating func end() throws(JSONFailure) {
    skipSpace()
    guard place == bytes.count else { throw failure("something follows the end") }
  }

  private var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

  private func failure(_ what: String) -> JSONFailure {
    let line = bytes[..<place].count { $0 == 0x0a } + 1
    return JSONFailure("line \(line): \(what)")
  }

  private mutating func skipSpace() {
    while let byte = peek, [0x20, 0x0a, 0x0d, 0x09].contains(byte) { place += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    place += 1
    return true
  }

  private mutating func word(_ word: String, _ value: JSON) throws(JSONFailure) -> JSON {
    guard bytes[place...].starts(with: word.utf8) else { throw failure("no JSON value") }
    place += word.utf8.count
    return value
  }

  private mutating func number() throws(JSONFailure) -> JSON {
    let start = place
    _ = take(UInt8(ascii: "-"))
    guard digits() else { throw failure("no JSON value") }
    var isWhole = true
    if take(UInt8(ascii: ".")) {
      isWhole = false
      guard digits() else { throw failure("a number ends with its point") }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isWhole = false
      _ = take(UInt8(ascii: "-")) || take(UInt8(ascii: "+"))
      guard digits() else { throw failure("a number has an empty exponent") }
    }
    let text = String(decoding: bytes[start..<place], as: UTF8.self)
    guard isWhole else { return .literal(text) }
    guard let number = Int(text) else { throw failure("a number is too large") }
    return .number(number)
  }

  /// Passes over digits; false when there is none.
  private mutating func digits() -> Bool {
    let start = place
    while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
    return place > start
  }

  private mutating func array(depth: Int) throws(JSONFailure) -> JSON {
    place += 1
    var values: [JSON] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array(values) }
    while true {
      values.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return .array(values) }
      guard take(UInt8(ascii: ",")) else { throw failure("an array does not end") }
    }
  }

  private mutating func object(depth: Int) throws(JSONFailure) -> JSON {
    place += 1
    var members: [(String, JSON)] = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      guard peek == UInt8(ascii: "\"") else { throw failure("a member has no name") }
      let name = try string()
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw failure("\(name) has no value") }
      members.append((name, try value(depth: depth + 1)))
      skipSpace()
      if take(UInt8(ascii: "}")) { return .object(members) }
      guard take(UInt8(ascii: ",")) else { throw failure("an object does not end") }
    }
  }

  private mutating func string() throws(JSONFailure) -> String {
    place += 1
    var text: [UInt8] = []
    while let byte = peek {
      place += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): text += try escape()
      default: text.append(byte)
      }
    }
    throw failure("a string does not end")
  }

  private mutating func escape() throws(JSONFailure) -> [UInt8] {
    guard let byte = peek else { throw failure("a string does not end") }
    place += 1
    switch byte {
    case UInt8(ascii: "n"): return [0x0a]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "r"): return [0x0d]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0c]
    case UInt8(ascii: "u"):
      let digits = bytes[place...].prefix(4)
      guard digits.count == 4,
        let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
      else { throw failure("\\u without four digits") }
      place += 4
      // Half of a pair stands for nothing by itself; no writer here makes pairs.
      return Array(String(Character(UnicodeScalar(code) ?? "\u{fffd}")).utf8)
    default: return [byte]
    }
  }
}
