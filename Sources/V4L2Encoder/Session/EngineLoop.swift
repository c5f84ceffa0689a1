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

  init(engine: Engine) {
    self.engine = engine
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
        if let ready = wait(for: interest, until: deadline) { handleReady(ready, hasRoom: hasRoom) }
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
      var interest: Readiness = .event
      if core.captureHeld > 0, hasRoom, core.machine.expectsPackets { interest.insert(.capture) }
      let wantsInputs = !core.inputWaiters.isEmpty || core.isUnderPressure
      if wantsInputs, core.pool.heldByDriver > 0 { interest.insert(.output) }
      var limit = deadlines.progress
      if case .draining(endIsNear: true) = core.machine.state { limit = deadlines.silence }
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
      // ENOENT: somebody else's event, or none; the next wait tells.
      if EncoderError("VIDIOC_DQEVENT", error, device: device.path, while: "reading an event").code
        == .deviceLost
      {
        engine.fail(
          EncoderError("VIDIOC_DQEVENT", error, device: device.path, while: "reading an event"))
      }
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
      engine.outputs.indices.contains(buffer.index)
      ? engine.outputs[buffer.index].planeLengths[0] : -1
    guard buffer.bytesUsed <= capacity, buffer.dataOffset <= max(buffer.bytesUsed, 0) else {
      engine.fail(
        EncoderError(
          .protocolViolation, operation: "VIDIOC_DQBUF",
          "\(device.path) returned buffer \(buffer.index) with bytes \(buffer.dataOffset)…"
            + "\(buffer.bytesUsed), which its \(engine.outputs.count) buffers do not have"))
      return
    }
    let payload = buffer.dataOffset..<buffer.bytesUsed
    let data =
      payload.isEmpty ? nil : engine.outputs[buffer.index].copy(payload, after: assembler.carry)
    let isLast = buffer.flags.contains(.last)
    engine.core.withLock { core in
      core.captureHeld -= 1
      core.lastProgress = .now
    }
    // After LAST the buffers wait for the restart, which queues them all.
    if !isLast { queueCaptureBuffer(buffer.index) }
    if let data { deliver(data, buffer) }
    let ends = engine.core.withLock { core in
      if core.machine.captureDequeued(
        isLast: isLast, isEmpty: payload.isEmpty, nothingPending: core.pending.isEmpty)
      {
        return true
      }
      return core.hasNoStopCommand && core.pending.isEmpty && core.machine.pendingTableEmptied()
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
    guard
      case .picture(let data, let isKeyFrame, let hasParameterSets) = assembler.accept(data)
    else { return }
    reportStreamSize()
    let isCorrupt = buffer.flags.contains(.error)
    let reorderDepth = engine.configuration.bidirectionalFrames
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
      // The driver has no such command: every frame's packet is the end.
      let ends = engine.core.withLock { core in
        core.hasNoStopCommand = true
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
    guard hasRoom else { return }
    enum Finding { case fine, drained, stalled(String) }
    let reorders = engine.configuration.bidirectionalFrames > 0
    let finding = engine.core.withLock { core -> Finding in
      let rest = now - core.lastProgress
      switch core.machine.state {
      case .draining(let endIsNear):
        if endIsNear, rest >= deadlines.silence, core.machine.silencePassed() { return .drained }
        guard rest >= deadlines.progress else { return .fine }
        return .stalled("did not finish the drain; \(core.pending.count) frames are missing")
      case .streaming, .stopping:
        // A codec that reorders may keep a frame until the next one comes.
        let holdsFrames = core.pool.heldByDriver > (reorders ? core.pool.count - 1 : 0)
        guard holdsFrames, core.captureHeld > 0, rest >= deadlines.progress else { return .fine }
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
          "\(device.path) \(what) within \(deadlines.progress); open the encoder again"))
    }
  }

  private func failWaiters(_ error: EncoderError) {
    while let resumption = engine.core.withLock({ $0.failedResumption(error) }) {
      resumption.resume()
    }
  }

  // MARK: - End

  /// Gives buffers and device back, once no caller is inside a request any more.
  private mutating func cleanUp() {
    let deadline = MonotonicTime.now + engine.configuration.deadlines.progress
    while engine.core.withLock({ $0.machine.framesInTransit > 0 }), MonotonicTime.now < deadline {
      DeviceThread.sleep(.milliseconds(1))
    }
    let error = engine.core.withLock { $0.machine.terminalError }
    if let error, error.code != .closed { engine.mailbox.finish(.failure(error)) }
    engine.resumeWaiters()
    // What fails here fails because the device is gone; closing it is all that is left to do.
    try? engine.stopStreaming()
    let images = engine.core.withLock { $0.detachAll() }
    withExtendedLifetime(images) {}
    // A caller that is still inside a request keeps the descriptor, so that its number is not
    // given to another file under it.
    if engine.core.withLock({ $0.machine.framesInTransit == 0 }) { handle.close() }
    engine.core.withLock { $0.hasExited = true }
    engine.exited.fulfill(())
  }
}
