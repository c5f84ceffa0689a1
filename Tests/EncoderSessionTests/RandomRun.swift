import Glibc
import TestSupport

@testable import V4L2Encoder
@testable import VirtualV4L2Device

/// What a random run has seen.
struct RandomOutcome: Hashable, Sendable {
  var violations: [String] = []
  var faults = 0
  var frames = 0
  var failedSessions = 0
  var recoveries = 0
}

/// Carries a random plan out and says what was not as it must always be.
///
/// Whatever the device does: every call ends in time, no frame is without a fate, and a session
/// fails, or is recovered, of nothing but a fault that may end it.
struct RandomRun {
  private let plan: RandomPlan
  private let device: VirtualDevice
  private let limiter = HangLimiter()
  private var session: Session?
  private var nextTime: Int64 = 0
  private var outcome = RandomOutcome()
  /// Whether the device has a fault before it that may end a session.
  private var isHarmed = false
  /// Whether the device has a fault before it that keeps a buffer for good.
  private var keepsBuffers = false

  /// One encoder from its opening to its end.
  private struct Session {
    let subject: RandomSubject
    var loans: [LentBuffer] = []
    /// Whether it met a fault that may end it, and was not seen in health since.
    var mayFail: Bool
    /// Whether the device may have kept one of its buffers for good.
    var mayMissBuffers = false
    /// How many of its recoveries had a reason.
    var recoveriesExplained = 0
    /// Whether buffers were exchanged, so that loans of before are good for nothing.
    var hasNewBuffers = false
    var orderIsKnown = true
    /// Whether no frame can be inside the device.
    var isDrained = true

    var encoder: any VideoEncoder { subject.encoder }
    var account: FrameAccount { subject.account }
  }

  /// How long a call may take that ends by the deadlines of the plan, on a machine with much to do.
  private static var patience: Duration { .seconds(40) }

  /// Carries a plan out.
  ///
  /// - Parameters:
  ///   - plan: the plan.
  ///   - meddle: what happens to the device before each step without the run's knowing.
  /// - Returns: what was seen.
  /// - Throws: what keeps the device from being made.
  static func outcome(
    of plan: RandomPlan, meddle: (RandomPlan.Step, VirtualDevice) -> Void = { _, _ in }
  ) async throws -> RandomOutcome {
    var run = RandomRun(plan: plan, device: try VirtualDevice(plan.device))
    do {
      for step in plan.steps {
        meddle(step, run.device)
        try await run.perform(step)
      }
      run.removeFaults()
      try await run.close()
    } catch {
      run.outcome.violations.append("\(error)")
    }
    run.removeFaults()
    run.limiter.end()
    run.outcome.faults = run.device.faultCount
    run.outcome.frames = Int(run.nextTime)
    return run.outcome
  }

  private init(plan: RandomPlan, device: VirtualDevice) {
    self.plan = plan
    self.device = device
  }

  private mutating func perform(_ step: RandomPlan.Step) async throws {
    switch step {
    case .inject(let fault):
      device.inject(fault)
      if fault.holdsCallers { limiter.release(device) }
      guard !fault.isHarmless else { return }
      noteUnexplainedRecoveries()
      isHarmed = true
      session?.mayFail = true
      if fault.effect == .damage(.lost) {
        keepsBuffers = true
        session?.mayMissBuffers = true
      }
      return
    case .removeFaults:
      removeFaults()
      try await lookForHealth()
      return
    case .reopen(let drained):
      if drained { try await drain() }
      try await close()
      return
    default: break
    }
    if session == nil { try await open() }
    switch step {
    case .encode(let frames, let key):
      for index in 0..<frames { try await encode(asKeyFrame: index == key) }
    case .encodeAtOnce(let callers, let frames): try await encodeAtOnce(callers, frames)
    case .cancelEncode(let microseconds):
      try await encode(cancelledAfter: .microseconds(microseconds))
    case .update(let settings):
      try await call("changing settings") { _ = try await $0.update(settings) }
    case .reconfigure(let size, let format):
      session?.hasNewBuffers = true
      // Some drivers have not this size, or wait for their buffers.
      try await call("reconfiguring", mayBe: [.unsupported, .buffersLent]) { encoder in
        try await encoder.changeInput(size: size, format: format)
      }
    case .borrowBuffer: try await borrow()
    case .giveBufferBack:
      if session?.loans.isEmpty == false { session?.loans.removeFirst().giveBack() }
    case .encodeBorrowed: try await encodeBorrowed()
    case .drain: try await drain()
    case .pauseReader(let milliseconds):
      session?.account.pauseReader(true)
      try await Task.sleep(for: .milliseconds(milliseconds))
      session?.account.pauseReader(false)
    case .inject, .removeFaults, .reopen: break
    }
  }

