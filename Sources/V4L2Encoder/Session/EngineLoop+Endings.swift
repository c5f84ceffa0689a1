/// The drain, the restart after it, and the end.
extension EngineLoop {
  mutating func sendStop() {
    engine.core.withLock { $0.lastProgress = .now }
    switch device.family.drain {
    case .stopCommand: sendStopCommand()
    case .emptyFrame: queueEmptyFrame()
    case .none: waitForLastPacket()
    }
  }

  private mutating func sendStopCommand() {
    do throws(Errno) {
      try handle.stopEncoder()
    } catch {
      guard error == .notSupported || error == .invalidArgument else {
        engine.fail(
          EncoderError("VIDIOC_ENCODER_CMD", error, device: device.path, while: "draining"))
        return
      }
      waitForLastPacket()
    }
  }

  private mutating func queueEmptyFrame() {
    // Frames of the application's leave no buffer of the driver's to say it with.
    guard let index = engine.core.withLock({ $0.bufferForTheEnd }) else {
      waitForLastPacket()
      return
    }
    do throws(Errno) {
      try handle.queueEndOfStream(
        device.outputType, index: index, planeCount: setup.writer.bytesUsed.planeCount)
    } catch {
      engine.fail(EncoderError("VIDIOC_QBUF", error, device: device.path, while: "draining"))
    }
  }

  /// The driver knows no end of a stream: every frame's packet is the end, or a long silence when
  /// the last frames were skipped.
  private mutating func waitForLastPacket() {
    let ends = engine.core.withLock { core in
      core.machine.stopIsUnknown()
      return core.pending.isEmpty && core.machine.endOfStreamReached()
    }
    if ends { finishDrain() }
  }

  /// Frames without a packet are known to be skipped now.
  mutating func finishDrain() {
    var skipped: [Int64] = []
    engine.core.withLock { core in
      while let frame = core.pending.takeSkipped() {
        core.countSkipped(frame)
        skipped.append(frame.presentationTime)
      }
      core.timeline.reset()
      core.notePace { pace, _ in pace.rests() }
      core.buffersWithoutFrame = 0
      core.statistics.drains += 1
    }
    assembler.reset()
    returnLentFrames()
    engine.announceSkipped(skipped)
    engine.core.withLock { $0.machine.drained() }
    engine.resumeWaiters()
  }

  /// Their owners may wait for the end of the drain to have all frames back.
  ///
  /// Nothing reports OUTPUT buffers any more after the last packet.
  private func returnLentFrames() {
    let count = engine.core.withLock { core in
      core.backing.memory == .mapped ? 0 : core.pool.heldByDriver
    }
    for _ in 0..<count { guard engine.reclaimOneInput() else { return } }
  }

  /// STREAMOFF and STREAMON on both queues: what every driver understands, while ENC_CMD_START
  /// is nothing on bcm2835-codec and wave5 and another STOP on coda; between them what waits for
  /// it, and the opening that some drivers need to encode again.
  mutating func restart() {
    var answers = RestAnswers()
    do throws(DeviceRequestError) {
      try engine.stopStreaming()
      let lent = engine.core.withLock { core -> [LentFrame] in
        core.captureHeld = 0
        core.pool.driverStopped()
        return core.detachAll()
      }
      withExtendedLifetime(lent) {}
      if !device.family.encodesOnce, engine.core.withLock({ $0.mustCopy }) {
        try engine.replacePlacesByMappedBuffers()
      }
      answers = doRestJobs()
      // What the driver was left with by a failed change cannot be started.
      if engine.core.withLock({ $0.machine.terminalError == nil }) {
        try engine.startStreaming()
        engine.core.withLock { core in
          core.lastProgress = .now
          core.machine.restarted()
          // Whoever came after the jobs were taken, and before this, took this restart for his.
          if !core.restJobs.isEmpty { _ = core.machine.requestRestart() }
        }
      }
    } catch {
      engine.fail(
        EncoderError(
          error.operation, error.errno, device: device.path, while: "starting again after a drain"))
    }
    answers.deliver()
    engine.resumeWaiters()
  }

  /// Gives buffers and device back, once no caller is inside a request any more.
  mutating func cleanUp() {
    waitForCallers()
    let error = engine.core.withLock { $0.machine.terminalError }
    if let error, error.code != .closed { engine.mailbox.finish(.failure(error)) }
    engine.resumeWaiters()
    // What fails from here on fails because the device is gone; closing it is all that is left.
    // STREAMOFF also releases a caller whose QBUF waits inside the driver.
    try? engine.stopStreaming()
    waitForCallers()
    let (lent, memory) = engine.core.withLock { core -> ([LentFrame], BufferMemory) in
      let lent = core.detachAll()
      let memory = core.backing.memory
      core.backing = .mapped([])
      return (lent, memory)
    }
    withExtendedLifetime(lent) {}
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

  func waitForCallers() {
    let deadline = MonotonicTime.now + engine.configuration.deadlines.progress
    while engine.core.withLock({ $0.machine.framesInTransit > 0 }), MonotonicTime.now < deadline {
      DeviceThread.sleep(.milliseconds(1))
    }
  }
}
