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
    // libv4l2 says several lines on stderr when nobody answers for a node.
    if let plugins, plugins.names.isEmpty {
      throw OpenFailure(
        .notSupported,
        "\(path) is no V4L2 device of the kernel, and \(plugins.path) has no libv4l2 plugin that "
          + "might answer for it; install the board vendor's (NVIDIA: nvidia-l4t-multimedia, "
          + "Rockchip: libv4l-rkmpp)")
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
    let flags = isBlocking ? O_RDWR : O_RDWR | O_NONBLOCK
    let result = unsafe cv4l2_libv4l2_open(path, flags)
    if result >= 0 { return PluginDescriptor(result) }
    let errno = Errno(rawValue: -result)
    let openCount = Int(cv4l2_libv4l2_open_count())
    if errno == Errno(rawValue: EBUSY), openCount >= Self.maximumDeviceCount {
      throw OpenFailure(
        errno,
        "\(path) cannot be opened: libv4l2 serves \(Self.maximumDeviceCount) devices per process "
          + "and \(openCount) are open; close an encoder or use another process")
    }
    if errno == .notSupported {
      let names = plugins.map { " (\($0.names.joined(separator: ", ")) in \($0.path))" } ?? ""
      throw OpenFailure(
        errno,
        "\(path) is no V4L2 device of the kernel, and no libv4l2 plugin answers for it\(names); "
          + "install the board vendor's")
    }
    throw OpenFailure(errno)
  }
}

/// Where libv4l2 looks for plugins.
struct PluginDirectory {
  let path: String
  /// The plugins that may answer for what is no V4L2 device; libv4l2's own one does not.
  let names: [String]

  /// Looks beside the library; nil when there is no such directory to be found.
  ///
  /// NVIDIA's build of libv4l2 looks into a directory `nv` and lies in one more directory itself.
  static func find() -> PluginDirectory? {
    let library = unsafe String(cString: cv4l2_libv4l2_directory())
    let parent = library.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    var found: PluginDirectory?
    for directory in [library, parent] {
      let path = directory + "/libv4l/plugins"
      let names = entries(of: path) + entries(of: path + "/nv")
      if !names.isEmpty, found == nil {
        found = PluginDirectory(
          path: path, names: names.filter { $0.hasSuffix(".so") && $0 != "libv4l-mplane.so" })
      }
    }
    return found
  }

  private static func entries(of directory: String) -> [String] {
    SmallFile.entries(of: directory).filter { !$0.hasPrefix(".") }.sorted()
  }
}
