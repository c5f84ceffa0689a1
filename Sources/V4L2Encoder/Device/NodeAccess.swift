internal import Glibc

/// Who may open a node, and who has it open.
enum NodeAccess {
  /// What somebody who is not let in can do about it.
  static func remedy(_ path: String) -> String {
    var information = stat()
    guard unsafe stat(path, &information) == 0 else {
      return "a directory above it may not be entered"
    }
    let group = groupName(information.st_gid)
    let wanted = S_IRGRP | S_IWGRP
    guard information.st_mode & wanted == wanted else {
      return "only its owner may open it; run as root, or let its group in "
        + "(sudo chmod g+rw \(path))"
    }
    guard !belongs(to: information.st_gid) else {
      return "its group \(group) would let you in, but something else does not; in a container, "
        + "pass the device to it (--device \(path))"
    }
    return "it belongs to the group \(group); add the user to it (sudo usermod -aG \(group) USER) "
      + "and log in again"
  }

  /// Other programs that have the node open, as far as they may be looked at.
  static func holders(_ path: String, proc: String = "/proc") -> [String] {
    guard let node = realPath(path) else { return [] }
    let own = getpid()
    var holders: [String] = []
    for entry in SmallFile.entries(of: proc) {
      guard let process = Int32(entry), process != own else { continue }
      let directory = "\(proc)/\(entry)"
      let holds = SmallFile.entries(of: directory + "/fd").contains {
        SmallFile.target(of: "\(directory)/fd/\($0)") == node
      }
      guard holds else { continue }
      let name = SmallFile.bytes(directory + "/comm").prefix { $0 != 0x0a }
      holders.append("\(String(decoding: name, as: UTF8.self)) (process \(process))")
    }
    return holders
  }

  private static func realPath(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  private static func groupName(_ number: gid_t) -> String {
    var entry = unsafe group()
    var found: UnsafeMutablePointer<group>?
    var room = [CChar](repeating: 0, count: 4096)
    let result = unsafe getgrgid_r(number, &entry, &room, room.count, &found)
    guard result == 0, unsafe found != nil, let name = unsafe entry.gr_name else {
      return "\(number)"
    }
    return unsafe String(cString: name)
  }

  private static func belongs(to number: gid_t) -> Bool {
    if getegid() == number { return true }
    let count = getgroups(0, nil)
    guard count > 0 else { return false }
    var groups = [gid_t](repeating: 0, count: Int(count))
    let filled = unsafe getgroups(count, &groups)
    return groups.prefix(Int(max(0, filled))).contains(number)
  }
}
