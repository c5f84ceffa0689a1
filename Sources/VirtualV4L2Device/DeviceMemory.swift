internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// The memory of every MMAP buffer of one device: a sparse memfd of 4 GiB, since `mem_offset`
/// has 32 bits, in which each plane is a page-aligned extent.
final class DeviceMemory: Sendable {
  private static let byteCount = 1 << 32
  private static let pageSize = 4096

  let descriptor: Int32
  // Never reassigned; the bytes behind it belong to clients and to the worker of their handle.
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer
  private let extents = Locked(Extents())

  init() throws(Errno) {
    let descriptor = try check(cv4l2_memfd_create("virtual-v4l2-encoder"))
    guard ftruncate(descriptor, Self.byteCount) == 0 else {
      let failure = Errno(rawValue: errno)
      _ = cv4l2_close(descriptor)
      throw failure
    }
    // One mapping for all: it costs address space only, pages come with the first touch.
    var address: UnsafeMutableRawPointer?
    let result = cv4l2_mmap(descriptor, Self.byteCount, 0, &address)
    guard result == 0, let address else {
      _ = cv4l2_close(descriptor)
      throw Errno(rawValue: result == 0 ? ENOMEM : -result)
    }
    self.descriptor = descriptor
    self.base = address
  }

  deinit {
    _ = cv4l2_munmap(base, Self.byteCount)
    _ = cv4l2_close(descriptor)
  }

  /// Reserves zeroed memory; nil when the space is used up.
  func allocate(_ length: Int) -> UInt32? {
    guard length > 0, length <= Self.byteCount / 4 else { return nil }
    let rounded = (length + Self.pageSize - 1) & ~(Self.pageSize - 1)
    let start = extents.withLock { $0.reserve(rounded, below: Self.byteCount) }
    return start.map { UInt32($0) }
  }

  /// Where this process sees an extent.
  func address(of offset: UInt32) -> UnsafeMutableRawPointer { base + Int(offset) }

  /// Gives an extent back, and its pages to the system.
  func release(_ offset: UInt32) {
    let (found, isApart) = extents.withLock { extents in
      (extents.length(at: Int(offset)), extents.apart.remove(Int(offset)) != nil)
    }
    guard let length = found else { return }
    if isApart { map(descriptor, length, from: Int64(offset), at: Int(offset)) }
    // The pages go before the extent can be handed out again.
    madvise(base + Int(offset), length, MADV_REMOVE)
    extents.withLock { $0.release(Int(offset)) }
  }

  /// Moves an extent to a memory file of its own, where it begins at zero, as in a DMABUF; the
  /// caller owns the descriptor.
  ///
  /// Whoever has mapped it as a part of the device's file sees it no longer.
  func moveApart(_ offset: UInt32) throws(Errno) -> Int32 {
    guard let length = extents.withLock({ $0.length(at: Int(offset)) }) else {
      throw .invalidArgument
    }
    let file = try check(cv4l2_memfd_create("virtual-v4l2-buffer"))
    let isFilled =
      ftruncate(file, length) == 0 && pwrite(file, address(of: offset), length, 0) == length
    guard isFilled, map(file, length, from: 0, at: Int(offset)) else {
      _ = cv4l2_close(file)
      throw Errno(rawValue: ENOMEM)
    }
    _ = extents.withLock { $0.apart.insert(Int(offset)) }
    return file
  }

  /// Lets this process see a part of a file in place of an extent.
  @discardableResult
  private func map(_ file: Int32, _ length: Int, from position: Int64, at start: Int) -> Bool {
    mmap(
      base + start, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, Int(position))
      != MAP_FAILED
  }

  /// How many extents are reserved.
  var extentCount: Int { extents.withLock { $0.used.count } }

  private struct Extents {
    struct Extent {
      var start: Int
      var end: Int
    }
    /// In order of their starts.
    var used: [Extent] = []
    /// The starts of those in a file of their own.
    var apart: Set<Int> = []
    /// Extents just freed are reused last: a client that still maps one must not see another's
    /// frames in it.
    private var cursor = 0

    mutating func reserve(_ length: Int, below limit: Int) -> Int? {
      guard let start = gap(length, from: cursor, limit) ?? gap(length, from: 0, limit) else {
        return nil
      }
      cursor = start + length
      let position = used.firstIndex { $0.start > start } ?? used.endIndex
      used.insert(Extent(start: start, end: start + length), at: position)
      return start
    }

    private func gap(_ length: Int, from first: Int, _ limit: Int) -> Int? {
      var start = first
      for extent in used where extent.end > start {
        if extent.start - start >= length { return start }
        start = extent.end
      }
      return limit - start >= length ? start : nil
    }

    func length(at start: Int) -> Int? {
      used.first { $0.start == start }.map { $0.end - $0.start }
    }

    mutating func release(_ start: Int) { used.removeAll { $0.start == start } }
  }
}
