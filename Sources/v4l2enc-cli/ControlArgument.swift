internal import V4L2Encoder

/// Reads `--set CONTROL=VALUE`.
enum ControlArgument {
  /// The control and the value somebody wrote.
  static func parse(_ text: String) throws(CommandError) -> ControlSetting {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw CommandError(
        .usage, "--set \(text): write CONTROL=VALUE, such as --set h264_i_period=30")
    }
    let id = try identifier(String(parts[0]))
    return ControlSetting(id: id, value: try value(parts[1], of: EncoderControl(id: id), text))
  }

  private static func identifier(_ name: String) throws(CommandError) -> UInt32 {
    if name.hasPrefix("0x") || name.hasPrefix("0X") {
      guard let id = UInt32(name.dropFirst(2), radix: 16), id != 0 else {
        throw CommandError(.usage, "--set \(name): a control number is 0x1 to 0xffffffff")
      }
      return id
    }
    if let control = EncoderControl(named: name) { return control.id }
    let hint = Suggestion.sentence(
      for: name.uppercased(), in: EncoderControl.all.map(\.name))
    throw CommandError(
      .usage,
      "--set \(name): no such control\(hint); names are those of the kernel's V4L2_CID_MPEG_VIDEO_*"
        + ", others go by number, such as 0x9909cf")
  }

  /// A number, or an item of the control's menu by its name.
  private static func value(
    _ text: Substring, of control: EncoderControl?, _ argument: String
  ) throws(CommandError) -> Int64 {
    if let value = number(text) { return value }
    if case .menu(let items) = control?.kind {
      let wanted = text.lowercased().replacing("_", with: "-")
      if let index = items.firstIndex(of: wanted) { return Int64(index) }
      throw CommandError(
        .usage,
        "--set \(argument): no such item\(Suggestion.sentence(for: wanted, in: items)); "
          + "the items are \(items.joined(separator: ", ")), or their numbers from 0")
    }
    throw CommandError(
      .usage, "--set \(argument): the value must be a whole number (switches 0 or 1)")
  }

  private static func number(_ text: Substring) -> Int64? {
    let isNegative = text.hasPrefix("-")
    let digits = isNegative ? text.dropFirst() : text
    guard digits.hasPrefix("0x") || digits.hasPrefix("0X") else { return Int64(text) }
    return Int64((isNegative ? "-" : "") + digits.dropFirst(2), radix: 16)
  }
}
