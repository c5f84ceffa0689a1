internal import V4L2Encoder

/// Memory for frames that are read from a pipe, used again as soon as a frame is released.
final class FramePool: Sendable {
  /// One frame's memory, owned by whoever took it.
  @safe struct Buffer: @unchecked Sendable {
    // One owner at a time: the reader that took it, then the frame it was lent to, then the pool.
    fileprivate let base: UnsafeMutableRawPointer
    let byteCount: Int
    @unsafe var start: UnsafeMutableRawPointer { unsafe base }
  }

  private let free = Shelf()

  /// Takes a buffer of at least this size; its content is what the last frame left.
  func take(_ byteCount: Int) -> Buffer { free.take(byteCount) }

  /// Returns a buffer unused.
  func giveBack(_ buffer: Buffer) { free.put(buffer) }

  /// Makes a filled buffer the memory of a frame, which gives it back when it is released.
  func lend(_ buffer: Buffer) -> FrameMemory {
    unsafe FrameMemory(
      unsafeStart: UnsafeRawPointer(buffer.base), byteCount: buffer.byteCount
    ) { [free] in free.put(buffer) }
  }

  /// The buffers nobody uses; outlives the pool while frames are out.
  private final class Shelf: Sendable {
    private let buffers = Locked([Buffer]())

    func take(_ byteCount: Int) -> Buffer {
      if let buffer = buffers.withLock({ $0.popLast() }) {
        if buffer.byteCount == byteCount { return buffer }
        unsafe buffer.base.deallocate()
      }
      return unsafe Buffer(
        base: .allocate(byteCount: byteCount, alignment: 64), byteCount: byteCount)
    }

    func put(_ buffer: Buffer) { buffers.withLock { $0.append(buffer) } }

    deinit {
      for buffer in buffers.withLock({ $0 }) { unsafe buffer.base.deallocate() }
    }
  }
}
