/// Memory for frames of one size, used again when nobody but the pool holds it any more: in the
/// end a frame costs no allocation.
package final class FrameMemoryPool: Sendable {
  private let byteCount: Int
  private let capacity: Int
  private let pieces = Locked([FrameMemory]())

  /// Creates an empty pool.
  ///
  /// - Parameters:
  ///   - byteCount: how long each piece is.
  ///   - capacity: how many frames may be out at once.
  package init(byteCount: Int, capacity: Int) {
    self.byteCount = byteCount
    self.capacity = capacity
  }

  /// Takes a piece, for the caller to fill before anybody else sees it; nil when all are in use.
  package func take() -> FrameMemory? {
    pieces.withLock { pieces in
      for index in pieces.indices where isSoleHolder(of: &pieces[index], renewed: newPiece()) {
        return pieces[index]
      }
      guard pieces.count < capacity else { return nil }
      let piece = newPiece()
      pieces.append(piece)
      return piece
    }
  }

  private func newPiece() -> FrameMemory {
    FrameMemory(byteCount: byteCount) { (_: inout MutableRawSpan) in }
  }
}
