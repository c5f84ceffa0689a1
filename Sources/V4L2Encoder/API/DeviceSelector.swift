/// Which device is to encode.
public struct DeviceSelector: Sendable {
  package enum Choice: Sendable {
    case automatic
    case node(path: String, any Transport)
  }

  package let choice: Choice
  package init(_ choice: Choice) { self.choice = choice }

  /// The first device of this machine that encodes what is configured.
  public static var automatic: DeviceSelector { DeviceSelector(.automatic) }

  /// The device at this path; no other one is tried.
  public static func path(_ path: String) -> DeviceSelector {
    DeviceSelector(.node(path: path, NodeTransport()))
  }
}
