internal import Glibc

/// A running encoder: buffers, bookkeeping and the device thread, shared by everybody who feeds it.
///
/// Callers write frames and queue them on their own thread; the device thread (`EngineLoop`) takes
/// buffers back. The lock is held for table changes only, never across a request or a conversion,
/// so that a driver whose QBUF blocks for a frame holds up nobody else.
final class Engine: Sendable {
  let device: EncoderDevice
  let codec: VideoCodec
  /// What was asked for at the opening; only what never changes may be read from it, which are the
  /// deadlines, the time base and how packets look.
  let configuration: EncoderConfiguration
  let observer: EncoderObserver
  let mailbox: PacketMailbox
  let core: Locked<EngineCore>
  /// Fulfilled when the device thread has given everything back.
  let exited = Deferred<Void>()
  /// Whether `encode` may return although the frame does not go into the device.
  let mayDropFrames: Bool
  let turn = Locked(QueuingTurn())

  init(
    device: EncoderDevice, codec: VideoCodec, configuration: EncoderConfiguration,
    observer: EncoderObserver, setup: StreamSetup, backing: InputBacking
  ) {
    self.device = device
    self.codec = codec
    self.configuration = configuration
    self.observer = observer
    let handle = device.handle
    mailbox = PacketMailbox(capacity: configuration.packetCapacity) { handle.wake() }
    mayDropFrames =
      configuration.admission != .wait || configuration.latencyBudget != nil
      || configuration.rateReduction != nil
    core = Locked(EngineCore(setup: setup, backing: backing, configuration: configuration))
  }

  // MARK: - Frames

