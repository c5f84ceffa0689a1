internal import Glibc

/// A running encoder: buffers, bookkeeping and the device thread, shared by everybody who feeds it.
///
/// Callers write frames and queue them on their own thread; the device thread (`EngineLoop`) takes
/// buffers back. The lock is held for table changes only, never across a request or a conversion,
/// so that a driver whose QBUF blocks for a frame holds up nobody else.
final class Engine: Sendable {
  let device: EncoderDevice
  let codec: VideoCodec
  let configuration: EncoderConfiguration
  let observer: EncoderObserver
  let report: NegotiationReport
  let writer: FrameWriter
  /// CAPTURE buffers (encoded bytes).
  let outputCount: Int
  let mailbox: PacketMailbox
  let core: Locked<EngineCore>
  /// Fulfilled when the device thread has given everything back.
  let exited = Deferred<Void>()
  /// How many pictures a packet may overtake, as far as it is known from the controls.
  let reorderDepth: Int
  /// Makes the entry in the table and the request one step, so that the driver gets the frames of
  /// several callers in the order of the table.
  ///
  /// A kernel driver's own queue lock would make those
  /// callers wait for each other as well.
  private let queuing = Locked(())

  init(
    device: EncoderDevice, codec: VideoCodec, configuration: EncoderConfiguration,
    observer: EncoderObserver, agreement: Negotiator.Agreement,
    backing: InputBacking
  ) {
    self.device = device
    self.codec = codec
    self.configuration = configuration
    self.observer = observer
    self.report = agreement.report
    self.writer = agreement.writer
    outputCount = agreement.report.outputBuffers
    let handle = device.handle
    mailbox = PacketMailbox(capacity: configuration.packetCapacity) { handle.wake() }
    reorderDepth = agreement.reorderDepth
    core = Locked(
      EngineCore(
        backing: backing, inputCount: agreement.report.inputBuffers,
        timeline: DecodeTimeline(reorderDepth: agreement.reorderDepth),
        rateControl: configuration.rateControl,
        defaultDuration: configuration.interval, timeBase: configuration.timeBase))
  }

  // MARK: - Frames

