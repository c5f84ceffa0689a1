/// Brings frames into one layer's encoder, in a task of its own, so that no layer waits for
/// another.
final class LayerFeeder: Sendable {
  private enum Job: Sendable {
    case frame(VideoFrame, FrameOptions)
    case drain(Deferred<EncoderError?>)
  }

  private struct State {
    var failure: EncoderError?
    var framesDropped = 0
    /// A key frame was asked for with a frame that was dropped.
    var isKeyFrameOwed = false
    /// Frames were dropped, so that the encoder counts to its next key frame from another frame.
    var isOutOfStep = false
  }

  let stream: SimulcastStream
  private let state = Locked(State())
  private let jobs: Mailbox<Job>
  /// Leave to hand over a job, as many as `jobs` has room for.
  private let places: Mailbox<Void>
  private let event: @Sendable (String, SimulcastEvent) -> Void

  init(
    _ stream: SimulcastStream, depth: Int,
    event: @escaping @Sendable (String, SimulcastEvent) -> Void
  ) {
    self.stream = stream
    self.event = event
    jobs = Mailbox(capacity: depth) {}
    places = Mailbox(capacity: depth) {}
    for _ in 0..<depth { places.deliver(()) }
  }

  var failure: EncoderError? { state.withLock { $0.failure } }

  var statistics: SimulcastStatistics {
    let (dropped, failure) = state.withLock { ($0.framesDropped, $0.failure) }
    return SimulcastStatistics(
      name: stream.name, framesDropped: dropped, failure: failure,
      encoder: stream.encoder.statistics)
  }

  // MARK: - Handing over

  /// Takes the place for a job if there is one.
  func takePlaceAtOnce() -> Bool { failure == nil && places.takeAtOnce() != nil }

  /// Waits for the place for a job; false when the layer has failed.
  nonisolated(nonsending) func takePlace() async throws(EncoderError) -> Bool {
    if failure == nil, try await places.next() != nil { return true }
    guard !Task.isCancelled || failure != nil else {
      throw EncoderError(.cancelled, "the waiting task was cancelled")
    }
    return false
  }

  func giveBackPlace() { places.deliver(()) }

  /// Hands over a frame whose place was taken.
  ///
  /// - Parameters:
  ///   - frame: in the layer's size.
  ///   - options: what was asked for all layers.
  ///   - beginsGroup: whether encoders that saw every frame make a key frame of this one.
  /// - Returns: whether it was taken, which it is not after the end.
  func take(_ frame: VideoFrame, _ options: FrameOptions, beginsGroup: Bool) -> Bool {
    var options = options
    state.withLock { state in
      if state.isKeyFrameOwed || (beginsGroup && state.isOutOfStep) { options.forceKeyFrame = true }
      if options.forceKeyFrame {
        state.isKeyFrameOwed = false
        state.isOutOfStep = false
      }
    }
    return jobs.deliver(.frame(frame, options))
  }

  /// Accounts for a frame that does not go into this layer.
  func drop(_ presentationTime: Int64, _ options: FrameOptions, because error: EncoderError?) {
    state.withLock { state in
      state.framesDropped += 1
      state.isOutOfStep = true
      if options.forceKeyFrame { state.isKeyFrameOwed = true }
    }
    event(stream.name, .frameDropped(presentationTime: presentationTime, error))
  }

  /// Has everything brought out; nil when the layer has failed.
  nonisolated(nonsending) func startDrain() async throws(EncoderError) -> Deferred<EncoderError?>? {
    guard try await takePlace() else { return nil }
    let answer = Deferred<EncoderError?>()
    return jobs.deliver(.drain(answer)) ? answer : nil
  }

  /// Takes no frames any more, and lets the task end when it has dropped those that wait.
  func finish() {
    state.withLock { state in
      state.failure = state.failure ?? EncoderError(.closed, "the simulcast is closed")
    }
    jobs.finish(.success(()))
    places.finish(.success(()))
  }

  // MARK: - Feeding

  /// Feeds until `finish`.
  func feed() async {
    while let job = try? await jobs.next() {
      places.deliver(())
      switch job {
      case .frame(let frame, let options): await encode(frame, options)
      case .drain(let answer): answer.fulfill(await drain())
      }
    }
  }

  private func encode(_ frame: VideoFrame, _ options: FrameOptions) async {
    if let failure {
      drop(frame.presentationTime, options, because: failure)
      return
    }
    do throws(EncoderError) {
      try await stream.encoder.encode(frame, options: options)
    } catch {
      guard error.code == .unsupported, options.forceKeyFrame else {
        refused(frame, options, error)
        return
      }
      event(
        stream.name, .keyFrameRefused(presentationTime: frame.presentationTime, error))
      await encode(frame, FrameOptions())
    }
  }

  private func refused(_ frame: VideoFrame, _ options: FrameOptions, _ error: EncoderError) {
    drop(frame.presentationTime, options, because: error)
    failIfOver(error)
  }

  private func drain() async -> EncoderError? {
    do throws(EncoderError) {
      try await stream.encoder.drain()
      return nil
    } catch {
      failIfOver(error)
      return error
    }
  }

  /// An encoder that has ended gets nothing any more; whatever else it refuses may pass.
  private func failIfOver(_ error: EncoderError) {
    guard stream.encoder.statistics.hasEnded else { return }
    let isFirst = state.withLock { state -> Bool in
      guard state.failure == nil else { return false }
      state.failure = error
      return true
    }
    guard isFirst else { return }
    places.finish(.success(()))
    event(stream.name, .layerFailed(error))
  }
}