  /// Brings a frame into the next input buffer and queues it.
  nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions
  ) async throws(EncoderError) {
    var offered = OfferedFrame(frame: frame, options: options, start: .now)
    var claim = InputClaim(frame: frame, image: offered.image, patience: .wait)
    // A frame that is encoded again, after another encoder failed, was admitted before.
    if !options.waitsForRoom {
      guard isLetThrough(frame, at: offered.start) else {
        drop(offered, because: .rateReduced)
        return
      }
      if case .dropOldest(let capacity) = configuration.admission {
        try await encodeOrEnqueue(offered, capacity: capacity)
        return
      }
      claim.patience = patience
      claim.start = offered.start
    }
    offered.options = try await prepare(options, for: frame)
    while true {
      switch try await reserve(claim) {
      case .dropped(let reason):
        drop(offered, because: reason)
        return
      case .buffer(let index):
        guard let refusal = try await submit(offered, in: index) else { return }
        try await switchToCopies(refusal)
      }
    }
  }

  /// Brings a frame into a buffer that is reserved for it and queues it; returns the errno when the
  /// driver refuses to read frames where they are.
  nonisolated(nonsending) func submit(
    _ offered: OfferedFrame, in index: Int
  ) async throws(EncoderError) -> Errno? {
    let (frame, options, start) = (offered.frame, offered.options, offered.start)
    let (setup, backing) = core.withLock { ($0.setup, $0.backing) }
    // The size or the format may have changed while the frame waited.
    try withReservation(of: index) { () throws(EncoderError) in
      try setup.writer.check(frame)
    }
    switch backing {
    case .mapped(let buffers):
      let copied = try withReservation(of: index) { () throws(EncoderError) in
        try setup.writer.write(frame, into: buffers[index])
      }
      try await queue(
        ReadyFrame(
          index: index, setup: setup, presentationTime: frame.presentationTime,
          duration: frame.duration, options: options, start: start, copied: copied))
      return nil
    case .imported:
      guard let image = offered.image else {
        cancelReservation(of: index)
        throw EncoderError.frameInMemory
      }
      return try await queueImported(
        image, index, setup, frame: frame, options: options, start: start)
    case .pointers:
      return try await queueInPlace(frame, index, setup, options: options, start: start)
    }
  }

  /// Gives up importing, once: what is queued is drained, then come the driver's own buffers.
  nonisolated(nonsending) func switchToCopies(_ errno: Errno) async throws(EncoderError) {
    let (isFirst, mustWake) = core.withLock { core -> (Bool, Bool) in
      guard core.backing.memory != .mapped else { return (false, false) }
      let isFirst = !core.mustCopy
      core.mustCopy = true
      return (isFirst, core.machine.requestRestart())
    }
    if isFirst { observer.event?(.importRefused(errno)) }
    if mustWake { device.handle.wake() }
    try await drainDevice()
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
    heldIndex: Int, of setup: StreamSetup, presentationTime: Int64, duration: Int64,
    options: FrameOptions
  ) async throws(EncoderError) {
    let start = MonotonicTime.now
    var options = options
    do throws(EncoderError) {
      guard isLetThrough(nil, at: start) else {
        giveBack(heldIndex, of: setup)
        drop(presentationTime, options, because: .rateReduced)
        return
      }
      options = try await prepare(options)
      let patience = configuration.admission == .fail ? InputClaim.Patience.fail : .wait
      let claim = InputClaim(heldIndex: heldIndex, patience: patience, start: start)
      if case .dropped(let reason) = try await reserve(claim) {
        giveBack(heldIndex, of: setup)
        drop(presentationTime, options, because: reason)
        return
      }
    } catch {
      giveBack(heldIndex, of: setup)
      throw error
    }
    try await queue(
      ReadyFrame(
        index: heldIndex, setup: setup, presentationTime: presentationTime, duration: duration,
        options: options, start: start))
  }

  /// Lends a buffer without promising a frame: a loan does not hold up a drain.
  nonisolated(nonsending) func lend() async throws(EncoderError) -> (
    Int, MappedBuffer, StreamSetup
  ) {
    let patience = configuration.admission == .fail ? InputClaim.Patience.fail : .wait
    guard case .buffer(let index) = try await reserve(InputClaim(patience: patience)) else {
      throw EncoderError.wouldBlock(bufferCount: core.withLock { $0.pool.count })
    }
    let (setup, backing) = core.withLock { ($0.setup, $0.backing) }
    guard case .mapped(let buffers) = backing else {
      cancelReservation(of: index)
      throw EncoderError(
        .unsupported,
        "the encoder was opened for frames that are read where they are (inputMemory), so it has "
          + "no buffers of its own to lend")
    }
    settle(queued: false)
    return (index, buffers[index], setup)
  }

  /// Exports a buffer that is on loan.
  func export(
    _ memory: MappedBuffer, of setup: StreamSetup
  ) throws(EncoderError) -> ExportedBuffer {
    if let error = core.withLock({ $0.machine.terminalError }) { throw error }
    let exported: ExportedBuffer
    do throws(Errno) {
      exported = try memory.export()
    } catch {
      guard error == .notSupported || error == .invalidArgument else {
        throw EncoderError(
          "VIDIOC_EXPBUF", error, device: device.path, while: "exporting a buffer")
      }
      throw EncoderError(
        .unsupported, operation: "VIDIOC_EXPBUF", errno: error,
        "\(device.path) exports no input buffers as DMABUFs; write into their memory instead")
    }
    // Buffers are exported by their number, which is another buffer's after a change.
    guard core.withLock({ $0.setup === setup }) else { throw EncoderError.lentBeforeAChange }
    return exported
  }

  /// Takes a buffer back that was not used; one of an earlier setup is nobody's any more.
  func giveBack(_ index: Int, of setup: StreamSetup) {
    core.withLock { core in
      if core.setup === setup { core.pool.release(index) }
    }
    resumeWaiters()
  }

  /// Ends the reservation of a frame; a drain may have waited for it.
  func settle(queued: Bool) {
    let mustWake = core.withLock { core -> Bool in
      core.machine.frameSettled(queued: queued)
      return core.machine.hasCommand
    }
    if mustWake { device.handle.wake() }
    resumeWaiters()
  }

  /// Tells of frames that the driver made no picture of.
  func announceSkipped(_ presentationTimes: [Int64]) {
    for time in presentationTimes {
      observer.event?(.frameSkipped(presentationTime: time))
      observer.frameLeft?(time)
    }
  }

  // MARK: - Drain and close

  /// Brings out everything, what waits in the library first.
  nonisolated(nonsending) func drain() async throws(EncoderError) {
    if let last = core.withLock({ $0.waiting.lastSequence }) { try await waitForDrain(upTo: last) }
    try await drainDevice()
  }

  /// Brings out what the device has.
  nonisolated(nonsending) func drainDevice() async throws(EncoderError) {
    let (mustWait, error) = core.withLock { core -> (Bool, EncoderError?) in
      if let error = core.machine.terminalError { return (false, error) }
      return (core.machine.requestDrain(), nil)
    }
    if let error { throw error }
    if mustWait { try await waitForDrain(upTo: nil) }
  }

  private nonisolated(nonsending) func waitForDrain(
    upTo sequence: UInt64?
  ) async throws(EncoderError) {
    let identity = core.withLock { $0.makeIdentity() }
    let result = await withTaskCancellationHandler {
      await suspend { (suspension: Suspension<Result<Void, EncoderError>>) in
        core.withLock { core in
          core.drainWaiters.append(
            EngineCore.DrainWaiter(
              identity: identity, sequence: sequence, suspension: suspension))
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
    let error = failure ?? EncoderError(.closed, "the encoder is closed")
    giveUpRestJobs(error)
    giveUpTurns(error)
    abandonWaitingFrames()
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

  func cancelWaiter(_ identity: UInt64) {
    core.withLock { $0.cancelled(identity) }?.resume()
  }

  /// Fetches one OUTPUT buffer (raw frame) on a caller's thread, if the driver is done with one.
  ///
  /// The request counts as a frame in transit: neither a restart nor the end of the session comes
  /// between the request and the entry in the table.
  nonisolated(nonsending) func reclaimOneInputInTransit() async -> Bool {
    let isAllowed = core.withLock { core -> Bool in
      guard core.machine.state == .streaming, core.pool.heldByDriver > 0 else { return false }
      core.machine.frameReserved()
      return true
    }
    guard isAllowed else { return false }
    guard CallerRequests.enter() else {
      let progress = configuration.deadlines.progress
      return await CallerRequests.elsewhere(within: progress) {
        self.reclaimOneInputAndSettle()
      } ?? false
    }
    defer { CallerRequests.leave() }
    return reclaimOneInputAndSettle()
  }

  private func reclaimOneInputAndSettle() -> Bool {
    let hasReclaimed = reclaimOneInput()
    settle(queued: false)
    return hasReclaimed
  }

  /// Fetches one OUTPUT buffer (raw frame) that the driver is done with.
  ///
  /// A lost device ends the session; any other error is left to the deadlines, since the device may
  /// still give packets.
  func reclaimOneInput() -> Bool {
    let form = core.withLock { core -> (memory: BufferMemory, planeCount: Int)? in
      guard core.pool.heldByDriver > 0 else { return nil }
      core.statistics.deviceRequests += 1
      return (core.backing.memory, core.setup.writer.bytesUsed.planeCount)
    }
    guard let form else { return false }
    do throws(Errno) {
      let result = try device.handle.dequeue(
        device.outputType, planeCount: form.planeCount, memory: form.memory)
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
      let failure = EncoderError(
        "VIDIOC_DQBUF", error, device: device.path, while: "taking a frame back")
      guard failure.code == .deviceLost else { return false }
      fail(failure)
      device.handle.wake()
      return false
    }
  }
}
