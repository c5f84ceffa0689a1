/// Memory that a frame can be written into, in the driver's planes.
package protocol PlaneMemory {
  /// The first byte of a memory plane.
  @unsafe func address(ofPlane plane: Int) -> UnsafeMutableRawPointer
}

/// Writes frames into the driver's buffers, in one pass.
package struct FrameWriter: Sendable {
  private let converter: FrameConverter
  package let layout: DriverLayout
  private let inputFormat: PixelFormat
  private let frameSize: VideoSize
  private let reader = FrameReader()
  private let fileReader: FileFrameReader?
  package let rawFormat: PixelFormat
  package let visibleSize: VideoSize
  /// The bytes of each memory plane that are told to the driver: the whole plane, padding too.
  package let bytesUsed: PlaneByteCounts
  /// The bytes that writing one picture stores, without padding.
  private let pictureByteCount: Int

  /// Prepares the way from frames to the planes of `rawFormat`, as the driver returned it.
  ///
  /// - Throws: `protocolViolation` when the driver's planes cannot hold the picture.
  package init(
    inputFormat: PixelFormat, frameSize: VideoSize, visibleSize: VideoSize,
    rawFormat: QueueFormat, color: ColorDescription
  ) throws(EncoderError) {
    self.inputFormat = inputFormat
    self.frameSize = frameSize
    self.visibleSize = visibleSize
    self.rawFormat = rawFormat.format
    let planeSizes = rawFormat.planes.map(\.byteCount)
    self.layout = try DriverLayout.driver(
      rawFormat.format, bufferSize: rawFormat.size,
      bytesPerLine: rawFormat.planes.map(\.bytesPerLine), planeSizes: planeSizes)
    self.bytesUsed = PlaneByteCounts(planeSizes)
    let shapes = rawFormat.format.info?.planes ?? []
    self.pictureByteCount = shapes.reduce(0) {
      $0 + $1.rowBytes(width: visibleSize.width) * $1.rows(height: visibleSize.height)
    }
    self.converter = try FrameConverter(
      from: inputFormat, to: rawFormat.format, size: visibleSize, color: color)
    self.fileReader =
      frameSize == visibleSize
      ? try FileFrameReader(for: converter, inputFormat: inputFormat, layout: layout) : nil
  }

  /// Whether samples are copied as they are.
  package var isPassThrough: Bool { converter.isPassThrough }
  /// How colours are converted; nil when samples are only moved.
  package var conversion: String? { converter.conversion }

  /// Refuses a frame that is not as configured.
  package func check(_ frame: VideoFrame) throws(EncoderError) {
    if let refusal = refusal(of: frame) { throw refusal }
  }

  /// Why a frame is not as configured; nil when it is.
  package func refusal(of frame: VideoFrame) -> EncoderError? {
    guard frame.format == inputFormat else {
      return EncoderError(
        .invalidFrame,
        "the frame is \(frame.format), the encoder is set up for \(inputFormat); "
          + "reconfigure it for another format")
    }
    guard frame.size == frameSize else {
      return EncoderError(
        .invalidFrame,
        "the frame is \(frame.size), the encoder is set up for \(frameSize); "
          + "reconfigure it for another size")
    }
    return nil
  }

  /// Converts or copies a checked frame into a buffer; returns how many bytes it stored.
  ///
  /// - Throws: `invalidFrame` when a DMABUF cannot be read or is too short.
  package func write(
    _ frame: VideoFrame, into buffer: some PlaneMemory
  ) throws(EncoderError) -> Int {
    let target =
      unsafe PlanePointers(driver: layout) { plane in unsafe buffer.address(ofPlane: plane) }
    if let fileReader, unsafe fileReader.read(frame, into: target) { return pictureByteCount }
    try unsafe reader.read(frame) { planes in unsafe converter.convert(from: planes, to: target) }
    return pictureByteCount
  }

  /// Why the driver cannot read DMABUFs that lie like this where they are; nil when it can.
  package func importRefusal(_ planes: [PlaneLayout]) -> String? {
    formatRefusal(planes) ?? layoutRefusal(planes) { _ in 0 }
  }

  /// Why the driver cannot read memory of this process that lies like this; nil when it can.
  ///
  /// The frame starts `offset` bytes after the start of memory of `byteCount` bytes.
  package func addressRefusal(
    _ planes: [PlaneLayout], offset: Int, byteCount: Int
  ) -> String? {
    if let refusal = formatRefusal(planes) { return refusal }
    guard planes.allSatisfy({ $0.offset >= 0 }) else { return "a plane has a negative offset" }
    // Each of the driver's memory planes begins where its first colour plane does.
    if let refusal = layoutRefusal(planes, base: { planes[$0].offset }) { return refusal }
    for memoryPlane in 0..<bytesUsed.planeCount {
      let start = offset + planes[memoryPlane].offset
      let needed = bytesUsed[memoryPlane]
      if needed > byteCount - start {
        return "the driver reads \(needed) bytes from byte \(start) on, padding included, and the "
          + "memory has \(byteCount)"
      }
    }
    return nil
  }

  /// Where the planes of a frame lie in this process; nil when the driver cannot be expected to
  /// take such an address.
  package func addresses(
    of memory: FrameMemory, offset: Int, planes: [PlaneLayout]
  ) -> PlaneAddresses? {
    let start = unsafe UInt(bitPattern: memory.start) + UInt(offset)
    var addresses = PlaneAddresses()
    for memoryPlane in 0..<bytesUsed.planeCount {
      let address = start + UInt(planes[memoryPlane].offset)
      guard address % UInt(FrameMemory.alignment) == 0 else { return nil }
      addresses[memoryPlane] = address
    }
    return addresses
  }

  /// The same planes for a driver that knows these addresses already, and must look at what is
  /// there now: each a little longer; nil when there is nothing behind them.
  ///
  /// What is behind a plane up to the end of its page may be named, since the driver pins whole
  /// pages, and it never reads it.
  package func lengthened(
    _ addresses: PlaneAddresses, in memory: FrameMemory
  ) -> PlaneAddresses? {
    let smallestPage: UInt = 4096
    let excess = UInt(FrameMemory.alignment)
    let end = unsafe UInt(bitPattern: memory.start) + UInt(memory.byteCount)
    for memoryPlane in 0..<bytesUsed.planeCount {
      let last = addresses[memoryPlane] + UInt(bytesUsed[memoryPlane])
      let room = max(end - last, (smallestPage - last % smallestPage) % smallestPage)
      guard room >= excess else { return nil }
    }
    var longer = addresses
    longer.excess = Int(excess)
    return longer
  }

  private func formatRefusal(_ planes: [PlaneLayout]) -> String? {
    guard isPassThrough, inputFormat.contiguous == rawFormat.contiguous else {
      return "the driver takes \(rawFormat), not \(inputFormat)"
    }
    guard planes.count == layout.planes.count else {
      return "\(inputFormat) has \(layout.planes.count) planes, not \(planes.count)"
    }
    return nil
  }

  /// `base` says where the driver's memory plane of a number begins.
  private func layoutRefusal(_ planes: [PlaneLayout], base: (Int) -> Int) -> String? {
    for (index, (ours, theirs)) in zip(planes, layout.planes).enumerated() {
      let offset = ours.offset - base(theirs.memoryPlane)
      guard offset != theirs.offset || ours.bytesPerLine != theirs.bytesPerLine else { continue }
      return "plane \(index) lies at \(offset) with \(ours.bytesPerLine) bytes per line, "
        + "the driver wants \(theirs.offset) and \(theirs.bytesPerLine)"
    }
    return nil
  }
}

extension PixelFormat {
  /// The format with its planes in one piece of memory.
  var contiguous: PixelFormat { info?.contiguous ?? self }
}
