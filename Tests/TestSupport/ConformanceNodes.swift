internal import Foundation
internal import Testing

/// A device node on which the conformance suite runs instead of on devices of its own process.
///
/// Whoever serves the node runs the suite in a process of its own and names the node there.
public struct ConformanceNode: Hashable, Sendable {
  /// Which driver the node imitates.
  public let personality: String
  /// Where it encodes with real codecs.
  public let real: String
  /// Where it only pretends to encode; `real` when it cannot.
  public let pretended: String

  /// Creates a node; without `pretended` it has real codecs only.
  public init(personality: String, real: String, pretended: String? = nil) {
    self.personality = personality
    self.real = real
    self.pretended = pretended ?? real
  }

  private static let variable = "V4L2ENC_CONFORMANCE_NODES"
  private static let environment = ProcessInfo.processInfo.environment

  /// The nodes that this process was given; nil when it shall make devices of its own.
  public static let given: [ConformanceNode]? = environment[variable].map { text in
    text.split(separator: " ").map { node in
      let parts = node.split(separator: ",").map(String.init)
      precondition(parts.count == 3, "\(variable): PERSONALITY,PATH,PATH, not \(node)")
      return ConformanceNode(personality: parts[0], real: parts[1], pretended: parts[2])
    }
  }

  /// The personalities on which the suite always runs through the device file: those whose
  /// requests differ most, and one that is opened anew.
  public static let servedAsFile = ["spec", "bcm2835", "coda", "wave5"]
  /// Those on which it always runs through libv4l2, as there is no other way to such a device.
  public static let behindLibV4L2 = ["rkmpp", "nvidia"]

  /// Whether the whole suite runs on every node, which takes long, or a representative part.
  public static let isSoak = environment["V4L2ENC_SOAK"] == "1"

  /// The program and its arguments that run the suite on these nodes.
  public static func suite(
    on nodes: [ConformanceNode], _ variables: [String] = []
  ) throws -> [String] {
    let text = nodes.map { "\($0.personality),\($0.real),\($0.pretended)" }
    return ["env", "\(variable)=\(text.joined(separator: " "))"] + variables + [
      try builtBinary(named: "swift-v4l2-encoderPackageTests.xctest"),
      "--testing-library", "swift-testing", "--no-parallel", "--filter", "ConformanceTests",
      // What needs the device in the same process.
      "--skip", "FeatureTable", "--skip", "EncodingTests/skipped",
    ]
  }

  /// How many tests the suite has on nodes.
  private static let testCount = 9

  /// Expects that the suite ran as a whole and passed.
  public static func expectPassed(_ result: SubprocessResult) {
    let log = result.outputText + result.errorText
    let failures = log.split(separator: "\n").filter { $0.contains("✘") || $0.contains("rror:") }
    #expect(result.exitCode == 0, "\(failures.joined(separator: "\n").suffix(6000))")
    // That none is found or some are skipped is no success.
    #expect(log.contains("Test run with \(testCount) tests"), "\(log.suffix(2000))")
    #expect(!log.contains("skipped"), "\(log.suffix(2000))")
  }
}
