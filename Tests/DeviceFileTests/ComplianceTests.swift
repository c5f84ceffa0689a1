import TestSupport
import Testing

@Suite("v4l2-compliance", .needsDeviceFile, .serialized)
struct ComplianceTests {
  /// The only test that fails; it wants a media controller of every encoder, which newer
  /// v4l-utils dropped.
  private static let expectedFailures = ["v4l2-test-codecs.cpp(35)"]

  /// Whether a thread of v4l2-compliance did not get to run within a quarter of a second.
  ///
  /// Traced on a machine with four times as many busy processes as processors: the thread that is
  /// to call STREAMOFF is created and, 250 ms later, given up before it made one system call. On
  /// the way out its object is destroyed, which ends the whole program when the thread starts just
  /// then. No request reached the device, and only one queue streams in that check, so that
  /// STREAMOFF has no encoding to wait for: the run is repeated.
  private static func wasStarved(_ result: SubprocessResult) -> Bool {
    result.outputText.contains("v4l2-test-buffers.cpp(2645): !thread_streamoff.done")
      || result.errorText.contains("pure virtual method called")
  }

  @Test(
    "finds no fault but the one that v4l-utils dropped",
    arguments: ["mplane", "splane"], [true, false])
  func findsNoFault(api: String, null: Bool) async throws {
    // On a busy machine its threads only keep its time limits when they go first.
    let first = ["nice", "-n", "-15"]
    let options = ["--api", api] + (null ? ["--backend", "null"] : [])
    try await DeviceFile.serve(options, through: first) { device in
      let arguments = first[1...] + ["v4l2-compliance", "-d", device.path, "-s"]
      var result = try await device.run(first[0], Array(arguments))
      for _ in 0..<3 where Self.wasStarved(result) {
        result = try await device.run(first[0], Array(arguments))
      }
      let report = ComplianceReport(result.outputText)
      let comment = Comment(rawValue: "\(result.outputText.suffix(6000))\(result.errorText)")
      #expect(report.failures == Self.expectedFailures, comment)
      #expect(report.warnings == [], comment)
      #expect(report.total != nil, "the run came to no end: \(comment)")
      // A run that found nothing to try would find no fault either.
      #expect((report.total?.succeeded ?? 0) >= 45, comment)
      #expect(report.total?.failed == Self.expectedFailures.count, comment)
      #expect(report.total?.warnings == 0, comment)
      #expect(report.streamed, "nothing was streamed: \(comment)")
    }
  }
}

/// What v4l2-compliance says in its output.
private struct ComplianceReport {
  struct Total: Equatable {
    var succeeded, failed, warnings: Int
  }
  /// Where each failing check is, as "file(line)".
  var failures: [String] = []
  var warnings: [String] = []
  var total: Total?
  var streamed = false

  init(_ output: String) {
    for line in output.split(separator: "\n") {
      let text = line.drop { $0 == "\t" || $0 == " " }
      if text.hasPrefix("fail: ") {
        failures.append(String(text.dropFirst(6).prefix { $0 != ":" }))
      } else if text.hasPrefix("warn: ") {
        warnings.append(String(text))
      } else if text.hasPrefix("test MMAP"), text.hasSuffix("OK") {
        streamed = true
      } else if text.hasPrefix("Total for ") {
        // "Total for DRIVER device PATH: 47, Succeeded: 46, Failed: 1, Warnings: 0"
        func number(_ label: String) -> Int? {
          guard let range = text.firstRange(of: "\(label): ") else { return nil }
          return Int(text[range.upperBound...].prefix { $0.isNumber })
        }
        if let succeeded = number("Succeeded"), let failed = number("Failed"),
          let warnings = number("Warnings")
        {
          total = Total(succeeded: succeeded, failed: failed, warnings: warnings)
        }
      }
    }
  }
}
