import Foundation
import TestSupport
import Testing
import V4L2Encoder

/// The virtual machine with real drivers that `make test-kernel` runs these tests in.
enum KernelGuest {
  private static let environment = ProcessInfo.processInfo.environment

  /// Whether this process runs inside it.
  static let isHere = environment["V4L2ENC_KERNEL_GUEST"] == "1"
  /// Whether vicodec was loaded with its multi-planar API.
  static let isMultiplanar = environment["V4L2ENC_MULTIPLANAR"] == "1"

  /// The node whose driver registered it under this name.
  ///
  /// vicodec's three nodes have the same driver, card and bus; only sysfs tells them apart.
  ///
  /// - Throws: `TestSupportError` when there is none.
  static func node(named name: String) throws -> String {
    let root = "/sys/class/video4linux"
    for entry in try FileManager.default.contentsOfDirectory(atPath: root).sorted() {
      let text = try String(contentsOfFile: "\(root)/\(entry)/name", encoding: .utf8)
      if text.trimmingCharacters(in: .whitespacesAndNewlines) == name { return "/dev/\(entry)" }
    }
    throw TestSupportError("no video device is named \(name)")
  }

  /// vicodec's encoder.
  static func encoder() throws -> String { try node(named: "stateful-encoder") }

  /// vicodec's decoder, for what the encoder made.
  static func decoder() throws -> String { try node(named: "stateful-decoder") }

  /// Descriptors and mappings of video devices that this process has.
  static func holdings() throws -> (descriptors: Int, mappings: Int) {
    let links = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
    }
    let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
    return (
      links.count { $0.hasPrefix("/dev/video") },
      maps.split(separator: "\n").count { $0.contains("/dev/video") }
    )
  }
}

extension Trait where Self == ConditionTrait {
  /// For tests that need the drivers of the kernel guest.
  static var needsKernelGuest: Self {
    .enabled(if: KernelGuest.isHere, "runs in the kernel guest: make test-kernel")
  }
}

/// Everything that runs in the guest, one test after another: the drivers are shared.
@Suite(.needsKernelGuest, .serialized)
struct KernelTests {}
