internal import CLibV4LPlugin
internal import Glibc
internal import VirtualV4L2Device

/// What a device file says that the plugin stands for.
///
/// A text file that begins with the word `v4l2-virtual`, as Rockchip's begins with `enc`; or a
/// second `/dev/null` called `v4l2-nvenc`, which is what NVIDIA's node is. Nothing else is claimed,
/// no device of the kernel above all.
struct DeviceFileText {
  /// What poll(2) tells of the device's descriptor.
  enum Polling: String {
    /// POLLIN when either queue has a buffer to give back.
    case inputOnly = "input-only"
    /// Nothing: the descriptor is left as it is.
    case useless
  }

  var personality = VirtualDevice.Personality.spec
  var polling = Polling.inputOnly
  /// After how many packets DQBUF of CAPTURE never returns any more, whatever happens; nil for a
  /// plugin that works.
  var hangsAfter: Int?

  /// Reads the file behind a descriptor; nil when it is none of ours or says what cannot be.
  init?(_ descriptor: Int32) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG:
      guard let text = Self.text(of: descriptor) else { return nil }
      let words = text.split { " \t\n".contains($0) }
      guard words.first == "v4l2-virtual" else { return nil }
      for word in words.dropFirst() {
        guard parse(word) else {
          virtual_plugin_report("no such option in the device file: \(word)")
          return nil
        }
      }
    case S_IFCHR:
      guard virtual_plugin_is_null_device(descriptor) != 0,
        Self.name(of: descriptor) == "v4l2-nvenc"
      else {
        return nil
      }
      take(.nvidia)
    default: return nil
    }
  }

  private mutating func parse(_ word: Substring) -> Bool {
    let parts = word.split(separator: "=", maxSplits: 1)
    guard parts.count == 2 else { return false }
    switch parts[0] {
    case "personality":
      guard let personality = VirtualDevice.Personality.named(String(parts[1])) else {
        return false
      }
      take(personality)
      return true
    case "polling":
      guard let polling = Polling(rawValue: String(parts[1])) else { return false }
      self.polling = polling
      return true
    case "hangs-after":
      hangsAfter = Int(parts[1])
      return hangsAfter != nil
    default: return false
    }
  }

  private mutating func take(_ personality: VirtualDevice.Personality) {
    self.personality = personality
    switch personality.polling {
    case .useless: polling = .useless
    // What a plugin cannot do better: its descriptor is no device's.
    case .complete, .inputOnly: polling = .inputOnly
    }
  }

  private static func text(of descriptor: Int32) -> String? {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  /// The last component of the path under which a descriptor was opened.
  private static func name(of descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/fd/\(descriptor)", &bytes, bytes.count)
    let path = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    return path.split(separator: "/").last.map(String.init) ?? ""
  }
}
