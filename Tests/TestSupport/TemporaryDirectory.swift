internal import Foundation

/// A directory that exists as long as somebody holds it.
public final class TemporaryDirectory: Sendable {
  /// The directory's path, without a trailing slash.
  public let path: String

  /// Creates an empty directory that nobody else uses.
  ///
  /// - Throws: `TestSupportError` when the directory cannot be made.
  public init(named name: String = "v4l2enc") throws(TestSupportError) {
    var template = [CChar]("\(Self.root)/\(name).XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else {
      throw TestSupportError("mkdtemp in \(Self.root): \(String(cString: strerror(errno)))")
    }
    path = String(cString: made)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file in this directory; the file need not exist.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file into this directory and returns its path.
  ///
  /// - Throws: `TestSupportError` when the file cannot be written.
  public func write(_ bytes: [UInt8], to name: String) throws(TestSupportError) -> String {
    let path = file(name)
    do { try Data(bytes).write(to: URL(fileURLWithPath: path)) } catch {
      throw TestSupportError("\(path): \(error)")
    }
    return path
  }

  private static let root = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
}

/// Files that every test of this run shares; removed when the test process ends.
enum RunDirectory {
  // Held for the life of the process: `exit` does not release globals, so a handler removes it.
  private static let made: Result<TemporaryDirectory, TestSupportError> = {
    let result = Result { () throws(TestSupportError) in
      try TemporaryDirectory(named: "v4l2enc-run")
    }
    atexit { RunDirectory.remove() }
    return result
  }()

  private static func remove() {
    if case .success(let directory) = made {
      try? FileManager.default.removeItem(atPath: directory.path)
    }
  }

  static func file(_ name: String) throws(TestSupportError) -> String { try made.get().file(name) }
}

/// Why a helper of the tests could not do its work.
public struct TestSupportError: Error, CustomStringConvertible {
  /// What went wrong, in one or more lines.
  public let description: String

  /// Creates an error.
  public init(_ description: String) { self.description = description }
}
