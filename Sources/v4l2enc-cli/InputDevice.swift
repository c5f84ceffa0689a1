internal import Glibc
internal import V4L2Encoder

/// Devices that somebody names as the input, which is a file or a pipe.
enum InputDevice {
  /// The major number of video devices, `VIDEO_MAJOR` of the kernel's list of devices.
  private static let videoMajor: UInt64 = 81

  /// Refuses a device before it is opened, since opening alone can start or block one.
  static func refuse(_ path: String) throws(CommandError) {
    var information = stat()
    guard unsafe stat(path, &information) == 0 else { return }
    switch information.st_mode & S_IFMT {
    case S_IFCHR where major(information.st_rdev) == videoMajor:
      throw videoDevice(path)
    case S_IFCHR, S_IFBLK:
      throw CommandError(
        .noInput,
        "\(path) is a device, not a file or pipe of raw video; pipe its bytes into -, "
          + "or use test:bars or test:motion")
    case S_IFREG where isMountPoint(path, information) && isVideoDevice(path):
      throw videoDevice(path)
    default: return
    }
  }

  private static func videoDevice(_ path: String) -> CommandError {
    let isCamera = DeviceCatalog.examine(.path(path)).contains { $0.kind == .camera }
    let remedy =
      isCamera ? "use v4l2enc capture \(path)" : "an encoder is named with --device \(path)"
    return CommandError(
      .noInput,
      "\(path) is a \(isCamera ? "camera" : "video device"), not a file of raw video; \(remedy)")
  }

  /// Whether the file is on another file system than its directory, as one that a program serves
  /// under this name is.
  private static func isMountPoint(_ path: String, _ information: stat) -> Bool {
    var parent = stat()
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    return unsafe stat(directory, &parent) == 0 && parent.st_dev != information.st_dev
  }

  /// Whether the file answers as v4l2-virtual-encoder does.
  private static func isVideoDevice(_ path: String) -> Bool {
    DeviceCatalog.examine(.path(path)).contains { $0.kind != .unknown }
  }

  /// The kernel's `MAJOR`, spread over two places in the numbers of the C library.
  private static func major(_ device: dev_t) -> UInt64 {
    (UInt64(device) >> 8) & 0xfff | (UInt64(device) >> 32) & ~0xfff
  }
}
