/// One of the device's own input buffers, on loan to be rendered into.
///
/// Its planes lie as the driver wants them: rows are `bytesPerLine` apart, and only the first
/// `size.width` pixels of `size.height` rows are the picture. Dropping the buffer gives it back
/// unused. The memory may be uncached: write it once, in order, and do not read it.
public struct InputBuffer: ~Copyable, Sendable {
  /// How the pixels must be laid out: the driver's format, not the configuration's.
  public let format: PixelFormat
  /// The picture's size in pixels.
  public let size: VideoSize
  /// The colour planes in the format's order.
  public let planeCount: Int

  /// Nil once the buffer is queued or given back.
  var engine: Engine?
  private let index: Int
  private let memory: MappedBuffer

  init(engine: Engine, index: Int, memory: MappedBuffer) {
    self.engine = engine
    self.index = index
    self.memory = memory
    format = engine.writer.rawFormat
    size = engine.writer.visibleSize
    planeCount = engine.writer.layout.planes.count
  }

  deinit { engine?.giveBack(index) }

  /// Bytes from one row of a colour plane to the next.
  public func bytesPerLine(ofPlane plane: Int) -> Int {
    guard let engine, plane >= 0, plane < planeCount else { return 0 }
    return engine.writer.layout.planes[plane].bytesPerLine
  }

  /// Lends the bytes of one colour plane, padding included, for writing.
  ///
  /// - Throws: what `body` throws.
  public mutating func withMutableBytes<Result, Failure: Error>(
    ofPlane plane: Int, _ body: (inout MutableRawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard let engine, plane >= 0, plane < planeCount else { return nil }
    let layout = engine.writer.layout.planes[plane]
    // The last row may come without its padding.
    let end = min(
      layout.offset + layout.bytesPerLine * layout.rows, memory.planeLengths[layout.memoryPlane])
    let range = layout.offset..<max(layout.offset, end)
    return try memory.withMutableBytes(ofPlane: layout.memoryPlane, range, body)
  }

  /// Ends the loan without giving the buffer back.
  consuming func redeem() -> Int? {
    guard engine != nil else { return nil }
    engine = nil
    return index
  }
}
