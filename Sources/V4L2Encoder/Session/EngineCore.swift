/// Everything of a running session that several threads change; always behind the engine's lock.
struct EngineCore {
  /// Somebody who waits for an input buffer, or for leave to queue one he already has.
  struct InputWaiter {
    let identity: UInt64
    let claim: InputClaim
    /// When the waiting began.
    let since: MonotonicTime
    let suspension: Suspension<Result<InputGrant, EncoderError>>
  }

  /// What goes into the driver with a buffer.
  enum Input {
    /// The driver's own buffer, which is written already.
    case mapped
    case image(DMABUFImage)
    case memory(FrameMemory, PlaneAddresses)
    /// A copy of a frame that cannot be read where it is.
    case bounced(BounceBuffer)

    var bytes: FrameBytes {
      switch self {
      case .mapped: .mapped
      case .image(let image): .descriptors(PlaneDescriptors(image.memoryDescriptors))
      case .memory(_, let addresses): .addresses(addresses)
      case .bounced(let buffer): .addresses(buffer.addresses)
      }
    }
  }

  /// Somebody who waits for the end of a drain.
  struct DrainWaiter {
    let identity: UInt64
    /// The last frame that is to leave the queue in front of the device; nil for the drain itself.
    let sequence: UInt64?
    let suspension: Suspension<Result<Void, EncoderError>>
  }

  /// Something that waits for the queues to be stopped.
  struct RestJob {
    enum Work {
      case settings(SettingsPlan, Deferred<[ControlOutcome]>)
      case configuration(EncoderConfiguration, Deferred<Result<NegotiationReport, EncoderError>>)
    }

    let identity: UInt64
    let work: Work
  }

  /// A suspended task that is to be resumed after the lock is released.
  enum Resumption {
    case input(Suspension<Result<InputGrant, EncoderError>>, Result<InputGrant, EncoderError>)
    case drain(Suspension<Result<Void, EncoderError>>, Result<Void, EncoderError>)

    func resume() {
      switch self {
      case .input(let suspension, let result):
        suspension.resume(returning: result)
      case .drain(let suspension, let result):
        suspension.resume(returning: result)
      }
    }
  }

  var machine = SessionStateMachine()
  var setup: StreamSetup
  /// What was asked for last of all that may change, and is in force.
  var configuration: EncoderConfiguration
  /// CAPTURE buffers (encoded bytes) on their way to the event loop, which alone holds them then
  /// and so can undo their mappings.
  var captureBuffers: [MappedBuffer] = []
  var pool: InputPool
  var backing: InputBacking
  /// The driver refused an import: the next restart brings the driver's own buffers.
  var mustCopy = false
  /// The driver refused an import since the configuration was negotiated; it would refuse again.
  var hasRefusedImport = false
  /// Whether it was told that a frame was copied which should have been read where it is.
  var hasReportedCopy = false
  var pending = PendingFrames()
  var timeline: DecodeTimeline
  var statistics = EncoderStatistics()
  var telemetry: PacketTelemetry
  /// CAPTURE buffers (encoded bytes) that the driver holds.
  var captureHeld = 0
  /// When the driver last gave a buffer back, or got its first frame after a rest.
  var lastProgress = MonotonicTime.now
  /// CAPTURE buffers (encoded bytes) in a row that belonged to no frame.
  var buffersWithoutFrame = 0
  /// Whether such a buffer may still be a skipped frame, parameter sets or the end; a driver that
  /// returns them for ever must not pass for one that works.
  var mayBeProgress: Bool { buffersWithoutFrame <= pending.count + 2 }
  /// The fewest frames that were still inside the device after a packet came out: what it keeps
  /// back when nothing new comes.
  ///
  /// Nil before the first packet.
  var framesKeptBack: Int?
  /// Whether the device has given everything that it does not keep back.
  var isResting: Bool { framesKeptBack.map { pending.count <= $0 } ?? false }
  /// Whether `encode` outruns the device, so that the loop had better wait for OUTPUT buffers too.
  var isUnderPressure = false
  /// What the loop waits for now; nil while it works.
  var waitsFor: Readiness?
  /// Counts the loop's rounds, so that a loop that hangs in a request is found out.
  var heartbeat: UInt64 = 0
  var isWatched = false
  var hasExited = false
  var inputWaiters: [InputWaiter] = []
  /// Frames that wait in the library.
  var waiting = WaitingFrames()
  /// How long frames may take, and how fast the device is; nil when any time will do.
  var latency: LatencyBudget?
  /// Which frames are let through; nil for all of them.
  var rateReduction: FrameRateReduction?
  /// A key frame was asked for with a frame that was dropped.
  var isKeyFrameOwed = false
  var drainWaiters: [DrainWaiter] = []
  var restJobs: [RestJob] = []
  /// What a frame without a duration has, in units of the time base.
  var defaultDuration: Int64
  private var nextIdentity: UInt64 = 0

