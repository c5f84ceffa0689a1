import Foundation
import TestSupport
import Testing

@Suite(.makesPluginNamespace, .timeLimit(.minutes(5)))
struct LibraryInsideTests {
  @Test("the library's own tests pass inside a namespace with the plugin")
  func library() async throws {
    let result = try await PluginNamespace.run(
      "env",
      [
        "V4L2ENC_PLUGIN_NAMESPACE=1",
        try builtBinary(named: "swift-v4l2-encoderPackageTests.xctest"),
        "--testing-library", "swift-testing", "--no-parallel", "--filter", "PluginSessionTests",
      ], within: .seconds(240))
    let log = result.outputText + result.errorText
    // The plugin's words would push the reasons out of what is shown.
    let reasons = log.split(separator: "\n").filter { $0.contains("✘") }.joined(separator: "\n")
    #expect(result.exitCode == 0, "\(reasons)\n\(log.suffix(2000))")
    // That none is found or all are skipped is no success.
    #expect(log.contains("Test run with \(PluginSessionTests.count) tests"), "\(log.suffix(2000))")
    #expect(!log.contains("skipped"), "\(log.suffix(2000))")
  }
}
