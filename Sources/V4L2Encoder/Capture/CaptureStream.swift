/// One set-up of a camera: a format and its buffers, until another signal asks for others.
///
/// A frame that is dropped gives its buffer back as long as this set-up is the one in force.
final class CaptureStream: Sendable {
  /// What stands behind one buffer.
  enum Backing: Sendable {
    case exported(ExportedBuffer)
    case mapped(MappedBuffer)
  }

  /// What a filled buffer became.
  enum Picture {
    case frame(VideoFrame)
    case undecodable(String)
    /// Nothing is free to decode into.
    case noRoom
  }

  /// How frames are made of buffers.
  enum Content: Sendable {
    case raw(DriverLayout)
    case jpeg(JPEGReader)
  }

  private struct State {
    /// Whether buffers may be queued.
    var isOpen = false
    var queued = 0
    /// Buffers on their way to the driver on the application's threads.
    var returning = 0
    /// Whether the driver refused one of them, which only its failure explains.
    var isRefusing = false
  }

  private let handle: any DeviceHandle
  private let bufferType: UInt32
  private let planeCount: Int
  private let backings: [Backing]
  private let content: Content
  private let colorPlanes: [PlaneLayout]
  /// The end of the picture in the first memory plane.
  private let leastBytes: Int
  private let state = Locked(State())
  let format: CaptureFormat
  let differences: [String]
  /// The signal that this set-up is for, if it is a digital one.
  let timings: DVTimings?

  init(
    on camera: CameraDevice, queueFormat: QueueFormat, format: CaptureFormat, content: Content,
    backings: [Backing], timings: DVTimings?, differences: [String]
  ) {
    handle = camera.handle
    bufferType = camera.bufferType
    planeCount = queueFormat.planes.count
    self.format = format
    self.content = content
    self.backings = backings
    self.timings = timings
    self.differences = differences
    switch content {
    case .raw(let layout):
      colorPlanes = layout.colorPlanes
      leastBytes = layout.endOfPicture(inMemoryPlane: 0, of: format.format, size: format.size)
    case .jpeg(let reader):
      colorPlanes = reader.planes
      leastBytes = 1
    }
  }

  var bufferCount: Int { backings.count }

  /// Whether every buffer is in the application's hands, so that the camera has nothing to fill.
  var isStarved: Bool { state.withLock { $0.queued == 0 && !$0.isRefusing } }

  /// Queues all buffers and starts the camera.
  func start() throws(DeviceRequestError) {
    state.withLock { $0 = State(isOpen: true, queued: backings.count) }
    var operation = "VIDIOC_QBUF"
    do throws(Errno) {
      for index in backings.indices {
        try handle.queueEmpty(bufferType, index: index, planeCount: planeCount)
      }
      operation = "VIDIOC_STREAMON"
      try handle.streamOn(bufferType)
    } catch {
      throw DeviceRequestError(operation, error)
    }
  }

  /// Stops the camera; no buffer comes back to it any more.
  func stop() {
    state.withLock { state in
      state.isOpen = false
      state.queued = 0
    }
    // One on its way would otherwise reach the buffers of the next set-up.
    let limit = MonotonicTime.now + .seconds(2)
    while state.withLock({ $0.returning > 0 }), MonotonicTime.now < limit {
      DeviceThread.sleep(.milliseconds(1))
    }
    // What fails here fails because the camera is gone, which whoever goes on meets as well.
    try? handle.streamOff(bufferType)
  }

  /// Takes a filled buffer; nil when there is none.
  func take() throws(Errno) -> DequeuedBuffer? {
    guard case .buffer(let buffer) = try handle.dequeue(bufferType) else { return nil }
    state.withLock { $0.queued -= 1 }
    guard backings.indices.contains(buffer.index) else { throw .invalidArgument }
    return buffer
  }

  /// Whether the driver marked the picture as spoiled or filled only a part of it.
  func isCorrupt(_ buffer: DequeuedBuffer) -> Bool {
    buffer.flags.contains(.error) || buffer.bytesUsed - buffer.dataOffset < leastBytes
  }

  /// Makes a frame of a filled buffer; the buffer of any other outcome is to be given back.
  func picture(in buffer: DequeuedBuffer) throws(EncoderError) -> Picture {
    let index = buffer.index
    switch (backings[index], content) {
    case (.mapped(let mapped), .jpeg(let reader)):
      let range = buffer.dataOffset..<max(buffer.dataOffset, buffer.bytesUsed)
      switch reader.read(range, of: mapped) {
      case .undecodable(let reason): return .undecodable(reason)
      case .noRoom: return .noRoom
      case .decoded(let memory):
        giveBack(index)
        return .frame(
          try VideoFrame(
            format: format.format, size: format.size, memory: memory, planes: colorPlanes,
            presentationTime: buffer.timestamp))
      }
    case (.mapped(let mapped), .raw):
      let memory = mapped.lend { [weak self] in self?.giveBack(index) }
      return .frame(
        try VideoFrame(
          format: format.format, size: format.size, memory: memory, offset: buffer.dataOffset,
          planes: colorPlanes, presentationTime: buffer.timestamp))
    case (.exported(let exported), .raw(let layout)):
      let planes = layout.planes.map { plane in
        DMABUFPlane(
          descriptor: exported.descriptors[plane.memoryPlane],
          offset: plane.offset + buffer.dataOffset(ofPlane: plane.memoryPlane),
          bytesPerLine: plane.bytesPerLine)
      }
      return .frame(
        try VideoFrame(
          dmabuf: planes, format: format.format, size: format.size,
          presentationTime: buffer.timestamp
        ) { [weak self] in
          // The descriptors live as long as somebody may import them.
          withExtendedLifetime(exported) { self?.giveBack(index) }
        })
    case (.exported, .jpeg): return .undecodable("its buffer is not mapped")
    }
  }

  /// Lets the camera fill a buffer again; called by whoever drops a frame, on his thread.
  func giveBack(_ index: Int) {
    let (isOpen, wasStarved) = state.withLock { state -> (Bool, Bool) in
      guard state.isOpen else { return (false, false) }
      state.queued += 1
      state.returning += 1
      return (true, state.queued == 1)
    }
    guard isOpen else { return }
    let isQueued: Bool
    do throws(Errno) {
      try handle.queueEmpty(bufferType, index: index, planeCount: planeCount)
      isQueued = true
    } catch {
      // The camera's own thread meets the reason at its next DQBUF.
      isQueued = false
    }
    state.withLock { state in
      state.returning -= 1
      if !isQueued, state.isOpen {
        state.queued -= 1
        state.isRefusing = true
      }
    }
    // The camera's thread is not waiting for frames then.
    if wasStarved { handle.wake() }
  }
}

extension DriverLayout {
  /// The colour planes, each counted from the start of its own memory plane.
  var colorPlanes: [PlaneLayout] {
    planes.map { PlaneLayout(offset: $0.offset, bytesPerLine: $0.bytesPerLine) }
  }

  /// Where the last sample of a memory plane ends.
  func endOfPicture(
    inMemoryPlane memoryPlane: Int, of format: PixelFormat, size: VideoSize
  ) -> Int {
    planes.indices.filter { planes[$0].memoryPlane == memoryPlane }.map { index in
      let plane = planes[index]
      let bytes = RasterLayout.byteCount(
        ofPlane: index, of: format, size: size, bytesPerLine: plane.bytesPerLine)
      return plane.offset + (bytes ?? 0)
    }.max() ?? 0
  }
}
