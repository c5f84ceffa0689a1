/// The bytes of one packet.
@safe public final class PacketData: Sendable {
  /// How many bytes there are.
  public let byteCount: Int
  // Written only by the closure of `init`, before anybody else can see it.
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer

  /// Allocates `byteCount` bytes and lets `fill` initialize them.
  @unsafe package init(byteCount: Int, fill: (UnsafeMutableRawPointer) -> Void) {
    unsafe base = .allocate(byteCount: max(byteCount, 1), alignment: 16)
    self.byteCount = byteCount
    unsafe fill(base)
  }

  /// Copies an array.
  public convenience init(copying bytes: [UInt8]) {
    unsafe self.init(byteCount: bytes.count) { target in
      unsafe bytes.withUnsafeBytes { source in
        if let start = source.baseAddress {
          unsafe target.copyMemory(from: start, byteCount: source.count)
        }
      }
    }
  }

  deinit { unsafe base.deallocate() }

  /// The bytes, readable while the data is held.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: byteCount)
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

extension PacketData {
  /// The same bytes with others put in at an offset.
  package func inserting(_ bytes: [UInt8], at offset: Int) -> PacketData {
    let offset = min(max(offset, 0), byteCount)
    return unsafe PacketData(byteCount: byteCount + bytes.count) { target in
      unsafe withUnsafeBytes { own in
        guard let start = own.baseAddress else { return }
        unsafe target.copyMemory(from: start, byteCount: offset)
        unsafe (target + offset + bytes.count).copyMemory(
          from: start + offset, byteCount: byteCount - offset)
      }
      unsafe bytes.withUnsafeBytes { inserted in
        if let start = inserted.baseAddress {
          unsafe (target + offset).copyMemory(from: start, byteCount: inserted.count)
        }
      }
    }
  }
}
