/// From CAPTURE buffers (encoded bytes) to packets.
extension EngineLoop {
  mutating func takePacket() {
    let result: DequeueResult
    do throws(Errno) {
      engine.core.withLock { $0.statistics.deviceRequests += 1 }
      result = try handle.dequeue(device.captureType, planeCount: 1)
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
    case .buffer(let buffer): accept(buffer, at: .now)
    }
  }

  mutating func accept(_ buffer: DequeuedBuffer, at arrival: MonotonicTime) {
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
    let data: PacketBuffer? =
      payload.isEmpty
      ? nil
      : outputs[buffer.index].copy(
        payload, after: assembler.carry, room: assembler.room, from: &packets)
    let isLast = engine.core.withLock { core -> Bool in
      core.captureHeld -= 1
      core.buffersWithoutFrame += 1
      if core.mayBeProgress { core.lastProgress = .now }
      guard case .draining = core.machine.state else { return false }
      return buffer.flags.contains(.last)
    }
    // First the packet: what is out must not be lost when its buffer cannot be returned.
    if let data { deliver(data, buffer, arrival) }
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
    if ends {
      finishDrain()
    } else if payload.isEmpty, device.family.drain == .emptyFrame {
      // The answer to the empty frame; an empty buffer before it would be followed by packets.
      engine.core.withLock { $0.machine.endOfStreamAnnounced() }
    }
  }

  func queueCaptureBuffer(_ index: Int) {
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

  mutating func deliver(
    _ data: consuming PacketBuffer, _ buffer: DequeuedBuffer, _ arrival: MonotonicTime
  ) {
    let unit: AccessUnit
    let byteCount = data.byteCount
    switch assembler.accept(data) {
    case .headersOnly: return
    case .unusable:
      engine.observer.event?(.unmatchedPacket(byteCount: byteCount))
      return
    case .picture(let picture): unit = picture
    }
    reportStreamSize()
    let isCorrupt = buffer.flags.contains(.error)
    let reorderDepth = max(setup.reorderDepth, assembler.reorderDepth)
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
          core.countSkipped(passed)
          skipped.append(passed.presentationTime)
        }
      } else if !copiesTime {
        frame = core.pending.matchOldest()
        isInferred = true
      }
      guard let frame else { return nil }
      core.buffersWithoutFrame = 0
      core.notePace { $0.packetCame(settling: 1 + skipped.count, owed: $1, at: now) }
      let latency = now - frame.begun
      core.count(
        unit, isCorrupt: isCorrupt, of: frame, latency: latency,
        inDevice: arrival - frame.handedOver)
      return EncodedPacket(
        unit, presentationTime: frame.presentationTime,
        decodeTime: core.timeline.decodeTime(forPacket: frame.presentationTime),
        duration: frame.duration, isCorrupt: isCorrupt, isTimeInferred: isInferred,
        latency: latency)
    }
    engine.announceSkipped(skipped)
    guard let packet else {
      engine.observer.event?(.unmatchedPacket(byteCount: byteCount))
      return
    }
    if unit.changesParameterSets {
      engine.observer.event?(.parameterSetsChanged(presentationTime: packet.presentationTime))
    }
    if isCorrupt {
      engine.observer.event?(.corruptPacket(presentationTime: packet.presentationTime))
    }
    guard engine.mailbox.deliver(packet) else {
      engine.core.withLock { $0.uncount(unit, isCorrupt: isCorrupt) }
      return
    }
    engine.observer.frameLeft?(packet.presentationTime)
  }

  mutating func reportStreamSize() {
    guard !hasReportedSize, let size = assembler.streamSize else { return }
    hasReportedSize = true
    if size != setup.report.visibleSize { engine.observer.event?(.streamSizeDiffers(size)) }
  }
}
