internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// The thread of one handle that turns OUTPUT buffers into CAPTURE buffers.
///
/// It lives while both queues stream. It takes one buffer from each, encodes without the lock,
/// and returns both at once, so that a client finds them in one wake-up.
final class EncodingWorker: @unchecked Sendable {
  // Everything mutable here is touched by the worker's own thread only.
  private let monitor: Monitor<HandleState>
  private let device: DeviceCore
  private let changed: @Sendable () -> Void
  private var codec: (any CodecBackend)?
  private var generation = -1
  private var hasSentHeaders = false

  private init(
    _ monitor: Monitor<HandleState>, device: DeviceCore, changed: @escaping @Sendable () -> Void
  ) {
    self.monitor = monitor
    self.device = device
    self.changed = changed
  }

  /// Starts the thread; a negated errno when there is none to be had.
  static func start(
    _ monitor: Monitor<HandleState>, device: DeviceCore, changed: @escaping @Sendable () -> Void
  ) -> Int32 {
    let worker = EncodingWorker(monitor, device: device, changed: changed)
    let context = Unmanaged.passRetained(worker)
    let result = cv4l2_thread_start(
      "v4l2-encoder",
      { context in
        guard let context else { return }
        Unmanaged<EncodingWorker>.fromOpaque(context).takeRetainedValue().run()
      }, context.toOpaque())
    if result != 0 { context.release() }
    return result
  }

  /// What the worker does next.
  private enum Job {
    case stop
    case encode(EncodeJob)
    /// An empty frame was taken, after which the stream ends.
    case beginDrain
    case flush(target: Target)
  }

  private struct Target {
    let index: Int
    let bytes: UnsafeMutableRawBufferPointer
    let imported: ImportedMemory?
  }

  private struct EncodeJob {
    let source: Int
    /// Nil when the frame's memory is gone.
    let picture: RawPicture?
    let imports: [ImportedMemory]
    let tag: FrameTag
    let forcesKeyFrame: Bool
    let target: Target
    /// New settings, when they changed since the last job.
    let settings: CodecSettings?
  }

  private func run() {
    while true {
      switch monitor.wait({ self.nextJob(&$0) }) {
      case .stop:
        codec = nil
        monitor.withLock { $0.worker = .none }
        monitor.signal()
        return
      case .encode(let job):
        perform(job)
        changed()
      case .beginDrain: changed()
      case .flush(let target):
        flush(target)
        changed()
      }
    }
  }

  private func nextJob(_ state: inout HandleState) -> Job? {
    if state.worker == .stopping { return .stop }
    if let source = state.output.queued.first, state.output.buffers[source].endsStream,
      !state.drain.hasStopped
    {
      state.output.queued.removeFirst()
      state.finishSource(source)
      state.drain.isDraining = true
      return .beginDrain
    }
    guard !state.drain.hasStopped, let capture = state.capture.queued.first else { return nil }
    if state.drain.isDraining, state.drain.lastSource == nil {
      guard let target = claimTarget(capture, &state) else { return nil }
      return .flush(target: target)
    }
    guard let source = state.output.queued.first else { return nil }
    guard let target = claimTarget(capture, &state) else { return nil }
    state.output.queued.removeFirst()
    state.output.buffers[source].state = .active
    let buffer = state.output.buffers[source]
    var settings: CodecSettings?
    if generation != state.settingsGeneration || codec == nil || codec?.isSpent == true {
      settings = state.codecSettings
      generation = state.settingsGeneration
    }
    let kept = UInt32(V4L2_BUF_FLAG_TSTAMP_SRC_MASK | V4L2_BUF_FLAG_TIMECODE)
    return .encode(
      EncodeJob(
        source: source, picture: state.rawPicture(buffer),
        imports: buffer.planes.compactMap(\.imported),
        tag: FrameTag(
          timestamp: buffer.timestamp, timecode: buffer.timecode, flags: buffer.flags & kept),
        forcesKeyFrame: buffer.forcesKeyFrame, target: target, settings: settings))
  }

  private func claimTarget(_ index: Int, _ state: inout HandleState) -> Target? {
    let plane = state.capture.buffers[index].planes[0]
    guard let address = plane.address else { return nil }
    state.capture.queued.removeFirst()
    state.capture.buffers[index].state = .active
    let offset = min(state.personality.buffers.captureOffset, Int(plane.length))
    return Target(
      index: index,
      bytes: UnsafeMutableRawBufferPointer(
        start: address + offset, count: Int(plane.length) - offset),
      imported: plane.imported)
  }

