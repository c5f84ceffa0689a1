internal import V4L2Encoder

/// Reads `--set CONTROL=VALUE`.
enum ControlArgument {
  private static let prefix = "V4L2_CID_MPEG_VIDEO_"

  /// The control and the value somebody wrote.
  static func parse(_ text: String) throws(CommandError) -> ControlSetting {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw CommandError(
        .usage, "--set \(text): write CONTROL=VALUE, such as --set h264_i_period=30")
    }
    guard let value = number(parts[1]) else {
      throw CommandError(
        .usage,
        "--set \(text): the value must be a whole number (menu controls by index, "
          + "switches 0 or 1)")
    }
    return ControlSetting(id: try identifier(String(parts[0])), value: value)
  }

  /// The name of a control number, for messages.
  static func name(of id: UInt32) -> String {
    let entry = ControlNames.offsets.first { ControlNames.base &+ $0.value == id }
    return entry?.key ?? "0x" + String(id, radix: 16)
  }

  /// A text of the library in which controls it knows by number only have their names.
  static func namingControls(in text: String) -> String {
    guard let start = text.firstRange(of: "0x") else { return text }
    let digits = text[start.upperBound...].prefix { $0.isHexDigit }
    let rest = namingControls(in: String(text[digits.endIndex...]))
    let name = UInt32(digits, radix: 16).map(name) ?? "0x" + digits
    return text[..<start.lowerBound] + name + rest
  }

  private static func identifier(_ name: String) throws(CommandError) -> UInt32 {
    if name.hasPrefix("0x") || name.hasPrefix("0X") {
      guard let id = UInt32(name.dropFirst(2), radix: 16), id != 0 else {
        throw CommandError(.usage, "--set \(name): a control number is 0x1 to 0xffffffff")
      }
      return id
    }
    var wanted = name.uppercased()
    if wanted.hasPrefix(prefix) { wanted = String(wanted.dropFirst(prefix.count)) }
    if let entry = ControlNames.offsets.first(where: { $0.key == wanted }) {
      return ControlNames.base + entry.value
    }
    let hint = Suggestion.sentence(for: wanted, in: ControlNames.offsets.map(\.key))
    throw CommandError(
      .usage,
      "--set \(name): no such control\(hint); names are those of the kernel's V4L2_CID_MPEG_VIDEO_*"
        + ", others go by number, such as 0x9909cf")
  }

  private static func number(_ text: Substring) -> Int64? {
    let isNegative = text.hasPrefix("-")
    let digits = isNegative ? text.dropFirst() : text
    guard digits.hasPrefix("0x") || digits.hasPrefix("0X") else { return Int64(text) }
    return Int64((isNegative ? "-" : "") + digits.dropFirst(2), radix: 16)
  }
}
