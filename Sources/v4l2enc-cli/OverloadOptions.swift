internal import V4L2Encoder

/// What becomes of a live source's frames when the encoder cannot keep up.
struct OverloadOptions: Sendable {
  var admission = AdmissionPolicy.wait
  /// How long a frame may take to its packet.
  var latencyBudget: Duration?
  var reducesRate = false

  /// Writes them into a configuration.
  func apply(to configuration: inout EncoderConfiguration) {
    configuration.admission = admission
    configuration.latencyBudget = latencyBudget
    configuration.rateReduction = reducesRate ? FrameRateReduction() : nil
  }

  /// How many frames wait with `drop-oldest` where nobody says it.
  private static let usualQueue = 4

  static let table: [ArgumentOption<EncodeOptions>] = [
    ArgumentOption(
      "--on-overrun", value: "wait|drop-newest|drop-oldest[:N]|fail",
      help: "When there is no room for a frame: let the camera wait, which loses frames itself "
        + "(default), drop the frame, keep N (\(usualQueue)) frames and drop the oldest, or end"
    ) { (options, text) throws(CommandError) in
      options.overload.admission = try admission(named: text)
    },
    ArgumentOption(
      "--max-latency", value: "TIME",
      help: "Drop frames that would take longer to be encoded than this, such as 250ms"
    ) { (options, text) throws(CommandError) in
      options.overload.latencyBudget = try Quantities.time(text, for: "--max-latency")
    },
    ArgumentOption(
      "--reduce-rate",
      help: "Encode every second frame, or third or fourth, while the encoder cannot keep up"
    ) { $0.overload.reducesRate = true },
  ]

  private static func admission(named text: String) throws(CommandError) -> AdmissionPolicy {
    let parts = text.lowercased().split(
      separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    switch (parts[0], parts.count) {
    case ("wait", 1): return .wait
    case ("drop-newest", 1): return .dropNewest
    case ("fail", 1): return .fail
    case ("drop-oldest", 1): return .dropOldest(queue: usualQueue)
    case ("drop-oldest", _):
      let count = try Quantities.integer(
        String(parts[1]), for: "--on-overrun drop-oldest", in: 1...1000)
      return .dropOldest(queue: count)
    default:
      throw CommandError(
        .usage,
        "--on-overrun \(text): unknown; write wait, drop-newest, drop-oldest, drop-oldest:N or fail"
      )
    }
  }
}