  private func perform(_ job: EncodeJob) {
    if let settings = job.settings, !open(settings) {
      finish(job, .failure(.refused))
      return
    }
    guard let codec, let picture = job.picture else {
      finish(job, .failure(.refused))
      return
    }
    for memory in job.imports { memory.synchronize(isStart: true, isWrite: false) }
    job.target.imported?.synchronize(isStart: true, isWrite: true)
    defer {
      for memory in job.imports { memory.synchronize(isStart: false, isWrite: false) }
      job.target.imported?.synchronize(isStart: false, isWrite: true)
    }
    if !hasSentHeaders {
      hasSentHeaders = true
      if separatesHeaders, deliverHeaders(job, codec) { return }
    }
    encode(job, picture, codec)
  }

  private var separatesHeaders: Bool { monitor.withLock { $0.codecSettings.separatesHeaders } }

  /// Opens the codec or tells it of new settings; false when it refuses them.
  private func open(_ settings: CodecSettings) -> Bool {
    if let codec, !codec.isSpent {
      codec.update(settings)
      if !codec.isSpent { return true }
    }
    codec = device.configuration.makeBackend(settings)
    hasSentHeaders = false
    return codec != nil
  }

  /// Gives the parameter sets a CAPTURE buffer of their own; the frame waits for the next one.
  private func deliverHeaders(_ job: EncodeJob, _ codec: any CodecBackend) -> Bool {
    guard let count = try? codec.writeHeaders(to: job.target.bytes) else { return false }
    monitor.withLock { state in
      state.output.buffers[job.source].state = .queued
      state.output.queued.insert(job.source, at: 0)
      var tag = job.tag
      if state.personality.has(.separateHeadersHaveNoTime) { tag.timestamp = timeval() }
      state.deliver(count, tag: tag, kind: nil, to: job.target.index)
    }
    return true
  }

  private func encode(_ job: EncodeJob, _ picture: RawPicture, _ codec: any CodecBackend) {
    var damage: VirtualDevice.Fault.Damage?
    let due = device.faults.next(.frame)
    if case .damage(let kind) = due?.effect { damage = kind }
    switch damage {
    case .skipped:
      finish(job, .success(nil))
      return
    case .stuck: if let due { waitForEnd(of: due) }
    case .erroneous, .empty, .lost, nil: break
    }
    do throws(CodecFailure) {
      let unit = try codec.encode(
        picture, tag: job.tag, forcesKeyFrame: job.forcesKeyFrame, into: job.target.bytes)
      device.counters.frameEncoded()
      finish(job, .success(unit), damage)
    } catch {
      finish(job, .failure(error))
    }
  }

  /// An encoder that is stuck still stops when its queues do.
  private func waitForEnd(of fault: FaultPlan.Due) {
    let isOver: (inout HandleState) -> Void? = { [device] state in
      state.worker == .stopping || device.faults.isOver(fault) ? () : nil
    }
    // The removal of faults signals nobody here.
    while monitor.wait(until: .now + .milliseconds(20), isOver) == nil {}
  }

  private func finish(
    _ job: EncodeJob, _ result: Result<AccessUnit?, CodecFailure>,
    _ damage: VirtualDevice.Fault.Damage? = nil
  ) {
    let delayed = codec?.delayedFrames ?? 0
    monitor.withLock { state in
      let isLast =
        state.drain.isDraining && state.drain.lastSource == job.source
        && state.personality.drain.end.marksLastPacket
      state.finishSource(job.source)
      switch result {
      case .success(.some) where damage == .lost:
        // Its buffer stays with the device until the queue stops.
        break
      case .success(let unit?):
        state.capture.buffers[job.target.index].isFaulty = damage == .erroneous
        state.deliver(
          damage == .empty ? 0 : unit.byteCount, tag: unit.tag, kind: unit.kind,
          to: job.target.index,
          isLast: isLast && delayed == 0)
      case .success(nil):
        // The buffer was not used: it is the first one of the next job.
        state.capture.buffers[job.target.index].state = .queued
        state.capture.queued.insert(job.target.index, at: 0)
      case .failure:
        state.capture.buffers[job.target.index].isFaulty = true
        state.deliver(
          0, tag: job.tag, kind: nil, to: job.target.index, isLast: isLast && delayed == 0)
      }
    }
  }

