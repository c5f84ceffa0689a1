/// The bytes of one packet.
///
/// Keep it as long as they are needed: when nobody does, the object may come again with the bytes
/// of a later packet, which who refers to it weakly would see.
@safe public final class PacketData: Sendable {
  // Written by the one `PacketBuffer` that holds this object and nobody else, before it hands it on
  // and never after: whoever else can read them got them by that hand-over. A `PacketPool` uses an
  // object again when nobody but the pool holds it any more.
  private nonisolated(unsafe) var allocation: UnsafeMutableRawPointer
  private nonisolated(unsafe) var capacity: Int
  private nonisolated(unsafe) var contents = 0..<0

  /// Allocates uninitialized memory for a `PacketBuffer`.
  init(capacity: Int) {
    let byteCount = max(capacity, 1)
    unsafe self.capacity = byteCount
    unsafe allocation = .allocate(byteCount: byteCount, alignment: 16)
  }

  /// Copies an array.
  public convenience init(copying bytes: [UInt8]) {
    self.init(capacity: bytes.count)
    unsafe contents = 0..<bytes.count
    unsafe bytes.withUnsafeBytes { source in
      if let start = source.baseAddress {
        unsafe allocation.copyMemory(from: start, byteCount: source.count)
      }
    }
  }

  deinit { unsafe allocation.deallocate() }

  /// How many bytes there are.
  public var byteCount: Int { unsafe contents.count }

  /// The memory that a `PacketBuffer` writes.
  @unsafe var memory: UnsafeMutableRawPointer { unsafe allocation }

  /// How many bytes the memory has.
  var memoryByteCount: Int { unsafe capacity }

  /// Sees to it that there is so much memory; what is in it is lost when there was less.
  @unsafe func makeRoom(for byteCount: Int) {
    guard unsafe capacity < byteCount else { return }
    unsafe allocation.deallocate()
    // A little more, so that pictures whose size varies soon find room everywhere.
    unsafe capacity = byteCount + byteCount / 4
    unsafe allocation = .allocate(byteCount: capacity, alignment: 16)
  }

  /// Exchanges the memory for another one.
  @unsafe func exchange(for other: UnsafeMutableRawPointer, byteCount: Int) {
    unsafe allocation.deallocate()
    unsafe allocation = other
    unsafe capacity = byteCount
  }

  /// Says where the packet is in the memory; nothing may be written after it.
  @unsafe func finish(_ contents: Range<Int>) { unsafe self.contents = contents }

  private var base: UnsafeRawPointer {
    unsafe UnsafeRawPointer(allocation) + contents.lowerBound
  }

  /// The bytes, readable while the data is held.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe RawSpan(_unsafeStart: base, byteCount: byteCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Calls `body` with all bytes, for C interfaces such as write(2).
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(UnsafeRawBufferPointer(start: base, count: byteCount))
  }

  /// A copy of the bytes as an array.
  public var array: [UInt8] {
    unsafe [UInt8](UnsafeRawBufferPointer(start: base, count: byteCount))
  }
}
