/// Just enough JSON to write reports and to read dumps.
package enum JSON: Sendable {
  case null
  case boolean(Bool)
  case number(Int)
  /// Digits that are a number already.
  case literal(String)
  case string(String)
  case array([JSON])
  /// Members in the order in which they are written.
  case object([(String, JSON)])

  /// The value in one line.
  package var text: String {
    switch self {
    case .null: return "null"
    case .boolean(let value): return value ? "true" : "false"
    case .number(let value): return "\(value)"
    case .literal(let digits): return digits
    case .string(let value): return Self.quoted(value)
    case .array(let values): return "[" + values.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      let texts = members.map { Self.quoted($0.0) + ":" + $0.1.text }
      return "{" + texts.joined(separator: ",") + "}"
    }
  }

  /// The value in lines for people: what fits into one line stays in one.
  package func lines(indent: String = "", width: Int = 100) -> String {
    let short = text
    guard indent.utf8.count + short.utf8.count > width else { return short }
    let inner = indent + "  "
    switch self {
    case .array(let values):
      let texts = values.map { inner + $0.lines(indent: inner, width: width) }
      return "[\n" + texts.joined(separator: ",\n") + "\n\(indent)]"
    case .object(let members):
      let texts = members.map {
        inner + Self.quoted($0.0) + ": " + $0.1.lines(indent: inner, width: width)
      }
      return "{\n" + texts.joined(separator: ",\n") + "\n\(indent)}"
    case .null, .boolean, .number, .literal, .string: return short
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
