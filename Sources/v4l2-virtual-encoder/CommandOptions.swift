internal import V4L2Encoder
internal import VirtualV4L2Device

/// What the command line asks for.
struct CommandOptions {
  var path = ""
  private var personality: VirtualDevice.Personality?
  private var api: VirtualDevice.Configuration.Interface?
  var device = VirtualDevice.Configuration()
  var staysInForeground = false
  /// Started by `Launcher`, which waits to hear that the device is ready.
  var reportsToLauncher = false
  var showsHelp = false
  var listsPersonalities = false
  var showsVersion = false

  static let launcherFlag = "--started-by-launcher"

  init(_ arguments: some Sequence<String>) throws(ServerFailure) {
    var rest = Array(arguments)[...]
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("-"), argument != "-" else {
        guard path.isEmpty else { throw .usage("one path at a time, not also \(argument)") }
        path = argument
        continue
      }
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      if argument == Self.launcherFlag {
        reportsToLauncher = true
        continue
      }
      guard let option = Self.table.first(where: { $0.names.contains(parts[0]) }) else {
        throw .usage("there is no option \(parts[0])")
      }
      switch option.effect {
      case .flag(let apply):
        guard parts.count == 1 else { throw .usage("\(parts[0]) takes no value") }
        apply(&self)
      case .choice(let choices):
        guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
          throw .usage("\(parts[0]) needs a value: \(option.values)")
        }
        guard let choice = choices.first(where: { $0.name == value }) else {
          throw .usage("\(parts[0]) is one of \(option.values), not \(value)")
        }
        choice.apply(&self)
      case .value(let name, let apply):
        guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
          throw .usage("\(parts[0]) needs a value: \(name)")
        }
        try apply(&self, value)
      }
    }
    // The other options change the personality, in whatever order they came.
    if let personality {
      let api = api ?? personality.interface
      device.personality = personality
      device.api = api
    } else if let api {
      device.api = api
    }
    guard !path.isEmpty || showsHelp || showsVersion || listsPersonalities else {
      throw .usage("name the path of the device file")
    }
  }

  // MARK: Table

  private struct Option {
    enum Effect {
      case flag((inout CommandOptions) -> Void)
      case choice([(name: String, apply: (inout CommandOptions) -> Void)])
      case value(name: String, (inout CommandOptions, String) throws(ServerFailure) -> Void)
    }
    let names: [String]
    let effect: Effect
    let help: String

    var values: String {
      switch effect {
      case .flag: ""
      case .choice(let choices): choices.map(\.name).joined(separator: "|")
      case .value(let name, _): name
      }
    }
  }

  private static func choices<Value: CaseIterable & RawRepresentable>(
    _ target: WritableKeyPath<CommandOptions, Value>
  ) -> Option.Effect where Value.RawValue == String {
    .choice(Value.allCases.map { value in (value.rawValue, { $0[keyPath: target] = value }) })
  }

  private static var table: [Option] {
    [
      Option(
        names: ["--personality"],
        effect: .value(
          name: (VirtualDevice.Personality.all.map(\.name) + ["recorded:FILE"])
            .joined(separator: "|"), choosePersonality),
        help: "what it imitates: spec the kernel's documents, FILE a dump"),
      Option(
        names: ["--list-personalities", "--list"], effect: .flag { $0.listsPersonalities = true },
        help: "say what each of them is"),
      Option(
        names: ["--api"],
        effect: .choice(
          VirtualDevice.Configuration.Interface.allCases.map { one in
            (one.rawValue, { $0.api = one })
          }),
        help: "the multi- or single-planar interface, if not the driver's"),
      Option(
        names: ["--codec-h264"], effect: choices(\.device.h264),
        help: "who encodes H.264; null makes the bytes up, to measure clients"),
      Option(
        names: ["--codec-hevc"], effect: choices(\.device.hevc),
        help: "who encodes HEVC; null as above"),
      Option(
        names: ["--raw-formats"],
        effect: .choice([
          ("all", { $0.device.rawFormats = nil }), ("nv12", { $0.device.rawFormats = [.nv12] }),
        ]),
        help: "what frames may be: anything the device knows, or NV12 only"),
      Option(
        names: ["--backend"], effect: .choice([("null", useNullCodecs)]),
        help: "null for every codec"),
      Option(
        names: ["--foreground"], effect: .flag { $0.staysInForeground = true },
        help: "stay, instead of returning when the device is ready"),
      Option(names: ["--help", "-h"], effect: .flag { $0.showsHelp = true }, help: "show this"),
      Option(
        names: ["--version"], effect: .flag { $0.showsVersion = true }, help: "show the version"),
    ]
  }

  private static func choosePersonality(
    _ options: inout CommandOptions, _ text: String
  ) throws(ServerFailure) {
    do throws(EncoderError) {
      options.personality = try .chosen(by: text)
    } catch {
      throw .usage("--personality \(text): \(error)")
    }
  }

  private static func useNullCodecs(_ options: inout CommandOptions) {
    options.device.h264 = .null
    options.device.hevc = .null
  }

  static var personalities: String {
    VirtualDevice.Personality.all.map { one in
      "\(one.name)\(String(repeating: " ", count: max(1, 10 - one.name.count)))\(one.summary)\n"
    }.joined()
  }

  static var help: String {
    let lines = table.map { option in
      let left = "\(option.names.joined(separator: ", ")) \(option.values)"
      let gap =
        left.count < 34
        ? String(repeating: " ", count: 34 - left.count)
        : "\n" + String(repeating: " ", count: 36)
      return "  \(left)\(gap)\(option.help)"
    }
    return """
      Usage: v4l2-virtual-encoder PATH [OPTION]…

      Makes PATH a V4L2 encoder that any program can use, until SIGTERM or SIGINT. PATH is
      created if need be, and then removed at the end. Needs root and Linux 6.9 or newer.

      \(lines.joined(separator: "\n"))

      Exit codes: 0 ready (or ended by a signal), 64 usage, 69 no FUSE passthrough here,
      70 the server died, 71 the system failed, 73 PATH cannot be used,
      75 it was not ready in time, 77 not root.

      """
  }
}
