/// Which device is to encode.
public struct DeviceSelector: Sendable {
  package enum Choice: Sendable {
    case automatic
    case node(path: String, any Transport)
  }

  package let choice: Choice
  /// Whether the device is a node of this machine, so that another node may be advised instead.
  package let isNode: Bool

  /// Where the requests of an automatic choice are written down; other choices have it in their
  /// transport.
  package let trace: DeviceTrace?

  package init(_ choice: Choice, isNode: Bool = false, trace: DeviceTrace? = nil) {
    self.choice = choice
    self.isNode = isNode
    self.trace = trace
  }

  /// The device of this machine that fits the configuration best: by codec, size, frame rate and
  /// raw format, as far as drivers tell them.
  ///
  /// The environment variable `V4L2ENC_DEVICE` may name a node, which is then the only one tried.
  public static var automatic: DeviceSelector { DeviceSelector(.automatic) }

  /// The device at this path; no other one is tried.
  public static func path(_ path: String) -> DeviceSelector {
    DeviceSelector(.node(path: path, NodeTransport()), isNode: true)
  }
}
