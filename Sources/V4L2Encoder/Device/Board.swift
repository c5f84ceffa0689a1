/// What the name of a board says of encoders, before any node is opened.
package struct Board: Hashable, Sendable {
  /// The name, from `/proc/device-tree/model`.
  package let model: String

  package init(model: String) { self.model = model }

  /// NVIDIA's nodes below `/dev`, the newer one first.
  static let jetsonNodes = ["v4l2-nvenc", "nvhost-msenc"]

  /// Boards of families with encoders that have none.
  ///
  /// Raspberry Pi: pikvm/ustreamer issue 288. Jetson Orin Nano: dusty-nv/jetson-utils issue 197.
  private static let boardsWithoutEncoder: [(part: String, name: String)] = [
    ("Raspberry Pi 500", "the Raspberry Pi 500"),
    ("Raspberry Pi 5", "the Raspberry Pi 5"),
    ("Raspberry Pi Compute Module 5", "the Raspberry Pi Compute Module 5"),
    ("Orin Nano", "the Jetson Orin Nano"),
  ]

  /// Says that the board has no encoder; nil when it may have one.
  package var lacksEncoder: String? {
    Self.boardsWithoutEncoder.first { model.contains($0.part) }.map {
      "\($0.name) has no video encoder in hardware"
    }
  }

  /// Why a node must not even be opened; nil when it may.
  ///
  /// Probing for NVENC on the Orin Nano can hang the whole system (insight-platform/Savant issue
  /// 497).
  package func refusal(ofOpening path: String) -> String? {
    guard model.contains("Orin Nano"), let lacksEncoder,
      Self.jetsonNodes.contains(where: { path.hasSuffix("/" + $0) })
    else { return nil }
    return "\(path) is left alone: \(lacksEncoder), and asking for one can hang it"
  }
}
