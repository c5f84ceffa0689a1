/// The bytes of one packet.
@safe public final class PacketData: Sendable {
  /// How many bytes there are.
  public let byteCount: Int
  // Never written here: a `PacketBuffer` has given it up.
  private nonisolated(unsafe) let allocation: UnsafeMutableRawPointer
  private let offset: Int

  /// Takes over what a `PacketBuffer` allocated.
  @unsafe init(adopting allocation: UnsafeMutableRawPointer, offset: Int, byteCount: Int) {
    unsafe self.allocation = allocation
    self.offset = offset
    self.byteCount = byteCount
  }

  /// Copies an array.
  public init(copying bytes: [UInt8]) {
    byteCount = bytes.count
    offset = 0
    unsafe allocation = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
    unsafe bytes.withUnsafeBytes { source in
      if let start = source.baseAddress {
        unsafe allocation.copyMemory(from: start, byteCount: source.count)
      }
    }
  }

  deinit { unsafe allocation.deallocate() }

  private var base: UnsafeRawPointer { unsafe UnsafeRawPointer(allocation) + offset }

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
