internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// One open file handle of a virtual device.
final class VirtualHandle: ServedHandle {
  private let monitor: Monitor<HandleState>
  private let device: DeviceCore
  // In a struct: a closure that is itself the generic value of a lock gets one more conversion
  // thunk around it each time the lock is taken, until calling it overflows the stack.
  private struct Observer {
    var handler: (@Sendable () -> Void)?
  }
  private let observer = Locked(Observer())

  init(device: DeviceCore) {
    self.device = device
    monitor = Monitor(HandleState(device: device))
    device.register(monitor)
  }

  deinit { close() }

  func ioctl(
    _ request: UInt32, _ argument: UnsafeMutableRawPointer, caller: any CallerMemory
  ) -> Int32 {
    device.counters.count(request)
    if device.faults.hasFaults, let failure = fault(UInt(request), argument) { return failure }
    var effects = HandleState.Effects()
    var result = monitor.withLock { state in
      state.perform(UInt(request), argument, caller: caller, effects: &effects)
    }
    if let direction = effects.stops { stop(direction) }
    if effects.wakesWorker, result == 0 { result = startWorker() }
    if effects.notifies { notify() }
    return result
  }

  /// Lets a fault happen that is due; the failure that the request answers, if it does.
  private func fault(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32? {
    guard let kind = VirtualDevice.Fault.Request(request, argument) else { return nil }
    switch kind {
    case .dequeueFrame where monitor.withLock({ $0.output.done.isEmpty }): return nil
    case .dequeuePacket where monitor.withLock({ $0.capture.done.isEmpty }): return nil
    default: break
    }
    guard let due = device.faults.next(.request(kind)) else { return nil }
    switch due.effect {
    case .failure(let error): return -error.rawValue
    case .hang: device.faults.hang(due)
    case .damage: break
    }
    return nil
  }

  func readiness() -> Readiness { monitor.withLock { $0.readiness } }
  func bufferReadiness() -> Readiness { monitor.withLock { $0.bufferReadiness } }

  func onChange(_ handler: @escaping @Sendable () -> Void) {
    observer.withLock { $0.handler = handler }
  }

  func close() {
    let wasOpen = monitor.withLock { state in
      defer { state.isClosed = true }
      return !state.isClosed
    }
    guard wasOpen else { return }
    endWorker(of: nil)
    monitor.withLock { $0.close() }
    device.unregister(monitor)
    notify()
    observer.withLock { $0.handler = nil }
  }

  private func notify() {
    let handler = observer.withLock { $0.handler }
    handler?()
  }

  /// Starts the worker when both queues stream, or wakes it.
  private func startWorker() -> Int32 {
    let isNew = monitor.withLock { state in
      guard state.output.isStreaming, state.capture.isStreaming, state.worker == .none,
        state.stopsInProgress == 0, !state.isClosed, !state.isSpent
      else { return false }
      state.worker = .running
      return true
    }
    guard isNew else {
      monitor.signal()
      return 0
    }
    let result = EncodingWorker.start(monitor, device: device) { [weak self] in self?.notify() }
    if result != 0 { monitor.withLock { $0.worker = .none } }
    return result
  }

  private func stop(_ direction: Direction) {
    endWorker(of: direction)
    monitor.withLock { state in
      state.finishStreamOff(direction)
      state.stopsInProgress -= 1
    }
    // Another thread may have started the queue again meanwhile.
    _ = startWorker()
  }

  /// Waits until the job in hand is done and the thread has let go of every buffer.
  ///
  /// No worker starts while a stop is in progress, so that what is stopped stays stopped.
  private func endWorker(of direction: Direction?) {
    monitor.withLock { state in
      state.stopsInProgress += 1
      if let direction { state[direction].isStreaming = false }
      if state.worker == .running { state.worker = .stopping }
    }
    monitor.signal()
    monitor.wait { $0.worker == .none ? () : nil }
  }
}