  /// Gives the next delayed access unit, or the empty buffer that ends a drain.
  private func flush(_ target: Target) {
    let unit = codec.flatMap { try? $0.flush(into: target.bytes) }
    let delayed = codec?.delayedFrames ?? 0
    monitor.withLock { state in
      guard let unit else {
        state.completeLast(target.index)
        return
      }
      state.deliver(
        unit.byteCount, tag: unit.tag, kind: unit.kind, to: target.index,
        isLast: state.drain.isDraining && delayed == 0
          && state.personality.drain.end.marksLastPacket)
    }
  }
}

extension AccessUnit.Kind {
  fileprivate var flag: UInt32 {
    switch self {
    case .key: UInt32(V4L2_BUF_FLAG_KEYFRAME)
    case .predicted: UInt32(V4L2_BUF_FLAG_PFRAME)
    case .bidirectional: UInt32(V4L2_BUF_FLAG_BFRAME)
    }
  }
}

extension HandleState {
  /// Returns an OUTPUT buffer to the client.
  mutating func finishSource(_ index: Int) {
    output.buffers[index].sequence = output.sequence
    if !personality.has(.countsNothing) { output.sequence &+= 1 }
    if drain.lastSource == index { drain.lastSource = nil }
    output.complete(index)
  }

  /// Returns a CAPTURE buffer to the client.
  mutating func deliver(
    _ byteCount: Int, tag: FrameTag, kind: AccessUnit.Kind?, to index: Int, isLast: Bool = false
  ) {
    let offset = byteCount > 0 ? personality.buffers.captureOffset : 0
    capture.buffers[index].planes[0].bytesUsed = UInt32(clamping: byteCount + offset)
    capture.buffers[index].planes[0].dataOffset = UInt32(offset)
    capture.buffers[index].timestamp =
      personality.has(.doesNotCopyTimes) ? timeval() : tag.timestamp
    capture.buffers[index].timecode = tag.timecode
    capture.buffers[index].flags =
      tag.flags | frameTypeFlag(kind) | (isLast ? UInt32(V4L2_BUF_FLAG_LAST) : 0)
    capture.buffers[index].sequence = capture.sequence
    if !personality.has(.countsNothing) { capture.sequence &+= 1 }
    capture.complete(index)
    if isLast { endDrain() }
  }

  private func frameTypeFlag(_ kind: AccessUnit.Kind?) -> UInt32 {
    guard let kind else { return 0 }
    switch personality.frameTypes {
    case .right: return kind.flag
    case .missing: return 0
    case .predictedInH264:
      let isMistaken = kind == .key && coded.codec == .h264
      return isMistaken ? AccessUnit.Kind.predicted.flag : kind.flag
    }
  }

  /// Where the visible samples of a queued frame are.
  func rawPicture(_ buffer: Buffer) -> RawPicture? {
    guard let first = buffer.planes.first?.start else { return nil }
    let stride = picture.stride
    let left = Int(crop.left)
    let top = Int(crop.top)
    let chromaTop = top / 2
    var planes = InlineArray<3, UnsafeMutableRawPointer>(repeating: first)
    var strides = InlineArray<3, Int>(repeating: stride)
    let isSplit = buffer.planes.count > 1 && !isContiguous
    let lumaSize = stride * picture.height
    switch picture.raw.layout {
    case .packed, .packedChromaFirst:
      planes[0] = first + (top * stride + left * 2)
    case .semiPlanar, .semiPlanarSwapped:
      guard let second = isSplit ? buffer.planes[1].start : first + lumaSize else { return nil }
      planes[0] = first + (top * stride + left)
      planes[1] = second + (chromaTop * stride + left)
    case .planar, .planarSwapped:
      guard let second = isSplit ? buffer.planes[1].start : first + lumaSize,
        let third = isSplit ? buffer.planes[2].start : first + lumaSize * 5 / 4
      else { return nil }
      strides[1] = stride / 2
      strides[2] = stride / 2
      planes[0] = first + (top * stride + left)
      planes[1] = second + (chromaTop * strides[1] + left / 2)
      planes[2] = third + (chromaTop * strides[2] + left / 2)
    }
    return RawPicture(
      layout: picture.raw.layout, planes: planes, strides: strides, width: Int(crop.width),
      height: Int(crop.height))
  }
}
