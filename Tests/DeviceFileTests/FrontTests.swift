import TestSupport
import Testing

@Suite("Conformance through the device file", .needsDeviceFile)
struct FrontTests {
  /// All of them when there is time.
  private static func personalities() async throws -> [String] {
    guard ConformanceNode.isSoak else { return ConformanceNode.servedAsFile }
    let list = try await Subprocess(try builtBinary(named: "v4l2-virtual-encoder"), ["--list"])
      .wait(within: .patience)
    return list.outputText.split(separator: "\n").compactMap { line in
      line.split(separator: " ").first.map(String.init)
    }
  }

  @Test("the conformance suite passes on served files")
  func suite() async throws {
    let personalities = try await Self.personalities()
    try #require(personalities.contains("spec"))
    for personality in personalities {
      let options = ["--personality", personality]
      try await DeviceFile.serve(options) { real in
        try await DeviceFile.serve(options + ["--backend", "null"]) { pretended in
          let node = ConformanceNode(
            personality: personality, real: real.path, pretended: pretended.path)
          let command = try ConformanceNode.suite(on: [node])
          ConformanceNode.expectPassed(
            try await Subprocess("/usr/bin/env", Array(command.dropFirst()))
              .wait(within: .seconds(900)))
        }
      }
    }
  }
}