  private mutating func removeFaults() {
    device.removeFaults()
    isHarmed = false
    keepsBuffers = false
  }

  /// Takes back that the session may fail, when without faults everything comes out of it.
  private mutating func lookForHealth() async throws {
    guard session?.mayFail == true, session?.mayMissBuffers == false else { return }
    guard try await drain(), let account = session?.account else { return }
    session?.mayFail = false
    session?.recoveriesExplained = account.recoveredFrom.count
  }

  private mutating func noteUnexplainedRecoveries() {
    guard let session, !session.mayFail else { return }
    for error in session.account.recoveredFrom.dropFirst(session.recoveriesExplained) {
      outcome.violations.append("recovered without a reason: \(error)")
    }
  }

  // MARK: - Opening and closing

  private mutating func open() async throws {
    let subject: RandomSubject
    do {
      subject = try await opened()
    } catch let error as EncoderError {
      if !isHarmed { outcome.violations.append("opening failed without a reason: \(error)") }
      removeFaults()
      subject = try await opened()
    }
    session = Session(
      subject: subject, mayFail: isHarmed, mayMissBuffers: keepsBuffers,
      // Some drivers get others after each drain.
      hasNewBuffers: plan.device.personality.deviations.contains(.encodesOnce))
  }

  private func opened() async throws -> RandomSubject {
    try await withDeadline(Self.patience, "opening") { [plan, device] in
      try await RandomSubject.open(plan, on: device)
    }
  }

  private mutating func close() async throws {
    guard let session else { return }
    noteUnexplainedRecoveries()
    self.session = nil
    let (encoder, account) = (session.encoder, session.account)
    try await withDeadline(Self.patience, "closing") { await encoder.close() }
    outcome.violations += try await withDeadline(Self.patience, "the reader's end") {
      await session.subject.readToTheEnd()
    }
    for loan in session.loans { loan.giveBack() }
    if account.failure != nil { outcome.failedSessions += 1 }
    outcome.recoveries += encoder.statistics.recoveries
    if let failure = account.failure, !session.mayFail {
      outcome.violations.append("a session failed without a reason: \(failure)")
    }
    outcome.violations += account.contradictions(
      encoder.statistics, lossIsExplained: account.failure != nil || !session.isDrained,
      orderIsKnown: session.orderIsKnown)
  }

  // MARK: - Calls

  /// Makes a call of the encoder, which has to end in time; false when it failed.
  @discardableResult
  private mutating func call(
    _ what: String, mayBe expected: Set<EncoderError.Code> = [],
    _ body: @escaping @concurrent @Sendable (any VideoEncoder) async throws -> Void
  ) async throws -> Bool {
    guard let session else { return false }
    do {
      try await withDeadline(Self.patience, what) { try await body(session.encoder) }
      return true
    } catch let error as EncoderError {
      let isFull = error.code == .wouldBlock && plan.configuration.admission != .wait
      if !session.mayFail, !expected.contains(error.code), !isFull {
        outcome.violations.append("\(what) failed without a reason: \(error)")
      }
      if session.encoder.statistics.hasEnded { try await close() }
      return false
    }
  }

  private mutating func takeTime() -> Int64 {
    nextTime += 1
    session?.isDrained = false
    return nextTime
  }

