/// The device thread: waits for the device, takes buffers back, hands packets over, keeps the
/// deadlines.
struct EngineLoop: ~Copyable {
  private let engine: Engine
  private let device: EncoderDevice
  private let handle: any DeviceHandle
  private var assembler: PacketAssembler
  /// Since when packets wait for room in the mailbox.
  private var roomMissingSince: MonotonicTime?
  /// Since when the driver reports an error condition without anything to dequeue.
  private var errorSince: MonotonicTime?
  private var hasReportedSize = false
  /// CAPTURE buffers (encoded bytes); only this thread reads them.
  private var outputs: [MappedBuffer]
  /// Whether the last wait ended without anything to dequeue.
  private var isQuiet = true
  /// Events cannot be read, so they must not end a wait either.
  private var ignoresEvents = false

  init(engine: Engine, outputs: [MappedBuffer]) {
    self.engine = engine
    self.outputs = outputs
    device = engine.device
    handle = engine.device.handle
    assembler = PacketAssembler(codec: engine.codec)
  }

  /// Runs until the session is closed or failed, then gives everything back.
  mutating func run() {
    while true {
      let hasRoom = engine.mailbox.hasRoom()
      switch nextStep(hasRoom: hasRoom) {
      case .stop: sendStop()
      case .restart: restart()
      case .exit:
        cleanUp()
        return
      case .wait(let interest, let deadline):
        let ready = wait(for: interest, until: deadline)
        if let ready { handleReady(ready, hasRoom: hasRoom) }
        // A device that reports buffers is not silent, even if they cannot be taken yet.
        isQuiet = ready?.isDisjoint(with: [.capture, .output]) ?? true
        checkDeadlines(hasRoom: hasRoom)
      }
    }
  }

  private enum Step {
    case stop
    case restart
    case exit
    case wait(Readiness, MonotonicTime)
  }

  private mutating func nextStep(hasRoom: Bool) -> Step {
    let now = MonotonicTime.now
    let hadNoRoom = roomMissingSince != nil
    if hasRoom {
      roomMissingSince = nil
    } else if roomMissingSince == nil {
      roomMissingSince = now
    }
    let deadlines = engine.configuration.deadlines
    let missingSince = roomMissingSince
    let roomCameBack = hasRoom && hadNoRoom
    let isErring = errorSince != nil
    let mustIgnoreEvents = ignoresEvents
    return engine.core.withLock { core -> Step in
      core.heartbeat &+= 1
      // The device had to rest because of the reader: its own time starts again.
      if roomCameBack { core.lastProgress = now }
      if case .failed = core.machine.state { return .exit }
      switch core.machine.nextCommand() {
      case .stop: return .stop
      case .restart: return .restart
      case .exit: return .exit
      case nil: break
      }
      var interest: Readiness = mustIgnoreEvents ? [] : .event
      if core.captureHeld > 0, hasRoom, core.machine.expectsPackets { interest.insert(.capture) }
      let wantsInputs = !core.inputWaiters.isEmpty || core.isUnderPressure
      if wantsInputs, core.pool.heldByDriver > 0, core.machine.expectsPackets {
        interest.insert(.output)
      }
      var limit = deadlines.progress
      if case .draining(let sign) = core.machine.state { limit = deadlines.patience(after: sign) }
      if isErring { limit = .milliseconds(10) }
      var deadline = now + limit
      if let missingSince { deadline = min(deadline, missingSince + deadlines.consumer) }
      core.waitsFor = interest
      core.statistics.waits += 1
      return .wait(interest, deadline)
    }
  }

  private mutating func wait(for interest: Readiness, until deadline: MonotonicTime) -> Readiness? {
    // An error condition makes every wait return at once; resting first keeps it from spinning.
    if errorSince != nil { DeviceThread.sleep(.milliseconds(10)) }
    do throws(Errno) {
      let ready = try handle.wait(for: interest, until: deadline)
      engine.core.withLock { $0.waitsFor = nil }
      return ready
    } catch {
      engine.core.withLock { $0.waitsFor = nil }
      engine.fail(EncoderError("poll", error, device: device.path, while: "waiting for it"))
      return nil
    }
  }

