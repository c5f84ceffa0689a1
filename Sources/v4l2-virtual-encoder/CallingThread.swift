internal import CFuse3
internal import Glibc
internal import V4L2Encoder
internal import VirtualV4L2Device

/// The memory and descriptors of the program that made a request.
///
/// The thread waits for the answer, so it is there as long as its request is.
struct CallingThread: CallerMemory {
  /// The thread's number; thread numbers serve wherever the kernel takes a process here.
  let identifier: Int32
  /// The device file's own file system.
  let ownFileSystem: UInt64

  var sharesAddressSpace: Bool { false }

  func read(_ address: UInt64, into target: UnsafeMutableRawBufferPointer) -> Int32 {
    guard let base = target.baseAddress, !target.isEmpty else { return 0 }
    let count = cfuse3_read_memory(identifier, address, base, target.count)
    return count == target.count ? 0 : -EFAULT
  }

  func write(_ address: UInt64, from source: UnsafeRawBufferPointer) -> Int32 {
    guard let base = source.baseAddress, !source.isEmpty else { return 0 }
    let count = cfuse3_write_memory(identifier, address, base, source.count)
    return count == source.count ? 0 : -EFAULT
  }

  func duplicateDescriptor(_ descriptor: Int32) -> Int32 {
    let copy = Int32(cfuse3_duplicate(identifier, descriptor))
    guard copy >= 0 else { return copy }
    // Mapping the file this process serves would make it wait for itself, unkillably.
    guard cfuse3_file_system(copy, "") != ownFileSystem else {
      close(copy)
      return -EINVAL
    }
    return copy
  }
}

/// Whether a program's call may wait.
enum BlockingMode: Equatable {
  case blocking, nonBlocking
  /// Several open files of this device, which disagree: the descriptors to be told apart.
  case disputed([Int32])
  /// The descriptor was not found: the program closed it meanwhile or is not visible.
  case unknown
}

extension CallingThread {
  /// Finds out whether the file of a waiting call is non-blocking now.
  ///
  /// `fcntl` changes the flag without the server hearing of it, so the truth is only in /proc.
  func blockingMode() -> BlockingMode {
    guard identifier > 0, let directory = opendir("/proc/\(identifier)/fd") else { return .unknown }
    defer { closedir(directory) }
    let directoryDescriptor = dirfd(directory)
    var candidates: [Int32] = []
    var nonBlockingCount = 0
    while let entry = readdir(directory) {
      let descriptor = withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: 1) { name -> Int32? in
          guard name.pointee != CChar(UInt8(ascii: ".")),
            cfuse3_file_system(directoryDescriptor, name) == ownFileSystem
          else { return nil }
          return Int32(atoi(name))
        }
      }
      guard let descriptor, let flags = flags(of: descriptor), flags & Int32(CFUSE3_O_PATH) == 0
      else { continue }
      candidates.append(descriptor)
      if flags & O_NONBLOCK != 0 { nonBlockingCount += 1 }
    }
    if candidates.isEmpty { return .unknown }
    if nonBlockingCount == 0 { return .blocking }
    return nonBlockingCount == candidates.count ? .nonBlocking : .disputed(candidates)
  }

  /// Tells descriptors apart by asking this server through each of them.
  ///
  /// Waits for other threads of this process, so never to be called on one that serves requests.
  ///
  /// - Returns: the flags of the one that belongs to `file`; nil when none does.
  func flags(of file: UInt64, among descriptors: [Int32]) -> Int32? {
    for descriptor in descriptors {
      let copy = Int32(cfuse3_duplicate(identifier, descriptor))
      guard copy >= 0 else { continue }
      defer { close(copy) }
      var answer: UInt64 = 0
      guard cfuse3_file_system(copy, "") == ownFileSystem,
        cfuse3_identify(copy, &answer) == 0, answer == file
      else { continue }
      return cfuse3_status_flags(copy)
    }
    return nil
  }

  private func flags(of descriptor: Int32) -> Int32? {
    let file = open("/proc/\(identifier)/fdinfo/\(descriptor)", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
      let count = Glibc.read(file, buffer.baseAddress, buffer.count)
      guard count > 0 else { return nil }
      let text = String(decoding: buffer[..<count], as: UTF8.self)
      for line in text.split(separator: "\n") where line.hasPrefix("flags:") {
        return Int32(line.dropFirst("flags:".count).drop { $0 == "\t" || $0 == " " }, radix: 8)
      }
      return nil
    }
  }
}
