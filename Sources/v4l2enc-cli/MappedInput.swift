internal import Glibc
internal import V4L2Encoder

/// A regular file, mapped: frames are read where the page cache has them, or from the file straight
/// into the driver's buffer.
@safe final class MappedInput: InputBytes {
  let isMapped = true
  private let file: OpenFile
  private let name: String
  private let memory: FrameMemory
  private let pages: MappingGuard
  private let stop: StopRequest
  // Where the file is mapped; the mapping lives as long as `memory`.
  private nonisolated(unsafe) let start: UnsafeRawPointer

  private struct Position {
    var next: Int
    /// Everything before this was given back to the kernel.
    var released = 0
  }
  private let position: Locked<Position>

  /// How much is read before the pages behind are given back, so that resident memory stays flat.
  private static let window = 64 << 20

  /// Maps a file; nil when it cannot be mapped.
  init?(_ file: OpenFile, name: String, size: Int, position: Int, stop: StopRequest) {
    let mapping = unsafe mmap(nil, size, PROT_READ, MAP_SHARED, file.descriptor, 0)
    guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else { return nil }
    let address = UInt(bitPattern: mapping)
    guard let pages = MappingGuard(start: address, byteCount: size) else {
      unsafe munmap(mapping, size)
      return nil
    }
    unsafe madvise(mapping, size, MADV_SEQUENTIAL)
    self.file = file
    self.name = name
    self.pages = pages
    self.stop = stop
    unsafe self.start = UnsafeRawPointer(mapping)
    self.position = Locked(Position(next: position))
    unsafe self.memory = FrameMemory(
      unsafeStart: UnsafeRawPointer(mapping), byteCount: size, mapping: file.descriptor
    ) {
      pages.end()
      unsafe munmap(UnsafeMutableRawPointer(bitPattern: address), size)
      withExtendedLifetime(file) {}
    }
  }

  var remaining: Int? { memory.byteCount - position.withLock { $0.next } }

  func isAtEnd() -> Bool { remaining == 0 }

  func startsWith(_ bytes: [UInt8]) throws(CommandError) -> Bool {
    let next = position.withLock { $0.next }
    guard memory.byteCount - next >= bytes.count else { return false }
    try check(next + bytes.count)
    return unsafe bytes.withUnsafeBytes { wanted in
      unsafe wanted.elementsEqual(
        UnsafeRawBufferPointer(start: start + next, count: bytes.count))
    }
  }

  func line(limit: Int) throws(CommandError) -> InputLine {
    if stop.isRaised { return .stopped }
    let next = position.withLock { $0.next }
    let count = min(limit, memory.byteCount - next)
    guard count > 0 else { return .end }
    try check(next + count)
    guard let end = unsafe memchr(start + next, 0x0a, count) else { return .unterminated }
    let length = unsafe UnsafeRawPointer(end) - (start + next)
    position.withLock { $0.next = next + length + 1 }
    return .line(unsafe [UInt8](UnsafeRawBufferPointer(start: start + next, count: length)))
  }

  func frame(byteCount: Int) throws(CommandError) -> InputFrame {
    if stop.isRaised { return .stopped }
    let next = position.withLock { $0.next }
    let left = memory.byteCount - next
    guard left > 0 else {
      try check(0)
      return .end
    }
    guard left >= byteCount else {
      position.withLock { $0.next = memory.byteCount }
      return .truncated(left)
    }
    try check(next + byteCount)
    position.withLock { $0.next = next + byteCount }
    releaseBehind(next)
    return .whole(memory, offset: next)
  }

  func verify() throws(CommandError) { try check(position.withLock { $0.next }) }

  /// Notices that the file ends before `end`, or that it lost bytes before they were read.
  private func check(_ end: Int) throws(CommandError) {
    let size = Int(file.information.st_size)
    let isTorn = pages.isTorn
    guard size < end || isTorn else { return }
    let happening =
      size < memory.byteCount
      ? "\(name) became shorter while it was read"
      : "reading \(name): \(Errno(rawValue: EIO).text)"
    let damage = isTorn ? "; what was read from it last is damaged" : ""
    throw CommandError(.inputOutput, happening + damage)
  }

  private func releaseBehind(_ end: Int) {
    let page = MappingGuard.pageSize
    let range = position.withLock { position -> Range<Int>? in
      let aligned = end / page * page
      guard aligned - position.released >= Self.window else { return nil }
      defer { position.released = aligned }
      return position.released..<aligned
    }
    guard let range else { return }
    // The pages stay in the page cache; touching them again only maps them again.
    unsafe madvise(
      UnsafeMutableRawPointer(mutating: start + range.lowerBound), range.count, MADV_DONTNEED)
  }
}