  init(setup: StreamSetup, backing: InputBacking, configuration: EncoderConfiguration) {
    self.setup = setup
    self.backing = backing
    self.configuration = configuration
    telemetry = PacketTelemetry(timeBase: configuration.timeBase)
    defaultDuration = configuration.interval
    pool = InputPool(count: setup.report.inputBuffers)
    timeline = DecodeTimeline(reorderDepth: setup.reorderDepth)
    latency = configuration.latencyBudget.map {
      LatencyBudget($0, deadlines: configuration.deadlines)
    }
    rateReduction = configuration.rateReduction
    inputWaiters.reserveCapacity(8)
  }

  /// Goes over to other buffers of another setup, while the driver has none.
  mutating func change(
    to setup: StreamSetup, _ backing: InputBacking, _ configuration: EncoderConfiguration
  ) {
    self.setup = setup
    self.backing = backing
    self.configuration = configuration
    defaultDuration = configuration.interval
    pool = InputPool(count: setup.report.inputBuffers)
    timeline.reset(reorderDepth: setup.reorderDepth)
    framesKeptBack = nil
    latency?.pace = DevicePace()
    mustCopy = false
    hasReportedCopy = false
  }

  var hasWaiters: Bool { !inputWaiters.isEmpty || !drainWaiters.isEmpty }

  /// The place where this image was imported before.
  func place(of image: DMABUFImage?) -> Int? {
    guard let image, case .imported(let table) = backing else { return nil }
    return table.place(of: image)
  }

  /// Finds how the driver can be made to read this memory and nothing that it pinned before: at
  /// the reserved place, there with other lengths, or at another free place; nil when it cannot.
  mutating func place(
    for memory: FrameMemory, at addresses: PlaneAddresses, or longer: PlaneAddresses?,
    insteadOf index: Int
  ) -> (index: Int, addresses: PlaneAddresses)? {
    guard case .pointers(let table) = backing else { return (index, addresses) }
    let owner = memory.identity
    if !table.isStale(index, addresses, owner: owner) { return (index, addresses) }
    if let longer, !table.isStale(index, longer, owner: owner) { return (index, longer) }
    return pool.exchange(index) { !table.isStale($0, addresses, owner: owner) }
      .map { ($0, addresses) }
  }

  /// The buffer that belongs to a place for addresses, if it has one yet.
  func bounce(_ index: Int) -> BounceBuffer? {
    guard case .pointers(let table) = backing else { return nil }
    return table.bounce(index)
  }

  /// Keeps what the driver is about to read.
  mutating func attach(_ input: Input, to index: Int) {
    switch input {
    case .mapped: break
    case .image(let image): _ = changeImports { $0.attach(image, to: index) }
    case .memory(let memory, let addresses):
      _ = changePointers { $0.attach(memory, at: addresses, to: index) }
    case .bounced(let buffer): _ = changePointers { $0.attach(buffer, to: index) }
    }
  }

  /// Takes out what a place holds; to be dropped outside the lock.
  mutating func detach(_ index: Int) -> LentFrame? {
    if let image = changeImports({ $0.detach(index) }) { return image.map { .image($0) } }
    return changePointers { $0.detach(index) }.flatMap { $0.map { .memory($0) } }
  }

  /// Takes everything out; to be dropped outside the lock.
  mutating func detachAll() -> [LentFrame] {
    if let images = changeImports({ $0.detachAll() }) { return images.map { .image($0) } }
    return changePointers { $0.detachAll() }.map { $0.map { .memory($0) } } ?? []
  }

