/// Turns a table of arguments into the text of `--help`.
enum Help {
  private static let indent = 2
  private static let column = 30
  private static let width = 92

  /// The page of one command.
  static func page<Values>(_ table: ArgumentTable<Values>) -> String {
    var text = "\(table.summary)\n\nUsage: \(table.usage)\n"
    for section in table.sections {
      text += "\n\(section.title):\n"
      for option in section.options { text += row(option.synopsis, option.help) }
    }
    if !table.notes.isEmpty { text += "\n" + table.notes }
    return text
  }

  /// A term and its explanation, in two columns.
  static func row(_ term: String, _ explanation: String) -> String {
    let lines = wrap(explanation, to: width - column)
    let left = String(repeating: " ", count: indent) + term
    var text = ""
    var rest = lines[...]
    if left.count + 2 <= column, let first = rest.popFirst() {
      text = left + String(repeating: " ", count: column - left.count) + first + "\n"
    } else {
      text = left + "\n"
    }
    for line in rest { text += String(repeating: " ", count: column) + line + "\n" }
    return text
  }

  /// Sentences over the whole width.
  static func paragraph(_ text: String) -> String {
    wrap(text, to: width).map { $0 + "\n" }.joined()
  }

  /// Breaks text at spaces.
  static func wrap(_ text: String, to width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = ""
      }
      line += line.isEmpty ? String(word) : " " + word
    }
    return line.isEmpty ? lines : lines + [line]
  }
}