  // MARK: - Readiness

  private mutating func handleReady(_ ready: Readiness, hasRoom: Bool) {
    if ready.contains(.event) { takeEvent() }
    if ready.contains(.capture) {
      takePacket()
      // The job that fills one buffer frees the other.
      if takeInput() { engine.resumeWaiters() }
    } else if ready.contains(.output) {
      if takeInput() { engine.resumeWaiters() }
      // The device frees inputs apart from packets and nobody waits for them: stop asking.
      engine.core.withLock { core in
        if core.inputWaiters.isEmpty { core.isUnderPressure = false }
      }
    }
    if ready.contains(.hangUp) || ready.contains(.error) {
      if ready.isDisjoint(with: [.capture, .output, .event]) { examineError(hasRoom: hasRoom) }
    } else {
      errorSince = nil
    }
  }

  /// POLLERR comes when a device is gone, and also when no queue has a buffer; a request tells.
  private mutating func examineError(hasRoom: Bool) {
    if hasRoom, engine.core.withLock({ $0.machine.expectsPackets }) {
      takePacket()
    } else {
      do throws(Errno) {
        _ = try handle.format(device.captureType)
      } catch {
        engine.fail(EncoderError("VIDIOC_G_FMT", error, device: device.path, while: "idle"))
      }
    }
    if errorSince == nil { errorSince = .now }
  }

  private mutating func takeEvent() {
    do throws(Errno) {
      engine.core.withLock { $0.statistics.deviceRequests += 1 }
      guard try handle.dequeueEvent() else { return }
      engine.core.withLock { $0.machine.endOfStreamAnnounced() }
    } catch {
      let failure = EncoderError(
        "VIDIOC_DQEVENT", error, device: device.path, while: "reading an event")
      if failure.code == .deviceLost { engine.fail(failure) }
      // POLLPRI would stay set and the loop would spin; drains have other endings.
      ignoresEvents = true
    }
  }

  /// Takes one OUTPUT buffer (raw frame) back; true when one came.
  private func takeInput() -> Bool {
    let isHeld = engine.core.withLock { core in
      core.machine.expectsPackets && core.pool.heldByDriver > 0
    }
    return isHeld && engine.reclaimOneInput()
  }

  // MARK: - Packets

  private mutating func takePacket() {
    let result: DequeueResult
    do throws(Errno) {
      engine.core.withLock { $0.statistics.deviceRequests += 1 }
      result = try handle.dequeue(device.captureType)
    } catch {
      engine.fail(
        EncoderError("VIDIOC_DQBUF", error, device: device.path, while: "taking a packet"))
      return
    }
    switch result {
    case .notReady: return
    case .endOfStream:
      if engine.core.withLock({ $0.machine.endOfStreamReached() }) {
        finishDrain()
      } else {
        engine.fail(
          EncoderError(
            .protocolViolation, operation: "VIDIOC_DQBUF", errno: .brokenPipe,
            "\(device.path) ended the stream without being asked"))
      }
    case .buffer(let buffer): accept(buffer)
    }
  }

