/// One option of a command: how it is written, what help says, and what it does.
struct ArgumentOption<Values>: Sendable {
  /// What an option does when it is met.
  enum Action: Sendable {
    case flag(@Sendable (inout Values) -> Void)
    case value(
      name: String, @Sendable (inout Values, String) throws(CommandError) -> Void)
  }

  /// The spellings with their dashes, the long one first.
  let spellings: [String]
  let action: Action
  let help: String

  init(
    _ spellings: String..., value: String, help: String,
    apply: @escaping @Sendable (inout Values, String) throws(CommandError) -> Void
  ) {
    self.spellings = spellings
    self.action = .value(name: value, apply)
    self.help = help
  }

  init(
    _ spellings: String..., help: String, apply: @escaping @Sendable (inout Values) -> Void
  ) {
    self.spellings = spellings
    self.action = .flag(apply)
    self.help = help
  }

  /// The same option for values that contain those it sets.
  func setting<Whole>(
    _ part: any WritableKeyPath<Whole, Values> & Sendable
  ) -> ArgumentOption<Whole> {
    switch action {
    case .flag(let apply):
      ArgumentOption<Whole>(spellings, help: help, .flag { apply(&$0[keyPath: part]) })
    case .value(let name, let apply):
      ArgumentOption<Whole>(
        spellings, help: help,
        .value(name: name) { (whole, text) throws(CommandError) in
          try apply(&whole[keyPath: part], text)
        })
    }
  }

  private init(_ spellings: [String], help: String, _ action: Action) {
    self.spellings = spellings
    self.help = help
    self.action = action
  }

  /// The left column of the help.
  var synopsis: String {
    let names = spellings.reversed().joined(separator: ", ")
    switch action {
    case .flag: return names
    case .value(let name, _): return "\(names) \(name)"
    }
  }
}

extension ArgumentTable.Section {
  /// Options of another table, for values that contain those they set.
  init<Part>(
    title: String, _ options: [ArgumentOption<Part>],
    setting part: any WritableKeyPath<Values, Part> & Sendable
  ) {
    self.init(title: title, options: options.map { $0.setting(part) })
  }
}

/// Everything a command takes; parsing and help read the same table.
struct ArgumentTable<Values>: Sendable {
  /// Options under one heading of the help.
  struct Section: Sendable {
    let title: String
    let options: [ArgumentOption<Values>]
  }

  let command: String
  let summary: String
  let usage: String
  let sections: [Section]
  /// Free text after the options.
  let notes: String
  /// Takes an argument that is no option.
  let positional: @Sendable (inout Values, String) throws(CommandError) -> Void

  /// What the arguments ask for.
  enum Outcome {
    case run(Values)
    case help
  }

  private var options: [ArgumentOption<Values>] { sections.flatMap(\.options) }

  /// Reads arguments into `values`; whatever they ask for last counts.
  func parse(_ arguments: [String], into values: Values) throws(CommandError) -> Outcome {
    var values = values
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--" {
        for plain in rest { try take(plain, into: &values) }
        break
      }
      if argument == "--help" || argument == "-h" { return .help }
      guard argument.hasPrefix("-"), argument != "-" else {
        try take(argument, into: &values)
        continue
      }
      try apply(argument, &rest, to: &values)
    }
    return .run(values)
  }

  private func take(_ argument: String, into values: inout Values) throws(CommandError) {
    try positional(&values, try Quantities.name(argument, for: "v4l2enc \(command)"))
  }

  private func apply(
    _ argument: String, _ rest: inout ArraySlice<String>, to values: inout Values
  ) throws(CommandError) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let isLong = argument.hasPrefix("--")
    let name = isLong ? String(parts[0]) : argument
    guard let option = options.first(where: { $0.spellings.contains(name) }) else {
      if name == "--version" {
        throw CommandError(.usage, "--version goes without a command: v4l2enc --version")
      }
      let known = options.flatMap(\.spellings) + ["--help"]
      throw CommandError(
        .usage,
        "unknown option \(name)\(Suggestion.sentence(for: name, in: known))"
          + "; v4l2enc \(command) --help lists all")
    }
    switch option.action {
    case .flag(let apply):
      guard !isLong || parts.count == 1 else {
        throw CommandError(.usage, "\(name) takes no value")
      }
      apply(&values)
    case .value(let valueName, let apply):
      if isLong, parts.count == 2 {
        try apply(&values, String(parts[1]))
      } else if let value = rest.popFirst() {
        try apply(&values, value)
      } else {
        throw CommandError(.usage, "\(name) needs a value: \(name) \(valueName)")
      }
    }
  }
}
