internal import CV4L2
internal import Glibc

/// Maps DMABUFs for reading, for devices that cannot import them.
///
/// A producer has a few buffers and sends them round, so the newest mappings are kept, by inode:
/// a descriptor's number may stand for another DMABUF tomorrow.
package final class DMABUFReader: Sendable {
  private struct Entry {
    var inode: UInt64
    var device: UInt64
    var mapping: Mapping
  }

  private static let capacity = 32
  private let entries = Locked<[Entry]>([])

  package init() {}

  /// One mapped DMABUF.
  @safe package final class Mapping: Sendable {
    package let byteCount: Int
    // Mapped once, unmapped by the last owner; only read.
    private nonisolated(unsafe) let address: UnsafeMutableRawPointer

    fileprivate init(descriptor: Int32) throws(Errno) {
      let size = lseek(descriptor, 0, SEEK_END)
      guard size > 0 else { throw .invalidArgument }
      var address: UnsafeMutableRawPointer?
      _ = try check(unsafe cv4l2_mmap_read(descriptor, Int(size), &address))
      guard let address = unsafe address else { throw .invalidArgument }
      unsafe self.address = address
      byteCount = Int(size)
    }

    deinit { _ = unsafe cv4l2_munmap(address, byteCount) }

    @unsafe package var start: UnsafeMutableRawPointer { unsafe address }
  }

  /// The mapping of a DMABUF.
  package func mapping(of descriptor: Int32) throws(Errno) -> Mapping {
    var information = stat()
    guard unsafe fstat(descriptor, &information) == 0 else { throw Errno(rawValue: EBADF) }
    let (inode, device) = (UInt64(information.st_ino), UInt64(information.st_dev))
    let known = entries.withLock { entries in
      entries.first { $0.inode == inode && $0.device == device }?.mapping
    }
    if let known { return known }
    let mapping = try Mapping(descriptor: descriptor)
    entries.withLock { entries in
      if entries.count >= Self.capacity { entries.removeFirst() }
      entries.append(Entry(inode: inode, device: device, mapping: mapping))
    }
    return mapping
  }

  /// Tells the DMABUF's owner that the CPU is going to read, or has read, it.
  ///
  /// Memory that is no DMABUF (a memfd in tests) has nobody to tell: ENOTTY.
  package func synchronize(_ descriptor: Int32, begin: Bool) {
    _ = cv4l2_dmabuf_sync_read(descriptor, begin ? 1 : 0)
  }
}