  /// Brings a frame into the next input buffer and queues it.
  nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions
  ) async throws(EncoderError) {
    let start = MonotonicTime.now
    try writer.check(frame)
    let options = try await prepare(options)
    var image: DMABUFImage?
    if case .dmabuf(let lent) = frame.storage { image = lent }
    while true {
      let index = try await reserve(heldIndex: nil, image: image)
      let refusal: Errno?
      switch core.withLock({ $0.backing }) {
      case .mapped(let buffers):
        let copied = try withReservation(of: index) { () throws(EncoderError) in
          try writer.write(frame, into: buffers[index])
        }
        try queue(
          index, presentationTime: frame.presentationTime, duration: frame.duration,
          options: options, start: start, copied: copied)
        return
      case .imported:
        guard let image else {
          cancelReservation(of: index)
          throw EncoderError(
            .invalidFrame, "the encoder was opened for DMABUF frames, this one is in memory")
        }
        refusal = try queueImported(image, index, frame: frame, options: options, start: start)
      case .pointers:
        refusal = try queueInPlace(frame, index, options: options, start: start)
      }
      guard let refusal else { return }
      try await switchToCopies(refusal)
    }
  }

  /// Gives up importing, once: what is queued is drained, then come the driver's own buffers.
  private nonisolated(nonsending) func switchToCopies(_ errno: Errno) async throws(EncoderError) {
    let (isFirst, mustWake) = core.withLock { core -> (Bool, Bool) in
      guard core.backing.memory != .mapped else { return (false, false) }
      let isFirst = !core.mustCopy
      core.mustCopy = true
      return (isFirst, core.machine.requestRestart())
    }
    if isFirst { observer.event?(.importRefused(errno)) }
    if mustWake { device.handle.wake() }
    try await drain()
  }

  func withReservation<Result>(
    of index: Int, _ body: () throws(EncoderError) -> Result
  ) throws(EncoderError) -> Result {
    do throws(EncoderError) {
      return try body()
    } catch {
      cancelReservation(of: index)
      throw error
    }
  }

  func cancelReservation(of index: Int) {
    core.withLock { core in core.pool.release(index) }
    settle(queued: false)
  }

  /// Queues a buffer that its holder has written.
  nonisolated(nonsending) func encode(
    heldIndex: Int, presentationTime: Int64, duration: Int64, options: FrameOptions
  ) async throws(EncoderError) {
    let start = MonotonicTime.now
    let index: Int
    var options = options
    do throws(EncoderError) {
      options = try await prepare(options)
      index = try await reserve(heldIndex: heldIndex)
    } catch {
      giveBack(heldIndex)
      throw error
    }
    try queue(
      index, presentationTime: presentationTime, duration: duration, options: options,
      start: start)
  }

  /// Lends a buffer without promising a frame: a loan does not hold up a drain.
  nonisolated(nonsending) func lend() async throws(EncoderError) -> (Int, MappedBuffer) {
    let index = try await reserve(heldIndex: nil)
    guard case .mapped(let buffers) = core.withLock({ $0.backing }) else {
      cancelReservation(of: index)
      throw EncoderError(
        .unsupported,
        "the encoder was opened for frames that are read where they are (inputMemory), so it has no "
          + "buffers of its own to lend")
    }
    settle(queued: false)
    return (index, buffers[index])
  }

  /// Exports a buffer that is on loan.
  func export(_ memory: MappedBuffer) throws(EncoderError) -> ExportedBuffer {
    if let error = core.withLock({ $0.machine.terminalError }) { throw error }
    do throws(Errno) {
      return try memory.export()
    } catch {
      guard error == .notSupported || error == .invalidArgument else {
        throw EncoderError(
          "VIDIOC_EXPBUF", error, device: device.path, while: "exporting a buffer")
      }
      throw EncoderError(
        .unsupported, operation: "VIDIOC_EXPBUF", errno: error,
        "\(device.path) exports no input buffers as DMABUFs; write into their memory instead")
    }
  }

  /// Takes a buffer back that was not used.
  func giveBack(_ index: Int) {
    core.withLock { core in core.pool.release(index) }
    resumeWaiters()
  }

  /// Reserves a free buffer, or leave to queue the one the caller holds.
  private nonisolated(nonsending) func reserve(
    heldIndex: Int?, image: DMABUFImage? = nil
  ) async throws(EncoderError) -> Int {
    if let index = try tryToReserve(heldIndex: heldIndex, image: image) { return index }
    // The device may be done with a frame that nobody has fetched yet. Under pressure the device
    // thread asks for it anyway, and asking here too would be one request in vain per frame.
    if heldIndex == nil, !core.withLock({ $0.isUnderPressure }), reclaimOneInputInTransit(),
      let index = try tryToReserve(heldIndex: nil, image: image)
    {
      return index
    }
    let identity = core.withLock { $0.makeIdentity() }
    let result = await withTaskCancellationHandler {
      await suspend { (suspension: Suspension<Result<Int, EncoderError>>) in
        let mustWake = core.withLock { core -> Bool in
          core.inputWaiters.append(
            EngineCore.InputWaiter(
              identity: identity, heldIndex: heldIndex, since: .now, suspension: suspension))
          core.isUnderPressure = true
          return core.waitsFor.map { !$0.contains(.output) } ?? false
        }
        if mustWake { device.handle.wake() }
        armWatchdog()
        // A cancellation or a free buffer may have come before the waiter was in the table.
        if Task.isCancelled { cancelWaiter(identity) }
        resumeWaiters()
      }
    } onCancel: {
      cancelWaiter(identity)
    }
    return try result.get()
  }

  private func tryToReserve(
    heldIndex: Int?, image: DMABUFImage?
  ) throws(EncoderError) -> Int? {
    let (result, mustWake) = core.withLock { core -> (Result<Int?, EncoderError>, Bool) in
      guard heldIndex != nil || core.inputWaiters.isEmpty else { return (.success(nil), false) }
      switch core.machine.admit() {
      case .proceed: break
      case .wait: return (.success(nil), false)
      case .restart: return (.success(nil), true)
      case .refuse(let error): return (.failure(error), false)
      }
      guard
        let index = heldIndex ?? core.pool.reserve(preferring: core.place(of: image))
      else { return (.success(nil), false) }
      core.machine.frameReserved()
      return (.success(index), false)
    }
    if mustWake { device.handle.wake() }
    return try result.get()
  }

  func queue(
    _ index: Int, presentationTime: Int64, duration: Int64, options: FrameOptions,
    start: MonotonicTime, input: EngineCore.Input = .mapped, copied: Int = 0
  ) throws(EncoderError) {
    try queuing.withLock { _ throws(EncoderError) in
      try queueInTurn(
        index, presentationTime: presentationTime, duration: duration, options: options,
        start: start, input: input)
    }
    core.withLock { core in
      core.statistics.framesIn += 1
      core.statistics.bytesCopied += copied
    }
    settle(queued: true)
  }

  private func queueInTurn(
    _ index: Int, presentationTime: Int64, duration: Int64, options: FrameOptions,
    start: MonotonicTime, input: EngineCore.Input
  ) throws(EncoderError) {
    if options.forceKeyFrame {
      do throws(EncoderError) {
        try forceKeyFrame()
      } catch {
        cancelReservation(of: index)
        throw error
      }
    }
    let microseconds = configuration.microseconds(presentationTime)
    let key = core.withLock { core in
      let duration = duration > 0 ? duration : core.defaultDuration
      // A rest may have been long: the device's time to answer starts with its first frame, also
      // when it keeps back others.
      if core.pool.heldByDriver == 0 || core.isResting { core.lastProgress = .now }
      core.pool.handToDriver(index)
      core.attach(input, to: index)
      core.timeline.frameQueued(presentationTime: presentationTime, duration: duration)
      core.statistics.deviceRequests += 1
      return core.pending.insert(
        presentationTime: presentationTime, duration: duration, microseconds: microseconds,
        at: start)
    }
    do throws(Errno) {
      try device.handle.queueFrame(
        device.outputType, index: index, bytesUsed: writer.bytesUsed, timestamp: key,
        bytes: input.bytes)
    } catch {
      let failure = EncoderError(
        "VIDIOC_QBUF", error, device: device.path, while: "queuing a frame")
      core.withLock { core in
        // The caller holds the frame too, so nothing is released under the lock.
        _ = core.detach(index)
        core.pending.cancel(key: key)
        core.timeline.frameSkipped(presentationTime: presentationTime)
        core.pool.takeBackFromDriver(index)
        core.pool.release(index)
      }
      if failure.code == .deviceLost { fail(failure) }
      settle(queued: false)
      if failure.code == .deviceLost { device.handle.wake() }
      throw failure
    }
  }

  /// Ends the reservation of a frame; a drain may have waited for it.
  private func settle(queued: Bool) {
    let mustWake = core.withLock { core -> Bool in
      core.machine.frameSettled(queued: queued)
      return core.machine.hasCommand
    }
    if mustWake { device.handle.wake() }
    resumeWaiters()
  }

  // MARK: - Drain and close

  nonisolated(nonsending) func drain() async throws(EncoderError) {
    let (mustWait, error) = core.withLock { core -> (Bool, EncoderError?) in
      if let error = core.machine.terminalError { return (false, error) }
      return (core.machine.requestDrain(), nil)
    }
    if let error { throw error }
    guard mustWait else { return }
    let identity = core.withLock { $0.makeIdentity() }
    let result = await withTaskCancellationHandler {
      await suspend { (suspension: Suspension<Result<Void, EncoderError>>) in
        core.withLock { core in
          core.drainWaiters.append(
            EngineCore.DrainWaiter(identity: identity, suspension: suspension))
        }
        device.handle.wake()
        armWatchdog()
        if Task.isCancelled { cancelWaiter(identity) }
        resumeWaiters()
      }
    } onCancel: {
      cancelWaiter(identity)
    }
    try result.get()
  }

  /// Asks the device thread to clean up and end; does not wait for it.
  func requestClose() {
    let failure = core.withLock { core -> EncoderError? in
      defer { core.machine.close() }
      if case .failed(let error) = core.machine.state { return error }
      return nil
    }
    mailbox.finish(failure.map { .failure($0) } ?? .success(()))
    device.handle.wake()
    giveUpWaitingSettings()
    resumeWaiters()
  }

  // MARK: - Waiters

  /// Resumes everybody who need not wait any longer, outside the lock.
  ///
  /// Looking for them may find that somebody waits for a restart, which is the device thread's.
  func resumeWaiters() {
    while let resumption = core.withLock({ $0.nextResumption() }) { resumption.resume() }
    if core.withLock({ $0.machine.hasCommand }) { device.handle.wake() }
  }

  private func cancelWaiter(_ identity: UInt64) {
    core.withLock { $0.cancelled(identity) }?.resume()
  }

  /// Fetches one OUTPUT buffer (raw frame) on a caller's thread, if the driver is done with one.
  ///
  /// The request counts as a frame in transit: neither a restart nor the end of the session comes
  /// between the request and the entry in the table.
  private func reclaimOneInputInTransit() -> Bool {
    let isAllowed = core.withLock { core -> Bool in
      guard core.machine.state == .streaming, core.pool.heldByDriver > 0 else { return false }
      core.machine.frameReserved()
      return true
    }
    guard isAllowed else { return false }
    let hasReclaimed = reclaimOneInput()
    settle(queued: false)
    return hasReclaimed
  }

  /// Fetches one OUTPUT buffer (raw frame) that the driver is done with.
  ///
  /// An error is left to the device thread, which meets it as well and knows what to do.
  func reclaimOneInput() -> Bool {
    let memory = core.withLock { core -> BufferMemory? in
      guard core.pool.heldByDriver > 0 else { return nil }
      core.statistics.deviceRequests += 1
      return core.backing.memory
    }
    guard let memory else { return false }
    do throws(Errno) {
      let result = try device.handle.dequeue(
        device.outputType, planeCount: writer.bytesUsed.planeCount, memory: memory)
      guard case .buffer(let buffer) = result else { return false }
      let (isOurs, lent) = core.withLock { core -> (Bool, LentFrame?) in
        // A buffer that the driver has not got, again and again, is no progress.
        guard core.pool.returnedByDriver(buffer.index) else { return (false, nil) }
        core.lastProgress = .now
        return (true, core.detach(buffer.index))
      }
      // Dropping it outside the lock tells its owner.
      withExtendedLifetime(lent) {}
      return isOurs
    } catch {
      return false
    }
  }
}
