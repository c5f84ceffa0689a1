import TestSupport
import Testing

@Suite("Conformance through libv4l2", .makesPluginNamespace)
struct PluginFrontTests {
  /// With the kernel's rules behind libv4l2 as well when there is time.
  private static let nodes: [PluginNode] =
    ConformanceNode.isSoak
    ? PluginNode.allCases : ConformanceNode.behindLibV4L2.compactMap(PluginNode.init)

  @Test("the conformance suite passes on the plugin's nodes", arguments: nodes)
  func suite(node: PluginNode) async throws {
    let directory = try TemporaryDirectory()
    let personality = PluginNode.plain.contains(node) ? "spec" : node.rawValue
    let command = try ConformanceNode.suite(
      on: [ConformanceNode(personality: personality, real: try node.make(in: directory))],
      ["V4L2ENC_PLUGIN_NAMESPACE=1"])
    ConformanceNode.expectPassed(
      try await PluginNamespace.run(
        command[0], Array(command.dropFirst()), within: .seconds(900)))
  }
}
