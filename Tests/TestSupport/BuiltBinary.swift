internal import Foundation

/// The path of an executable product of this package, built together with the running tests.
///
/// - Throws: `TestSupportError` when there is none; its test target must then depend on it.
public func builtBinary(named name: String) throws(TestSupportError) -> String {
  let running = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
  // The test bundle is an executable beside the products; a runner from elsewhere names it in its
  // arguments instead.
  let neighbours = ([running] + CommandLine.arguments).filter { $0.hasSuffix(".xctest") }
  let places =
    neighbours.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path }
    + [Fixtures.packageDirectory + ".build/debug"]
  for place in places {
    let candidate = "\(place)/\(name)"
    if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
  }
  throw TestSupportError("\(name) is not in \(places.joined(separator: ", "))")
}
