internal import CV4L2
internal import Glibc
internal import Synchronization
public import V4L2Encoder

/// A V4L2 memory-to-memory encoder made of software, for tests and for machines without one.
///
/// It behaves as the kernel's documentation of stateful encoders says, H.264 and HEVC included,
/// and may be opened many times at once. Give it to an encoder with
/// ``V4L2Encoder/DeviceSelector/virtual(_:)``.
public final class VirtualDevice: Sendable {
  let core: DeviceCore

  /// Creates a device that nobody has opened yet.
  ///
  /// - Throws: the error number when the system has no memory file for the buffers.
  public init(_ configuration: Configuration = Configuration()) throws(Errno) {
    core = DeviceCore(configuration, memory: try DeviceMemory())
  }

  /// Creates a device that imitates a driver and has real encoders.
  ///
  /// - Throws: the error number when the system has no memory file for the buffers.
  public convenience init(personality: Personality) throws(Errno) {
    try self.init(Configuration(personality: personality))
  }

  /// How many handles are open.
  public var openHandleCount: Int { core.openHandleCount }

  /// How many frames all handles together have encoded.
  public var encodedFrameCount: Int { core.counters.encodedFrames }

  /// How many requests were made of all handles together.
  public var requestCount: Int { core.counters.requests }

  /// How many buffers were queued, raw frames and empty ones for packets counted alike.
  public var queuedBufferCount: Int { core.counters.queuedBuffers }

  /// How often a buffer was asked for, whether there was one or not.
  public var dequeueRequestCount: Int { core.counters.dequeues }

  /// The control values of the handle opened last, by control id (`V4L2_CID_*`).
  ///
  /// The values stay readable after the handle was closed; a device that was never opened has
  /// none.
  public var appliedControls: [UInt32: Int64] { core.latestControls }

  /// What was set of controls that are structures, word by word, of the handle opened last.
  public var appliedStructures: [UInt32: [UInt32]] { core.latestStructures }

  /// How many pieces of buffer memory are in use.
  package var bufferExtentCount: Int { core.memory.extentCount }
}

extension VirtualDevice: ServedDevice {
  package func open() throws(Errno) -> any ServedHandle {
    if let due = core.faults.next(.request(.open)) {
      switch due.effect {
      case .failure(let error): throw error
      case .hang: core.faults.hang(due)
      case .damage: break
      }
    }
    return VirtualHandle(device: core)
  }
  package var memoryDescriptor: Int32 { core.memory.descriptor }

  /// Gives a plane a memory file of its own, for fronts whose clients map planes one by one; the
  /// caller owns the descriptor.
  package func exportPlane(at memoryOffset: UInt32) throws(Errno) -> Int32 {
    try core.memory.moveApart(memoryOffset)
  }
}

/// What the handles of a device share.
final class DeviceCore: Sendable {
  let configuration: VirtualDevice.Configuration
  let controlTable: ControlTable
  let memory: DeviceMemory
  let priorities = Priorities()
  let counters = RequestCounters()
  let faults = FaultPlan()
  private let handles = Locked(Handles())

  private struct Handles {
    var count = 0
    /// The handle opened last while it is open; it holds the device itself.
    var latest: Monitor<HandleState>?
    /// What that handle's controls were at its end.
    var lastControls: ControlValues?
  }

  init(_ configuration: VirtualDevice.Configuration, memory: DeviceMemory) {
    self.configuration = configuration
    controlTable = ControlTable(configuration.personality)
    self.memory = memory
  }

  var personality: VirtualDevice.Personality { configuration.personality }

  func register(_ state: Monitor<HandleState>) {
    handles.withLock { handles in
      handles.count += 1
      handles.latest = state
    }
  }

  func unregister(_ state: Monitor<HandleState>) {
    let controls = state.withLock { $0.controls }
    handles.withLock { handles in
      handles.count -= 1
      guard handles.latest === state else { return }
      handles.latest = nil
      handles.lastControls = controls
    }
  }

  var openHandleCount: Int { handles.withLock { $0.count } }

  var latestStructures: [UInt32: [UInt32]] {
    handles.withLock { $0.latest }?.withLock { $0.structures } ?? [:]
  }

  var latestControls: [UInt32: Int64] {
    let (latest, lastControls) = handles.withLock { ($0.latest, $0.lastControls) }
    guard let values = latest?.withLock({ $0.controls }) ?? lastControls else { return [:] }
    var result: [UInt32: Int64] = [:]
    for (index, control) in controlTable.controls.enumerated() where control.isReadable {
      result[control.identifier] = values[index: index]
    }
    return result
  }
}

/// The priorities of all handles, `v4l2_prio` in the kernel.
final class Priorities: Sendable {
  private let counts = Locked([Int](repeating: 0, count: 4))

  /// Enters a new handle with the default priority.
  func register() -> UInt32 {
    let initial = V4L2_PRIORITY_INTERACTIVE.rawValue
    counts.withLock { $0[Int(initial)] += 1 }
    return initial
  }

  func remove(_ priority: UInt32) { counts.withLock { $0[Int(priority)] -= 1 } }

  func change(from old: UInt32, to new: UInt32) {
    counts.withLock { counts in
      counts[Int(old)] -= 1
      counts[Int(new)] += 1
    }
  }

  var highest: UInt32 {
    counts.withLock { UInt32($0.lastIndex { $0 > 0 } ?? 0) }
  }

  func allow(_ priority: UInt32) -> Bool { priority >= highest }
}

/// Counts what is asked of a device.
final class RequestCounters: Sendable {
  private let all = Atomic<Int>(0)
  private let queue = Atomic<Int>(0)
  private let dequeue = Atomic<Int>(0)
  private let frames = Atomic<Int>(0)

  var requests: Int { all.load(ordering: .relaxed) }
  var queuedBuffers: Int { queue.load(ordering: .relaxed) }
  var dequeues: Int { dequeue.load(ordering: .relaxed) }
  var encodedFrames: Int { frames.load(ordering: .relaxed) }

  func count(_ request: UInt32) {
    all.add(1, ordering: .relaxed)
    switch UInt(request) {
    case CV4L2_VIDIOC_QBUF: queue.add(1, ordering: .relaxed)
    case CV4L2_VIDIOC_DQBUF: dequeue.add(1, ordering: .relaxed)
    default: break
    }
  }

  func frameEncoded() { frames.add(1, ordering: .relaxed) }
}