  private mutating func changeImports<Result>(
    _ change: (inout ImportTable) -> Result
  ) -> Result? {
    guard case .imported(var table) = backing else { return nil }
    // Taken out while it changes, so that the table is not copied for every frame.
    backing = .mapped([])
    defer { backing = .imported(table) }
    return change(&table)
  }

  private mutating func changePointers<Result>(
    _ change: (inout PointerTable) -> Result
  ) -> Result? {
    guard case .pointers(var table) = backing else { return nil }
    backing = .mapped([])
    defer { backing = .pointers(table) }
    return change(&table)
  }

  /// The OUTPUT buffer (raw frame) that is kept for the end of the stream, where an empty one says
  /// it.
  var bufferForTheEnd: Int? {
    guard case .mapped(let buffers) = backing, buffers.count > pool.count else { return nil }
    return buffers.count - 1
  }

  mutating func takeCaptureBuffers() -> [MappedBuffer] {
    defer { captureBuffers = [] }
    return captureBuffers
  }

  mutating func makeIdentity() -> UInt64 {
    nextIdentity += 1
    return nextIdentity
  }

  /// The next waiter who need not wait any longer.
  mutating func nextResumption() -> Resumption? {
    if let error = machine.terminalError { return failedResumption(error) }
    if let late = nextLateWaiter() { return late }
    if let position = drainWaiters.firstIndex(where: { isOver($0) }) {
      return .drain(drainWaiters.remove(at: position).suspension, .success(()))
    }
    guard !inputWaiters.isEmpty else { return nil }
    switch machine.admit() {
    case .proceed: break
    case .wait, .restart: return nil
    case .refuse(let error): return failedResumption(error)
    }
    // Whoever holds a buffer waits for nothing that somebody before him could use.
    let position = inputWaiters.firstIndex { $0.claim.heldIndex != nil || pool.hasFree }
    guard let position, let index = inputWaiters[position].claim.heldIndex ?? pool.reserve() else {
      return nextImpatientWaiter()
    }
    let waiter = inputWaiters.remove(at: position)
    machine.frameReserved()
    return .input(waiter.suspension, .success(.buffer(index)))
  }

  private func isOver(_ waiter: DrainWaiter) -> Bool {
    if let sequence = waiter.sequence { return waiting.haveLeft(upTo: sequence) }
    return machine.state == .drained || machine.state == .streaming
  }

  /// Takes a waiter who waited for a restart only, and finds no buffer after it.
  private mutating func nextImpatientWaiter() -> Resumption? {
    let position = inputWaiters.firstIndex { $0.claim.patience != .wait }
    guard let position, let refusal = inputWaiters[position].claim.refusal(bufferCount: pool.count)
    else { return nil }
    return .input(inputWaiters.remove(at: position).suspension, refusal)
  }

  /// Takes a waiter who waits for a buffer while every one of them is on loan.
  mutating func nextHopelessWaiter(
    since deadline: MonotonicTime, _ error: EncoderError
  ) -> Resumption? {
    guard machine.state == .streaming, pool.heldByDriver == 0, !pool.hasFree,
      machine.framesInTransit == 0
    else { return nil }
    let position = inputWaiters.firstIndex { $0.claim.heldIndex == nil && $0.since <= deadline }
    guard let position else { return nil }
    return .input(inputWaiters.remove(at: position).suspension, .failure(error))
  }

  /// Takes any waiter to tell him of a failure.
  mutating func failedResumption(_ error: EncoderError) -> Resumption? {
    if !inputWaiters.isEmpty {
      return .input(inputWaiters.removeFirst().suspension, .failure(error))
    }
    if !drainWaiters.isEmpty {
      return .drain(drainWaiters.removeFirst().suspension, .failure(error))
    }
    return nil
  }

  /// Takes a waiter out whose task was cancelled.
  mutating func cancelled(_ identity: UInt64) -> Resumption? {
    let error = EncoderError(.cancelled, "the waiting task was cancelled")
    if let index = inputWaiters.firstIndex(where: { $0.identity == identity }) {
      return .input(inputWaiters.remove(at: index).suspension, .failure(error))
    }
    if let index = drainWaiters.firstIndex(where: { $0.identity == identity }) {
      return .drain(drainWaiters.remove(at: index).suspension, .failure(error))
    }
    return nil
  }
}
