internal import Glibc
internal import Synchronization

/// Bytes that hold raw pictures: allocated here, or lent by somebody who is told of their release.
@safe public final class FrameMemory: Sendable {
  /// What memory made here is aligned to: what videobuf2-dma-contig (`vb2_dc_get_userptr`) asks of
  /// an address on arm64, the largest of `dma_get_cache_alignment`.
  package static let alignment = 128
  private static let made = Atomic<UInt64>(0)

  /// How many bytes there are.
  public let byteCount: Int
  /// No other memory of this process ever has this number, while an address comes again.
  package let identity = FrameMemory.made.add(1, ordering: .relaxed).newValue
  // Never reassigned; what lies behind it is written only before the memory is shared, or by an
  // owner who promised so in `init(unsafeStart:)`.
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer
  private let release: (@Sendable () -> Void)?
  /// The file that the bytes are a mapping of, from its first one on; nil for other memory.
  package let file: Int32?

  /// Allocates zeroed memory and lets `fill` write it.
  ///
  /// `fill` receives all bytes; afterwards they are immutable. A negative count means none.
  public init<Failure: Error>(
    byteCount: Int, fill: (inout MutableRawSpan) throws(Failure) -> Void
  ) throws(Failure) {
    let byteCount = max(byteCount, 0)
    unsafe self.base = UnsafeMutableRawPointer.allocate(
      byteCount: max(byteCount, 1), alignment: FrameMemory.alignment)
    self.byteCount = byteCount
    self.release = nil
    self.file = nil
    unsafe memset(base, 0, byteCount)
    var span = unsafe MutableRawSpan(_unsafeStart: base, byteCount: byteCount)
    try fill(&span)
  }

  /// Allocates a copy of `bytes`.
  public convenience init(copying bytes: [UInt8]) {
    self.init(byteCount: bytes.count) { (span: inout MutableRawSpan) in
      unsafe span.withUnsafeMutableBytes { target in
        unsafe bytes.withUnsafeBytes { source in unsafe target.copyMemory(from: source) }
      }
    }
  }

  /// Wraps memory that belongs to somebody else.
  ///
  /// - Parameters:
  ///   - start: the first byte; must stay valid and unchanged until `release` is called.
  ///   - byteCount: how many bytes there are.
  ///   - release: called once, from any thread, when nobody needs the bytes any more.
  @unsafe public convenience init(
    unsafeStart start: UnsafeRawPointer, byteCount: Int, release: @escaping @Sendable () -> Void
  ) {
    unsafe self.init(unsafeStart: start, byteCount: byteCount, mapping: nil, release: release)
  }

  /// Wraps memory of somebody else that may be a mapped file, from its first byte on; whoever wants
  /// a copy may read the file instead.
  ///
  /// - Parameters:
  ///   - start: the first byte; must stay valid until `release` is called.
  ///   - byteCount: how many bytes there are.
  ///   - file: the descriptor, nil for other memory; must stay open until `release` is called.
  ///   - release: called once, from any thread, when nobody needs the bytes any more.
  @unsafe package init(
    unsafeStart start: UnsafeRawPointer, byteCount: Int, mapping file: Int32?,
    release: @escaping @Sendable () -> Void
  ) {
    unsafe self.base = UnsafeMutableRawPointer(mutating: start)
    self.byteCount = byteCount
    self.release = release
    self.file = file
  }

  deinit {
    if let release { release() } else { unsafe base.deallocate() }
  }

  /// The bytes, readable while the memory is held.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: byteCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The first byte.
  @unsafe package var start: UnsafeRawPointer { unsafe UnsafeRawPointer(base) }

  /// The first byte, for whoever took the memory from a pool and has not shared it yet.
  @unsafe var mutableStart: UnsafeMutableRawPointer { unsafe base }
}
