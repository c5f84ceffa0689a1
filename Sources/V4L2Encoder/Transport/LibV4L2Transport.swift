internal import CV4L2
internal import Glibc

/// Devices that only a vendor's plugin for libv4l2 can drive.
package struct LibV4L2Transport: Transport {
  /// `V4L2_MAX_DEVICES` of libv4l2.
  package static let maximumDeviceCount = 16

  package init() {}

  package func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    guard cv4l2_libv4l2_load() == 0 else {
      throw OpenFailure(
        .notSupported,
        "\(path) is no V4L2 device of the kernel, and libv4l2.so.0, which reaches the encoders of "
          + "NVIDIA and Rockchip, is not installed; install it (Debian: libv4l-0) and the board "
          + "vendor's plugin")
    }
    let plugins = PluginDirectory.find()
    // libv4l2's own plugin writes to stderr about every node that it cannot query.
    if let plugins, plugins.isCertain, plugins.names.isEmpty {
      throw OpenFailure(.notSupported, Self.nobodyAnswers(for: path, plugins))
    }
    let canWaitByPoll = !Self.isKnownToIgnorePoll(path)
    var descriptor = try open(path, isBlocking: !canWaitByPoll, plugins)
    guard canWaitByPoll else { return try BlockingPluginHandle(descriptor) }
    switch descriptor.canPoll {
    case true: return try PolledPluginHandle(descriptor)
    case false:
      // Whether DQBUF blocks is settled when a device is opened: rkmpp reads the flag once.
      descriptor.close()
      descriptor = try open(path, isBlocking: true, plugins)
      return try BlockingPluginHandle(descriptor)
    }
  }

  /// NVIDIA's nodes: poll(2) on them says nothing of the encoder, whatever it returns.
  private static func isKnownToIgnorePoll(_ path: String) -> Bool {
    path.hasSuffix("/v4l2-nvenc") || path.hasSuffix("/nvhost-msenc")
  }

  private func open(
    _ path: String, isBlocking: Bool, _ plugins: PluginDirectory?
  ) throws(OpenFailure) -> PluginDescriptor {
    let errno: Errno
    do throws(Errno) {
      return try PluginDescriptor(path, isBlocking ? O_RDWR : O_RDWR | O_NONBLOCK)
    } catch {
      errno = error
    }
    let openCount = Int(cv4l2_libv4l2_open_count())
    if errno == Errno(rawValue: EBUSY), openCount >= Self.maximumDeviceCount {
      throw OpenFailure(
        errno,
        "\(path) cannot be opened: libv4l2 serves \(Self.maximumDeviceCount) devices per process "
          + "and \(openCount) are open; close an encoder or use another process")
    }
    if errno == .notSupported { throw OpenFailure(errno, Self.nobodyAnswers(for: path, plugins)) }
    throw OpenFailure(errno)
  }

  private static func nobodyAnswers(for path: String, _ plugins: PluginDirectory?) -> String {
    guard let plugins, plugins.names.isEmpty else {
      let names = plugins.map { " (\($0.names.joined(separator: ", ")) in \($0.path))" } ?? ""
      return
        "\(path) is no V4L2 device of the kernel, and no libv4l2 plugin answers for it\(names); "
        + "install the board vendor's"
    }
    return
      "\(path) is no V4L2 device of the kernel, and \(plugins.path) has no libv4l2 plugin "
      + "that might answer for it; install the board vendor's (NVIDIA: nvidia-l4t-multimedia, "
      + "Rockchip: libv4l-rkmpp)"
  }
}

/// Where libv4l2 looks for plugins.
struct PluginDirectory {
  let path: String
  /// The plugins that may answer for what is no V4L2 device; libv4l2's own one does not.
  let names: [String]
  /// Whether the library itself names the directory.
  let isCertain: Bool

  /// What the library names, else the directory beside it; nil when neither is there.
  ///
  /// Debian's build has the pattern it looks for (`LIBV4L2_PLUGIN_DIR "/*.so"` of v4l2-plugin.c) as
  /// text. NVIDIA's build of libv4l2 looks into a directory `nv` and lies in one more directory
  /// itself; others may make the path at run time.
  static func find() -> PluginDirectory? {
    let library = unsafe String(cString: cv4l2_libv4l2_directory())
    let named = patternDirectory(in: SmallFile.bytes(library + "/libv4l2.so.0", limit: 1 << 20))
    if let named { return PluginDirectory(path: named, isCertain: true) }
    let parent = library.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    let beside = [library, parent].map {
      PluginDirectory(path: $0 + "/libv4l/plugins", isCertain: false)
    }
    return beside.first { !$0.names.isEmpty }
  }

  private init(path: String, isCertain: Bool) {
    self.path = path
    self.isCertain = isCertain
    let entries = SmallFile.entries(of: path) + SmallFile.entries(of: path + "/nv")
    names = entries.filter { $0.hasSuffix(".so") && $0 != "libv4l-mplane.so" }.sorted()
  }

  /// The directory of the only text of a file that ends in `/*.so`; nil when there is none or more.
  static func patternDirectory(in file: [UInt8]) -> String? {
    let texts = file.split { $0 < 0x20 || $0 > 0x7e }.map { String(decoding: $0, as: UTF8.self) }
    let patterns = texts.filter { $0.hasPrefix("/") && $0.hasSuffix("/*.so") }
    guard let pattern = patterns.first, patterns.count == 1 else { return nil }
    return String(pattern.dropLast("/*.so".count))
  }
}
