/// The device thread: waits for the device, takes buffers back, hands packets over, keeps the
/// deadlines.
struct EngineLoop: ~Copyable {
  let engine: Engine
  let device: EncoderDevice
  let handle: any DeviceHandle
  var assembler: PacketAssembler
  /// What is agreed with the driver now; only this thread changes it.
  var setup: StreamSetup
  /// Since when packets wait for room in the mailbox.
  var roomMissingSince: MonotonicTime?
  /// Since when a silent device may be waiting for a frame that a caller is still writing.
  var frameComingSince: MonotonicTime?
  /// Whether the driver reports an error condition without anything to dequeue.
  var isErring = false
  var hasReportedSize = false
  /// CAPTURE buffers (encoded bytes); only this thread reads them.
  var outputs: [MappedBuffer]
  /// Packets that wait, one that is made, and those that a reader is likely to hold.
  var packets: PacketPool
  /// Whether the last wait ended without anything to dequeue.
  var isQuiet = true
  var vainWakes = VainWakes()
  /// What the last wait ended with.
  var lastReady: Readiness = []
  /// Whether the last wait left out queues that had been reported in vain.
  var isPausing = false
  /// Events cannot be read, so they must not end a wait either.
  var ignoresEvents = false

  init(engine: Engine) {
    self.engine = engine
    (outputs, setup) = engine.core.withLock { ($0.takeCaptureBuffers(), $0.setup) }
    device = engine.device
    handle = engine.device.handle
    let configuration = engine.configuration
    packets = PacketPool(capacity: configuration.packetCapacity + 4)
    assembler = PacketAssembler(
      codec: engine.codec, form: configuration.bitstreamForm,
      addsDelimiters: configuration.accessUnitDelimiters,
      measuresQuantizer: configuration.measuresQuantizer)
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
        lastReady = ready ?? []
        // A device that reports buffers is not silent, even if they cannot be taken yet.
        if !isPausing { isQuiet = lastReady.isDisjoint(with: [.capture, .output]) }
        checkDeadlines(hasRoom: hasRoom)
      }
    }
  }

  enum Step {
    case stop
    case restart
    case exit
    case wait(Readiness, MonotonicTime)
  }

  mutating func nextStep(hasRoom: Bool) -> Step {
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
    let isErring = isErring
    let mustIgnoreEvents = ignoresEvents
    let lastReady = lastReady
    var vainWakes = vainWakes
    var pause: VainWakes.Pause?
    defer {
      self.vainWakes = vainWakes
      isPausing = pause != nil
      if isPausing, vainWakes.isNews { reportVainWakes() }
    }
    return engine.core.withLock { core -> Step in
      core.heartbeat &+= 1
      pause = vainWakes.roundEnded(lastReady, progress: core.lastProgress)
      // The device had to rest because of the reader: its own time starts again.
      if roomCameBack {
        core.lastProgress = now
        core.notePace { pace, _ in pace.goesOn(at: now) }
      }
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
      if let end = core.nextLateTime { deadline = min(deadline, end) }
      if let pause {
        interest.subtract(pause.queues)
        deadline = min(deadline, now + pause.duration)
      }
      core.waitsFor = interest
      core.statistics.waits += 1
      return .wait(interest, deadline)
    }
  }

  func reportVainWakes() {
    engine.observer.emit(
      .info,
      "\(device.path) says again and again that buffers are ready and has none; it is asked less "
        + "often")
  }

  mutating func wait(for interest: Readiness, until deadline: MonotonicTime) -> Readiness? {
    // An error condition makes every wait return at once; resting first keeps it from spinning.
    if isErring { DeviceThread.sleep(.milliseconds(10)) }
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

  mutating func handleReady(_ ready: Readiness, hasRoom: Bool) {
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
      isErring = false
    }
  }

  /// POLLERR comes when a device is gone, and also when no queue has a buffer; a request tells.
  mutating func examineError(hasRoom: Bool) {
    if hasRoom, engine.core.withLock({ $0.machine.expectsPackets }) {
      takePacket()
    } else {
      do throws(Errno) {
        _ = try handle.format(device.captureType)
      } catch {
        engine.fail(EncoderError("VIDIOC_G_FMT", error, device: device.path, while: "idle"))
      }
    }
    isErring = true
  }

  mutating func takeEvent() {
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
  func takeInput() -> Bool {
    let isHeld = engine.core.withLock { core in
      core.machine.expectsPackets && core.pool.heldByDriver > 0
    }
    return isHeld && engine.reclaimOneInput()
  }
}