  private mutating func accept(_ buffer: DequeuedBuffer) {
    let capacity =
      outputs.indices.contains(buffer.index)
      ? outputs[buffer.index].planeLengths[0] : -1
    guard buffer.bytesUsed <= capacity, buffer.dataOffset <= max(buffer.bytesUsed, 0) else {
      engine.fail(
        EncoderError(
          .protocolViolation, operation: "VIDIOC_DQBUF",
          "\(device.path) returned buffer \(buffer.index) with bytes \(buffer.dataOffset)…"
            + "\(buffer.bytesUsed), which its \(outputs.count) buffers do not have"))
      return
    }
    let payload = buffer.dataOffset..<buffer.bytesUsed
    let data =
      payload.isEmpty ? nil : outputs[buffer.index].copy(payload, after: assembler.carry)
    let isLast = engine.core.withLock { core -> Bool in
      core.captureHeld -= 1
      core.lastProgress = .now
      guard case .draining = core.machine.state else { return false }
      return buffer.flags.contains(.last)
    }
    // First the packet: what is out must not be lost when its buffer cannot be returned.
    if let data { deliver(data, buffer) }
    // After LAST the buffers wait for the restart, which queues them all.
    if !isLast { queueCaptureBuffer(buffer.index) }
    let ends = engine.core.withLock { core in
      switch core.machine.state {
      case .streaming, .stopping:
        core.framesKeptBack = min(core.framesKeptBack ?? .max, core.pending.count)
      // A drain brings out what is kept back otherwise.
      case .draining, .drained, .restarting, .failed, .closed: break
      }
      return core.machine.captureDequeued(
        isLast: isLast, isEmpty: payload.isEmpty, nothingPending: core.pending.isEmpty)
    }
    if ends { finishDrain() }
  }

  private func queueCaptureBuffer(_ index: Int) {
    do throws(Errno) {
      engine.core.withLock { core in
        core.captureHeld += 1
        core.statistics.deviceRequests += 1
      }
      try handle.queueEmpty(device.captureType, index: index)
    } catch {
      engine.fail(
        EncoderError("VIDIOC_QBUF", error, device: device.path, while: "returning a buffer"))
    }
  }

  private mutating func deliver(_ data: PacketData, _ buffer: DequeuedBuffer) {
    let picture: (data: PacketData, isKeyFrame: Bool, hasParameterSets: Bool)
    switch assembler.accept(data) {
    case .headersOnly: return
    case .unusable:
      engine.observer.event?(.unmatchedPacket(byteCount: data.byteCount))
      return
    case .picture(let data, let isKeyFrame, let hasParameterSets):
      picture = (data, isKeyFrame, hasParameterSets)
    }
    let (data, isKeyFrame, hasParameterSets) = picture
    reportStreamSize()
    let isCorrupt = buffer.flags.contains(.error)
    let reorderDepth = max(engine.reorderDepth, assembler.reorderDepth)
    let copiesTime = buffer.flags.contains(.timestampCopy)
    let now = MonotonicTime.now
    var skipped: [Int64] = []
    let packet = engine.core.withLock { core -> EncodedPacket? in
      var frame: PendingFrames.Frame?
      var isInferred = false
      if let match = core.pending.match(key: buffer.timestamp, reorderDepth: reorderDepth) {
        frame = match.frame
        for _ in 0..<match.skippedCount {
          guard let passed = core.pending.takeSkipped() else { break }
          core.timeline.frameSkipped(presentationTime: passed.presentationTime)
          skipped.append(passed.presentationTime)
        }
      } else if !copiesTime {
        frame = core.pending.matchOldest()
        isInferred = true
      }
      guard let frame else { return nil }
      core.statistics.framesSkipped += skipped.count
      core.statistics.packetsOut += 1
      core.statistics.bytesOut += data.byteCount
      if isKeyFrame { core.statistics.keyFrames += 1 }
      if isCorrupt { core.statistics.corruptPackets += 1 }
      return EncodedPacket(
        data: data, presentationTime: frame.presentationTime,
        decodeTime: core.timeline.decodeTime(forPacket: frame.presentationTime),
        duration: frame.duration, isKeyFrame: isKeyFrame, hasParameterSets: hasParameterSets,
        isCorrupt: isCorrupt, isTimeInferred: isInferred, latency: now - frame.queuedAt)
    }
    for time in skipped { engine.observer.event?(.frameSkipped(presentationTime: time)) }
    guard let packet else {
      engine.observer.event?(.unmatchedPacket(byteCount: data.byteCount))
      return
    }
    if isCorrupt {
      engine.observer.event?(.corruptPacket(presentationTime: packet.presentationTime))
    }
    engine.mailbox.deliver(packet)
  }

