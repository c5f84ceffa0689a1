internal import CFuse3
internal import Glibc

/// The regular file that becomes the device.
struct MountPoint {
  /// The file's path, absolute.
  let path: String
  /// The inode made for the mount, to be removed with it; nil for a file that was there before.
  private let createdInode: ino_t?
  private static let fileSystemType = "fuse.v4l2-virtual-encoder"

  /// Makes sure that there is a file to mount on, and that nothing is mounted on it.
  init(preparing name: String) throws(ServerFailure) {
    path = try Self.absolute(name)
    // Servers that were killed may have left mounts on top of each other.
    while true {
      var mode: UInt16 = 0
      let result = cfuse3_ask_mode(path, &mode)
      switch result {
      case 0:
        guard mode & 0o170000 == 0o100000 else {
          throw .cannotCreate(
            "\(path) is no regular file; name a path that does not exist, or a regular file")
        }
        guard !Self.isMountPoint(path) else {
          throw .cannotCreate(
            "\(path) is served already; end that server, or name another path")
        }
        guard Self.isEmpty(path) else {
          throw .cannotCreate(
            "\(path) is a file with content, which the device would hide; name another path")
        }
        createdInode = nil
        return
      case -Int(ENOENT):
        createdInode = try Self.create(path)
        return
      case -Int(ENOTCONN), -Int(ECONNABORTED):
        guard umount2(path, Int32(MNT_DETACH)) == 0 else {
          throw .notPermitted(
            "cannot detach the mount a killed server left on \(path): "
              + "\(describe(errno: errno)); run it as root")
        }
      default:
        throw .cannotCreate("\(path): \(describe(errno: Int32(-result)))")
      }
    }
  }

  /// Mounts the file system behind the connection on the file.
  func mount(_ connection: Int32) throws(ServerFailure) {
    let options = "fd=\(connection),rootmode=100666,user_id=0,group_id=0,allow_other"
    let flags = UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)
    let result = options.withCString {
      Glibc.mount("v4l2-virtual-encoder", path, Self.fileSystemType, flags, $0)
    }
    guard result != 0 else { return }
    let error = errno
    let words = "cannot mount on \(path): \(describe(errno: error))"
    if error == EPERM || error == EACCES {
      throw .notPermitted("\(words); run it as root, or \(ServerFailure.inProcessRemedy)")
    }
    throw .unavailable("\(words); \(ServerFailure.inProcessRemedy)")
  }

  /// Takes the mount away, under the feet of whoever uses it, and the file if `init` made it.
  func remove() {
    if Self.isMountPoint(path) { umount2(path, Int32(MNT_DETACH)) }
    removeFile()
  }

  /// Removes the file if `init` made it and it is still that file.
  func removeFile() {
    var status = stat()
    guard let createdInode, lstat(path, &status) == 0, status.st_ino == createdInode else { return }
    unlink(path)
  }

  /// Whether a regular file holds nothing; whatever cannot be asked counts as full.
  private static func isEmpty(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_size == 0
  }

  private static func create(_ path: String) throws(ServerFailure) -> ino_t {
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
      throw .cannotCreate("cannot create \(path): \(describe(errno: errno))")
    }
    close(descriptor)
    return status.st_ino
  }

  /// The path from the root; the last part is left alone, as it may be a mount that hangs.
  private static func absolute(_ name: String) throws(ServerFailure) -> String {
    guard let last = name.split(separator: "/").last, last != ".", last != "..",
      !name.hasSuffix("/")
    else { throw .usage("\(name) names a directory, not a file") }
    let parent = name.dropLast(last.count)
    guard let resolved = realpath(parent.isEmpty ? "." : String(parent), nil) else {
      throw .cannotCreate("\(name): \(describe(errno: errno))")
    }
    defer { free(resolved) }
    let directory = String(cString: resolved)
    return directory == "/" ? "/\(last)" : "\(directory)/\(last)"
  }

  /// Whether something is mounted on just this path.
  private static func isMountPoint(_ path: String) -> Bool {
    guard let table = fopen("/proc/self/mountinfo", "re") else { return false }
    defer { fclose(table) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, table) > 0, let text = line.map({ String(cString: $0) }) {
      // "36 35 98:0 /root /mount/point options …", with blanks as octal escapes.
      let fields = text.split(separator: " ", maxSplits: 5)
      if fields.count > 4, fields[4] == escaped(path) { return true }
    }
    return false
  }

  private static func escaped(_ path: String) -> String {
    path.utf8.reduce(into: "") { result, byte in
      switch byte {
      case UInt8(ascii: " "): result += "\\040"
      case UInt8(ascii: "\t"): result += "\\011"
      case UInt8(ascii: "\n"): result += "\\012"
      case UInt8(ascii: "\\"): result += "\\134"
      default: result.unicodeScalars.append(Unicode.Scalar(byte))
      }
    }
  }
}
