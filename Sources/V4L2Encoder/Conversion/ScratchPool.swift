/// Working memory for conversions that need an intermediate form of a few rows.
///
/// As many pieces exist as conversions ever ran at once; they are kept, so that a frame costs no
/// allocation.
@safe final class ScratchPool: Sendable {
  private struct Free: ~Copyable {
    var pieces: [UInt] = []
  }

  let byteCount: Int
  // Addresses, because pointers are not Sendable; each is in here or with exactly one caller.
  private let free = Locked(Free())

  init(byteCount: Int) { self.byteCount = byteCount }

  deinit {
    let pieces = free.withLock { $0.pieces }
    for piece in pieces { unsafe UnsafeMutableRawPointer(bitPattern: piece)?.deallocate() }
  }

  /// Lends one piece, aligned for vectors, to `body`.
  @unsafe func withPiece(_ body: (UnsafeMutablePointer<UInt8>) -> Void) {
    let address = free.withLock { $0.pieces.popLast() }
    let piece =
      unsafe address.flatMap { unsafe UnsafeMutableRawPointer(bitPattern: $0) }
      ?? UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
    unsafe body(piece.assumingMemoryBound(to: UInt8.self))
    let returned = UInt(bitPattern: piece)
    free.withLock { $0.pieces.append(returned) }
  }
}
