/// A running camera, as its source sees it; the camera's own thread runs `CaptureLoop`.
final class CaptureEngine: Sendable {
  private struct State {
    var isClosing = false
    var stream: CaptureStream
    var statistics = CaptureStatistics()
  }

  private let handle: any DeviceHandle
  private let setupLimit: Duration
  private let observer: CaptureObserver
  private let state: Locked<State>
  private let exited = Deferred<Void>()
  let mailbox: Mailbox<CapturedFrame>

  private init(_ setup: CaptureSetup, _ stream: CaptureStream, _ observer: CaptureObserver) {
    handle = setup.camera.handle
    setupLimit = setup.configuration.deadlines.setup
    self.observer = observer
    state = Locked(State(stream: stream))
    // One place for each buffer: only frames of a former signal can be in the way of new ones.
    mailbox = Mailbox(capacity: stream.bufferCount) {}
  }

  static nonisolated(nonsending) func open(
    _ configuration: CaptureConfiguration, on selector: DeviceSelector, observer: CaptureObserver
  ) async throws(EncoderError) -> CaptureEngine {
    let (path, transport) = try selector.camera
    let opened = Deferred<Result<CaptureEngine, EncoderError>>()
    do throws(Errno) {
      try DeviceThread.start(named: "v4l2-capture") {
        do throws(EncoderError) {
          let setup = try CaptureSetup(
            path: path, configuration: configuration, transport: transport)
          let loop: CaptureLoop
          do throws(EncoderError) {
            loop = try start(setup, observer)
          } catch {
            setup.camera.handle.close()
            throw error
          }
          let engine = loop.engine
          if !opened.fulfill(.success(engine)) { engine.requestClose() }
          engine.run(loop)
        } catch {
          opened.fulfill(.failure(error))
        }
      }
    } catch {
      throw EncoderError(
        .outOfMemory, operation: "pthread_create", errno: error, "no thread for the camera")
    }
    let limit = configuration.deadlines.setup
    guard let result = await opened.value(within: limit) else {
      throw EncoderError(
        .deviceStalled, "\(path) has not finished its set-up within \(limit); it may hang")
    }
    return try result.get()
  }

  private static func start(
    _ setup: CaptureSetup, _ observer: CaptureObserver
  ) throws(EncoderError) -> CaptureLoop {
    var loop = try CaptureLoop(setup) { CaptureEngine(setup, $0, observer) }
    try loop.start()
    return loop
  }

  var current: CaptureFormat { state.withLock { $0.stream.format } }
  var differences: [String] { state.withLock { $0.stream.differences } }
  var statistics: CaptureStatistics { state.withLock { $0.statistics } }
  var isClosing: Bool { state.withLock { $0.isClosing } }

  func requestClose() {
    state.withLock { $0.isClosing = true }
    handle.wake()
  }

  nonisolated(nonsending) func close() async {
    requestClose()
    _ = await exited.value(within: setupLimit)
  }

  /// The camera's thread, until the end.
  private func run(_ loop: consuming CaptureLoop) {
    do throws(EncoderError) {
      try loop.run()
      loop.stop()
      mailbox.finish(.success(()))
    } catch {
      loop.stop()
      mailbox.finish(.failure(error))
    }
    handle.close()
    exited.fulfill(())
  }

  /// Makes another set-up the one in force.
  func adopt(_ stream: CaptureStream) {
    state.withLock { state in
      state.stream = stream
      state.statistics.restarts += 1
    }
  }

  func deliver(_ frame: CapturedFrame) {
    state.withLock { state in
      state.statistics.framesDelivered += 1
      state.statistics.framesLost += frame.framesLostBefore
      if frame.isCorrupt { state.statistics.framesCorrupt += 1 }
    }
    if frame.framesLostBefore > 0 {
      emit(.framesLost(frame.framesLostBefore, before: frame.sequence))
    }
    if frame.isCorrupt { emit(.frameCorrupt(sequence: frame.sequence)) }
    mailbox.deliver(frame)
  }

  func reportUndecodable(_ sequence: UInt32, reason: String) {
    state.withLock { $0.statistics.framesUndecodable += 1 }
    emit(.frameUndecodable(sequence: sequence, reason: reason))
  }

  func reportLoss(_ loss: SignalLoss) {
    state.withLock { $0.statistics.signalLosses += 1 }
    emit(.signalLost(loss))
  }

  func emit(_ event: CaptureEvent) { observer.event?(event) }
}
