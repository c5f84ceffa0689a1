/// One of the device's own input buffers, on loan to be rendered into.
///
/// Its planes lie as the driver wants them: rows are `bytesPerLine` apart, and only the first
/// `size.width` pixels of `size.height` rows are the picture. Dropping the buffer gives it back
/// unused. After a change of size or format, or a drain of a driver that is opened anew for it, it
/// can still be written, but no longer be encoded. The memory may be uncached: write it once, in
/// order, and do not read it.
public struct InputBuffer: ~Copyable, Sendable {
  /// How the pixels must be laid out: the driver's format, not the configuration's.
  public let format: PixelFormat
  /// The picture's size in pixels.
  public let size: VideoSize
  /// The colour planes in the format's order.
  public let planeCount: Int

  /// Nil once the buffer is queued or given back.
  var engine: Engine?
  /// What the buffer was made for.
  let setup: StreamSetup
  private let index: Int
  private let memory: MappedBuffer

  init(engine: Engine, setup: StreamSetup, index: Int, memory: MappedBuffer) {
    self.engine = engine
    self.setup = setup
    self.index = index
    self.memory = memory
    format = setup.writer.rawFormat
    size = setup.writer.visibleSize
    planeCount = setup.writer.layout.planes.count
  }

  deinit { engine?.giveBack(index, of: setup) }

  /// Bytes from one row of a colour plane to the next; 0 for a plane that does not exist.
  public func bytesPerLine(ofPlane plane: Int) -> Int {
    guard engine != nil, plane >= 0, plane < planeCount else { return 0 }
    return setup.writer.layout.planes[plane].bytesPerLine
  }

  /// Lends the bytes of one colour plane, padding included, for writing.
  ///
  /// - Returns: what `body` returns; nil, without calling it, for a plane that does not exist.
  /// - Throws: what `body` throws.
  public mutating func withMutableBytes<Result, Failure: Error>(
    ofPlane plane: Int, _ body: (inout MutableRawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard engine != nil, plane >= 0, plane < planeCount else { return nil }
    let layout = setup.writer.layout.planes[plane]
    // The last row may come without its padding.
    let end = min(
      layout.offset + layout.bytesPerLine * layout.rows, memory.planeLengths[layout.memoryPlane])
    let range = layout.offset..<max(layout.offset, end)
    return try memory.withMutableBytes(ofPlane: layout.memoryPlane, range, body)
  }

  /// The buffer as DMABUFs (VIDIOC_EXPBUF), for a GPU or another device to render into.
  ///
  /// The descriptors are the encoder's. They are made at the first call for a buffer, stay the same
  /// whenever that buffer is lent again, and are closed when the encoder is closed and the loan is
  /// over; a duplicate (dup) and whatever imported the DMABUF keep its memory longer. Whoever
  /// renders must have finished before the buffer is encoded: no fence is waited for, and a
  /// processor that writes through a mapping brackets that with DMA_BUF_IOCTL_SYNC.
  ///
  /// - Returns: the colour planes in the format's order.
  /// - Throws: `invalidFrame` for a buffer that can no longer be encoded, `unsupported` when the
  ///   driver exports no buffers, `closed` or whatever else ended
  ///   the encoder.
  public func dmabufPlanes() throws(EncoderError) -> [DMABUFPlane] {
    guard let engine else { return [] }
    let exported = try engine.export(memory, of: setup)
    return setup.writer.layout.planes.map { plane in
      DMABUFPlane(
        descriptor: exported.descriptors[plane.memoryPlane], offset: plane.offset,
        bytesPerLine: plane.bytesPerLine)
    }
  }

  /// Whether the encoder that lent it has ended.
  var hasOutlivedItsDevice: Bool {
    engine?.core.withLock { $0.machine.terminalError != nil } ?? false
  }

  /// Ends the loan without giving the buffer back.
  consuming func redeem() -> Int? {
    guard engine != nil else { return nil }
    engine = nil
    return index
  }
}