  private mutating func reportStreamSize() {
    guard !hasReportedSize, let size = assembler.streamSize else { return }
    hasReportedSize = true
    if size != engine.report.visibleSize { engine.observer.event?(.streamSizeDiffers(size)) }
  }

  // MARK: - Drain

  private mutating func sendStop() {
    do throws(Errno) {
      engine.core.withLock { $0.lastProgress = .now }
      try handle.stopEncoder()
    } catch {
      guard error == .notSupported || error == .invalidArgument else {
        engine.fail(
          EncoderError("VIDIOC_ENCODER_CMD", error, device: device.path, while: "draining"))
        return
      }
      // The driver has no such command: every frame's packet is the end, or a long silence when
      // the last frames were skipped.
      let ends = engine.core.withLock { core in
        core.machine.stopIsUnknown()
        return core.pending.isEmpty && core.machine.pendingTableEmptied()
      }
      if ends { finishDrain() }
    }
  }

  /// Frames without a packet are known to be skipped now.
  private mutating func finishDrain() {
    var skipped: [Int64] = []
    engine.core.withLock { core in
      while let frame = core.pending.takeSkipped() { skipped.append(frame.presentationTime) }
      core.timeline.reset()
      core.statistics.framesSkipped += skipped.count
      core.statistics.drains += 1
    }
    assembler.reset()
    for time in skipped { engine.observer.event?(.frameSkipped(presentationTime: time)) }
    engine.resumeWaiters()
  }

  /// STREAMOFF and STREAMON on both queues: what every driver understands, while ENC_CMD_START
  /// is nothing on bcm2835-codec and wave5 and another STOP on coda.
  private mutating func restart() {
    do throws(DeviceRequestError) {
      try engine.stopStreaming()
      let images = engine.core.withLock { core -> [DMABUFImage] in
        core.captureHeld = 0
        core.pool.driverStopped()
        return core.detachAll()
      }
      withExtendedLifetime(images) {}
      if engine.core.withLock({ $0.mustCopy }) { try engine.replaceImportsByMappedBuffers() }
      try engine.startStreaming()
      engine.core.withLock { core in
        core.lastProgress = .now
        core.machine.restarted()
      }
    } catch {
      engine.fail(
        EncoderError(
          error.operation, error.errno, device: device.path, while: "starting again after a drain"))
    }
    engine.resumeWaiters()
  }

  // MARK: - Deadlines

  private mutating func checkDeadlines(hasRoom: Bool) {
    let now = MonotonicTime.now
    let deadlines = engine.configuration.deadlines
    if let since = roomMissingSince, now >= since + deadlines.consumer {
      roomMissingSince = now
      failWaiters(
        EncoderError(
          .consumerStalled,
          "nobody has read packets for \(deadlines.consumer); read `packets` from another task"))
    }
    let oldest = MonotonicTime(
      nanoseconds: now.nanoseconds - deadlines.progress.inNanoseconds)
    let allLent = EncoderError(
      .buffersLent,
      "all input buffers are on loan; give one back, or open the encoder with more")
    while let resumption = engine.core.withLock({ core in
      core.nextHopelessWaiter(since: oldest, allLent)
    }) { resumption.resume() }
    if hasRoom { judgeProgress(now) }
  }

