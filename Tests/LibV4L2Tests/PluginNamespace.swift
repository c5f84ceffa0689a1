import Foundation
import TestSupport
import Testing

/// A mount namespace in which libv4l2 finds the virtual device's plugin; see
/// Scripts/private-libv4l2-plugin.sh.
enum PluginNamespace {
  private static let environment = ProcessInfo.processInfo.environment

  /// Whether this machine can make one; where that is demanded, tests run and fail.
  static let isPossible =
    environment["V4L2ENC_REQUIRE_FUSE"] == "1" || (geteuid() == 0 && !isHere && hasLibrary)
  /// Whether this process runs inside one.
  static let isHere = environment["V4L2ENC_PLUGIN_NAMESPACE"] == "1"

  private static var hasLibrary: Bool {
    guard let handle = dlopen("libv4l2.so.0", RTLD_LAZY) else { return false }
    dlclose(handle)
    return true
  }

  /// What libv4l2 has there.
  enum Plugin {
    /// The virtual device's plugin beside its own ones.
    case virtual
    /// Its own plugins only.
    case none
    /// There is no libv4l2.
    case noLibrary
  }

  /// Runs a program there.
  static func run(
    with plugin: Plugin = .virtual, _ program: String, _ arguments: [String],
    within limit: Duration = .seconds(120)
  ) async throws -> SubprocessResult {
    let path =
      switch plugin {
      case .virtual: try builtBinary(named: "libv4l2_virtual_encoder.so")
      case .none: "none"
      case .noLibrary: "missing"
      }
    let script = Fixtures.packageDirectory + "Scripts/private-libv4l2-plugin.sh"
    return try await Subprocess(script, [path, program] + arguments).wait(within: limit)
  }

  /// Runs `v4l2enc` there.
  static func v4l2enc(
    with plugin: Plugin = .virtual, _ arguments: [String]
  ) async throws -> SubprocessResult {
    try await run(with: plugin, try builtBinary(named: "v4l2enc"), arguments)
  }
}

extension Trait where Self == ConditionTrait {
  /// For tests that make a namespace with the plugin.
  static var makesPluginNamespace: Self {
    .enabled(
      if: PluginNamespace.isPossible && !PluginNamespace.isHere, "needs root and libv4l2.so.0")
  }

  /// For tests that must run inside one.
  static var needsPluginNamespace: Self {
    .enabled(if: PluginNamespace.isHere, "runs inside a namespace that LibraryInsideTests makes")
  }
}

/// The nodes that the plugin stands for.
enum PluginNode: String, CaseIterable {
  /// A text file whose descriptor can be polled for POLLIN.
  case polled
  /// A text file whose descriptor tells nothing.
  case blocking
  /// Rockchip's: a text file, buffers in one piece, few requests.
  case rkmpp
  /// NVIDIA's: a second `/dev/null`, planes exported one by one, an empty frame as the end.
  case nvidia

  /// Those with the kernel's rules behind libv4l2.
  static let plain: [PluginNode] = [.polled, .blocking]

  /// Makes the node; returns its path.
  func make(in directory: TemporaryDirectory, _ options: String = "") throws -> String {
    switch self {
    case .polled: return try Self.write("polling=input-only \(options)", in: directory)
    case .blocking: return try Self.write("polling=useless \(options)", in: directory)
    case .rkmpp: return try Self.write("personality=rkmpp \(options)", in: directory)
    case .nvidia:
      let path = directory.file("v4l2-nvenc")
      guard mknod(path, S_IFCHR | 0o666, makedev(1, 3)) == 0 else {
        throw TestSupportError("mknod \(path): \(errno)")
      }
      return path
    }
  }

  private static func write(_ options: String, in directory: TemporaryDirectory) throws -> String {
    let path = directory.file("video-enc0")
    try "v4l2-virtual \(options)\n".write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  private func makedev(_ major: UInt, _ minor: UInt) -> UInt { major << 8 | minor }
}