  private mutating func encode(asKeyFrame isKeyFrame: Bool) async throws {
    guard let account = session?.account else { return }
    let time = takeTime()
    // Not every driver makes key frames on demand.
    try await call("encoding", mayBe: isKeyFrame ? [.unsupported] : []) { encoder in
      try await account.encode(time, with: encoder, asKeyFrame: isKeyFrame)
    }
  }

  private mutating func encodeAtOnce(_ callers: Int, _ frames: Int) async throws {
    guard let account = session?.account else { return }
    session?.orderIsKnown = false
    let times = (0..<callers).map { _ in (0..<frames).map { _ in takeTime() } }
    try await call("encoding at once") { encoder in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for times in times {
          group.addTask { for time in times { try await account.encode(time, with: encoder) } }
        }
        try await group.waitForAll()
      }
    }
  }

  private mutating func encode(cancelledAfter delay: Duration) async throws {
    guard let account = session?.account else { return }
    let time = takeTime()
    try await call("encoding and being cancelled", mayBe: [.cancelled]) { encoder in
      let caller = Task { try await account.encode(time, with: encoder) }
      try await Task.sleep(for: delay)
      caller.cancel()
      try await caller.value
    }
  }

  private mutating func borrow() async throws {
    guard let session, session.loans.count + 1 < session.encoder.negotiated.inputBuffers else {
      return
    }
    let loan = Locked(LentBuffer?.none)
    try await call("borrowing a buffer") { encoder in
      let buffer = LentBuffer(try await encoder.nextInputBuffer())
      loan.withLock { $0 = buffer }
    }
    if let buffer = loan.withLock({ $0 }) { self.session?.loans.append(buffer) }
  }

  private mutating func encodeBorrowed() async throws {
    guard let session, let loan = session.loans.first else { return }
    self.session?.loans.removeFirst()
    let time = takeTime()
    let isOld = session.hasNewBuffers
    // It passes the frames that wait for a buffer.
    if case .dropOldest = plan.configuration.admission { self.session?.orderIsKnown = false }
    try await call("encoding a borrowed buffer", mayBe: isOld ? [.invalidFrame] : []) { encoder in
      try await session.account.note(time) { try await loan.encode(time, with: encoder) }
    }
  }

  /// Drains; false when that failed.
  @discardableResult
  private mutating func drain() async throws -> Bool {
    guard let session else { return false }
    guard try await call("draining", { try await $0.drain() }) else { return false }
    self.session?.isDrained = true
    let statistics = session.encoder.statistics
    let missing = statistics.framesIn - statistics.packetsOut - statistics.framesSkipped
    // Of the lost pictures, only those that an encoder had taken count among the frames.
    if !(0...statistics.framesLost).contains(missing) {
      outcome.violations.append("frames are missing after a drain: \(statistics)")
    }
    return true
  }
}

extension VirtualDevice.Fault {
  /// Whether no session may end because of it.
  fileprivate var isHarmless: Bool {
    switch effect {
    case .damage(let damage): [.erroneous, .empty, .skipped].contains(damage)
    case .hang: false
    case .failure(let error):
      // A signal interrupts for a while, and nothing to dequeue is nothing new.
      times < .max
        && (error == .interrupted
          || (error.rawValue == EAGAIN
            && [.request(.dequeueFrame), .request(.dequeuePacket)].contains(place)))
    }
  }

  /// Whether it may hang a request that a caller makes on his own thread.
  fileprivate var holdsCallers: Bool {
    effect == .hang
      && [.request(.queueFrame), .request(.setControl), .request(.dequeueFrame)].contains(place)
  }
}

/// Lets go what hangs inside a caller's own request, which no deadline of the library can end.
///
/// On a thread of its own: the callers may hold all threads that tasks have.
private final class HangLimiter: Sendable {
  private let isOver = Gate()

  func release(_ device: VirtualDevice) {
    let isOver = isOver
    let deadline = MonotonicTime.now + .seconds(8)
    try? DeviceThread.start(named: "v4l2-limiter") {
      while !isOver.isOpenNow, MonotonicTime.now < deadline {
        DeviceThread.sleep(.milliseconds(20))
      }
      device.removeFaults()
    }
  }

  func end() { isOver.open() }
}
