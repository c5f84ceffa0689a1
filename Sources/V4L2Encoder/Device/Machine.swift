internal import Glibc

/// The machine whose nodes are looked for; tests give it another root and environment.
package struct Machine: Hashable, Sendable {
  /// What stands before `/dev` and `/proc`; empty for the machine itself.
  package var root: String
  /// Nodes to look at besides those whose names are known.
  package var extraPaths: [String]
  /// The node that the environment names for whoever leaves the choice open.
  package var chosenPath: String?

  package init(root: String = "", extraPaths: [String] = [], chosenPath: String? = nil) {
    self.root = root
    self.extraPaths = extraPaths
    self.chosenPath = chosenPath
  }

  /// This machine, with what the environment says: `V4L2ENC_DEVICES` (paths with colons between
  /// them), `V4L2ENC_DEVICE` and, for tests, `V4L2ENC_SYSROOT`.
  package static var current: Machine {
    let extra = variable("V4L2ENC_DEVICES") ?? ""
    return Machine(
      root: variable("V4L2ENC_SYSROOT") ?? "",
      extraPaths: extra.split(separator: ":").map(String.init),
      chosenPath: variable("V4L2ENC_DEVICE"))
  }

  private static func variable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// The board, if it has a device tree that names it.
  package var board: Board? {
    let bytes = SmallFile.bytes(root + "/proc/device-tree/model")
    let name = String(decoding: bytes.prefix { $0 != 0 && $0 != 0x0a }, as: UTF8.self)
    return name.isEmpty ? nil : Board(model: name)
  }

  /// Every node that may be an encoder: NVIDIA's, Rockchip's, `/dev/video*` in numeric order, and
  /// those named besides.
  ///
  /// Of NVIDIA's two the newer one comes first. `/dev/video-enc*` are the files that libv4l-rkmpp's
  /// README asks for.
  package var candidates: [String] {
    var numbers: [Int] = []
    var named: [String] = []
    let entries = SmallFile.entries(of: root + "/dev")
    for entry in entries where entry.hasPrefix("video") {
      if let number = Int(entry.dropFirst(5)), number >= 0 {
        numbers.append(number)
      } else if entry.hasPrefix("video-enc") {
        named.append(entry)
      }
    }
    let jetson = Board.jetsonNodes.filter { entries.contains($0) }
    let known = jetson + named.sorted() + numbers.sorted().map { "video\($0)" }
    var paths: [String] = []
    for path in known.map({ "\(root)/dev/\($0)" }) + extraPaths where !paths.contains(path) {
      paths.append(path)
    }
    return paths
  }
}

/// Small files and directories of the kernel's own file systems.
enum SmallFile {
  /// The beginning of a file; nothing when it cannot be read.
  static func bytes(_ path: String, limit: Int = 4096) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return [] }
    defer { _ = close(descriptor) }
    return unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      count = unsafe max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
  }

  /// The names in a directory; none when it cannot be read.
  static func entries(of path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      names.append(unsafe fixedText(entry.pointee.d_name))
    }
    return names
  }

  /// Where a symbolic link leads; nil for what is none.
  static func target(of link: String) -> String? {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
      count = unsafe buffer.withMemoryRebound(to: CChar.self) { buffer in
        guard let room = buffer.baseAddress else { return 0 }
        return unsafe max(0, readlink(link, room, buffer.count))
      }
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