  /// Tells a device that is done, or rests, from one that is stuck.
  private mutating func judgeProgress(_ now: MonotonicTime) {
    let deadlines = engine.configuration.deadlines
    let interval = engine.configuration.frameRate.value
    let patience = max(deadlines.progress, .seconds(interval > 0 ? 3 / interval : 0))
    let mustLook = engine.core.withLock { core -> Bool in
      guard case .draining(let sign) = core.machine.state else {
        return now - core.lastProgress >= patience
      }
      return now - core.lastProgress >= deadlines.patience(after: sign)
    }
    guard mustLook else { return }
    // Frames that the device is done with were not fetched while nobody wanted their buffers.
    while engine.core.withLock({ $0.machine.expectsPackets }), engine.reclaimOneInput() {}
    enum Finding { case fine, drained, stalled(String) }
    let isSilent = isQuiet
    let finding = engine.core.withLock { core -> Finding in
      // A drain after a rest has not reached the device yet; its time starts when it does.
      guard !core.machine.hasCommand else { return .fine }
      let rest = now - core.lastProgress
      switch core.machine.state {
      case .draining(let sign):
        guard rest >= deadlines.patience(after: sign) else { return .fine }
        // A frame that the driver still holds is still being encoded.
        let isDone = (isSilent && core.pool.heldByDriver == 0) || rest >= deadlines.progress
        if isDone, core.machine.silencePassed() { return .drained }
        guard rest >= deadlines.progress else { return .fine }
        return .stalled("did not finish the drain; \(core.pending.count) frames are missing")
      case .streaming, .stopping:
        guard rest >= patience, core.pool.heldByDriver > 0 else { return .fine }
        // A device may keep frames back until more come: then nobody waits for it.
        let owesPackets = core.framesKeptBack != nil && !core.isResting
        let isAwaited = !core.inputWaiters.isEmpty || !core.pool.hasFree
        guard owesPackets || isAwaited else { return .fine }
        return .stalled("returned none of \(core.pool.heldByDriver) frames")
      case .drained, .restarting, .failed, .closed: return .fine
      }
    }
    switch finding {
    case .fine: break
    case .drained: finishDrain()
    case .stalled(let what):
      engine.fail(
        EncoderError(
          .deviceStalled,
          "\(device.path) \(what) within \(patience); open the encoder again"))
    }
    engine.resumeWaiters()
  }

  private func failWaiters(_ error: EncoderError) {
    while let resumption = engine.core.withLock({ $0.failedResumption(error) }) {
      resumption.resume()
    }
  }

  // MARK: - End

  /// Gives buffers and device back, once no caller is inside a request any more.
  private mutating func cleanUp() {
    waitForCallers()
    let error = engine.core.withLock { $0.machine.terminalError }
    if let error, error.code != .closed { engine.mailbox.finish(.failure(error)) }
    engine.resumeWaiters()
    // What fails from here on fails because the device is gone; closing it is all that is left.
    // STREAMOFF also releases a caller whose QBUF waits inside the driver.
    try? engine.stopStreaming()
    waitForCallers()
    let (images, memory) = engine.core.withLock { core -> ([DMABUFImage], BufferMemory) in
      let images = core.detachAll()
      let memory = core.backing.memory
      core.backing = .mapped([])
      return (images, memory)
    }
    withExtendedLifetime(images) {}
    // A mapping keeps a kernel device open behind its closed descriptor; those on loan go when
    // their holders drop them.
    outputs = []
    let isAlone = engine.core.withLock { $0.machine.framesInTransit == 0 }
    if isAlone {
      _ = try? handle.requestBuffers(device.captureType, count: 0)
      _ = try? handle.requestBuffers(device.outputType, count: 0, memory: memory)
      // Else the caller keeps the descriptor, so that its number is not given to another file
      // under him; it is closed with the last reference to the handle.
      handle.close()
    }
    engine.core.withLock { $0.hasExited = true }
    engine.exited.fulfill(())
  }

  private func waitForCallers() {
    let deadline = MonotonicTime.now + engine.configuration.deadlines.progress
    while engine.core.withLock({ $0.machine.framesInTransit > 0 }), MonotonicTime.now < deadline {
      DeviceThread.sleep(.milliseconds(1))
    }
  }
}

extension Deadlines {
  /// How long nothing may come before a drain with such a sign of its end is over.
  fileprivate func patience(after sign: SessionStateMachine.EndSign) -> Duration {
    switch sign {
    case .none: progress
    // An encoder may need long for the frame after a skipped one.
    case .vague: max(silence, progress / 2)
    case .announced: silence
    }
  }
}
