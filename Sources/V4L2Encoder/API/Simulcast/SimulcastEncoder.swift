/// Several encoders that make the same frames into streams of several sizes.
///
/// Each size is scaled once, from the next larger one, into memory that is used again; a frame that
/// has a layer's size and format already goes there as it is. Key frames come in all layers with
/// the same frame: those on demand, and those of the key frame interval, because the encoders begin
/// with the same frame and a layer that had to leave one out is brought into step at the next
/// interval.
///
/// Each layer is fed by a task of its own. A layer whose encoder fails gets no frames any more, is
/// reported by ``SimulcastEvent/layerFailed(_:)``, and the others go on. For a layer that is too
/// slow, or whose packets nobody reads, the admission policy decides: with `dropNewest` it alone
/// leaves frames out; with `wait` `encode` goes at the pace of the slowest.
public final class SimulcastEncoder: Sendable {
  private struct State {
    var pictures: [VideoFrame?] = []
    var frameCount = 0
    var isKeyFrameWanted = false
  }

  /// How many frames may wait for each layer's encoder.
  private static let depth = 2

  /// The layers, in the order given.
  public let streams: [SimulcastStream]
  private let feeders: [LayerFeeder]
  private let plan: ScalingPlan
  private let waits: Bool
  private let keyFrameInterval: Int
  private let deadlines: Deadlines
  /// Makes the hand-over of a frame to all layers one step, so that they have the same order.
  private let state = Locked(State())

  /// Feeds encoders that are open already, each with frames of the size in its configuration.
  ///
  /// - Parameters:
  ///   - size: the size of the frames that will come.
  ///   - format: the layout of the frames that will come.
  ///   - streams: the encoders. Their input format must be that of the frames where these are NV12
  ///     or I420, NV12 otherwise; they must agree on colours and the key frame interval, and drop
  ///     no frames of their own (`admission`, `latencyBudget`, `rateReduction`).
  ///   - admission: `wait` or `dropNewest`.
  ///   - event: receives what happens in each layer, by its name, on any thread; must return
  ///     quickly.
  /// - Throws: `invalidConfiguration` for encoders that do not fit each other or the frames,
  ///   `unsupported` for formats that cannot be scaled.
  public init(
    size: VideoSize, format: PixelFormat, streams: [SimulcastStream],
    admission: AdmissionPolicy = .dropNewest,
    event: @escaping @Sendable (_ layer: String, SimulcastEvent) -> Void = { _, _ in }
  ) throws(EncoderError) {
    let configurations = streams.map(\.encoder.configuration)
    let first = try Self.check(streams, configurations, of: format, admission)
    self.streams = streams
    waits = admission == .wait
    keyFrameInterval = first.keyFrameInterval
    deadlines = first.deadlines
    // An encoder may keep frames until somebody takes their packets out.
    let held = streams.reduce(streams.count * (Self.depth + 1) + 1) { sum, stream in
      let report = stream.encoder.negotiated
      let configuration = stream.encoder.configuration
      return sum + report.inputBuffers + report.outputBuffers + configuration.packetCapacity
        + configuration.bidirectionalFrames
    }
    plan = try ScalingPlan(
      from: size, format, color: first.color, to: configurations.map(\.size), capacity: held)
    feeders = streams.map { LayerFeeder($0, depth: Self.depth, event: event) }
    for feeder in feeders { Task.detached { await feeder.feed() } }
  }

  deinit { for feeder in feeders { feeder.finish() } }

  /// Opens an encoder for each layer.
  ///
  /// - Parameters:
  ///   - codec: the codec of all layers.
  ///   - configuration: size and format of the frames that will come, and all that the layers have
  ///     in common; `admission` must be `wait` or `dropNewest`.
  ///   - layers: what the layers have of their own.
  ///   - device: the device of each layer; several may have the same.
  ///   - observer: where each layer's encoder reports to, by the layer's name.
  ///   - event: receives what happens in each layer; see `init`.
  /// - Returns: the encoders as one.
  /// - Throws: as ``V4L2VideoEncoder/open(_:on:observer:)`` with the layer's name; as `init`.
  public static nonisolated(nonsending) func open<Codec: CodecTag>(
    _ codec: Codec.Type, _ configuration: EncoderConfiguration, layers: [SimulcastLayer],
    on device: (SimulcastLayer) -> DeviceSelector = { _ in .automatic },
    observer: (SimulcastLayer) -> EncoderObserver = { _ in EncoderObserver() },
    event: @escaping @Sendable (_ layer: String, SimulcastEvent) -> Void = { _, _ in }
  ) async throws(EncoderError) -> SimulcastEncoder {
    var streams: [SimulcastStream] = []
    do throws(EncoderError) {
      for layer in layers {
        let encoder = try await open(
          codec, configuration.for(layer), layer, on: device(layer), observer: observer(layer))
        streams.append(SimulcastStream(layer.name, encoder))
      }
      return try SimulcastEncoder(
        size: configuration.size, format: configuration.inputFormat, streams: streams,
        admission: configuration.admission, event: event)
    } catch {
      for stream in streams { await stream.encoder.close() }
      throw error
    }
  }

  private static nonisolated(nonsending) func open<Codec: CodecTag>(
    _ codec: Codec.Type, _ configuration: EncoderConfiguration, _ layer: SimulcastLayer,
    on device: DeviceSelector, observer: EncoderObserver
  ) async throws(EncoderError) -> V4L2VideoEncoder<Codec> {
    do throws(EncoderError) {
      return try await V4L2VideoEncoder<Codec>.open(configuration, on: device, observer: observer)
    } catch {
      throw EncoderError(
        error.code, operation: error.operation, errno: error.errno,
        "layer \(layer.name): \(error.message)")
    }
  }

  private static func check(
    _ streams: [SimulcastStream], _ configurations: [EncoderConfiguration], of format: PixelFormat,
    _ admission: AdmissionPolicy
  ) throws(EncoderError) -> EncoderConfiguration {
    func refuse(_ message: String) -> EncoderError { EncoderError(.invalidConfiguration, message) }
    guard let first = configurations.first else { throw refuse("a simulcast without layers") }
    guard admission == .wait || admission == .dropNewest else {
      throw refuse("admission \(admission): a simulcast can wait or dropNewest")
    }
    let wanted = ScalingPlan.layerFormat(for: format)
    for (stream, configuration) in zip(streams, configurations) {
      let name = "layer \(stream.name)"
      guard configuration.inputFormat == wanted else {
        throw refuse("\(name) takes \(configuration.inputFormat), it must take \(wanted)")
      }
      guard configuration.color == first.color else {
        throw refuse("\(name) has another colour description than layer \(streams[0].name)")
      }
      guard configuration.admission == .wait, configuration.latencyBudget == nil,
        configuration.rateReduction == nil
      else {
        throw refuse(
          "\(name) drops frames of its own (admission, latencyBudget, rateReduction), which would "
            + "bring key frames out of step; leave that to the simulcast's dropNewest")
      }
      guard configuration.keyFrameInterval == first.keyFrameInterval else {
        throw refuse("\(name) has another key frame interval than layer \(streams[0].name)")
      }
    }
    guard Set(streams.map(\.name)).count == streams.count else {
      throw refuse("two layers have the same name")
    }
    return first
  }

  // MARK: - Frames

  /// Gives a frame to every layer.
  ///
  /// Frames wait in the layers' queues by reference until their encoder has taken them, so memory
  /// that was lent must not be written before it is released.
  ///
  /// - Throws: `invalidFrame`; `cancelled`; when no layer is left, the first layer's failure.
  public nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions = FrameOptions()
  ) async throws(EncoderError) {
    try plan.check(frame)
    let taken = try await takePlaces()
    do throws(EncoderError) {
      let (dropped, options) = try state.withLock { state throws(EncoderError) in
        try handOver(frame, options, to: taken, &state)
      }
      for (layer, feeder) in feeders.enumerated()
      where dropped & 1 << ScalingPlan.Layers(layer) != 0 {
        feeder.drop(frame.presentationTime, options, because: feeder.failure)
      }
    } catch {
      giveBack(taken)
      throw error
    }
  }

  /// Makes the next frame a key frame in all layers.
  public func requestKeyFrame() { state.withLock { $0.isKeyFrameWanted = true } }

  /// Waits until every frame's packets are out in all layers; encoding may go on afterwards.
  ///
  /// - Throws: `cancelled`; when no layer is left, the first layer's failure; when layers that are
  ///   left could not be drained, the first of their errors, such as `consumerStalled`.
  public nonisolated(nonsending) func drain() async throws(EncoderError) {
    var answers: [Deferred<EncoderError?>] = []
    for feeder in feeders {
      if let answer = try await feeder.startDrain() { answers.append(answer) }
    }
    // Before the drain itself come the frames that wait.
    let limit = (deadlines.consumer + deadlines.progress) * (Self.depth + 2) + deadlines.setup
    var errors: [EncoderError] = []
    for answer in answers {
      guard let answered = await answer.value(within: limit) else {
        throw EncoderError(.deviceStalled, "a layer was not drained within \(limit)")
      }
      if let error = answered { errors.append(error) }
    }
    try throwIfNoneIsLeft()
    let lost = Set(feeders.compactMap(\.failure))
    if let error = errors.first(where: { !lost.contains($0) }) { throw error }
  }

  /// Gives the devices back; packets that are already out can still be read.
  public nonisolated(nonsending) func close() async {
    for feeder in feeders { feeder.finish() }
    for stream in streams { await stream.encoder.close() }
  }

  /// What happened so far in each layer.
  public var statistics: [SimulcastStatistics] { feeders.map(\.statistics) }

  // MARK: - Handing over

  private nonisolated(nonsending) func takePlaces() async throws(EncoderError)
    -> ScalingPlan.Layers
  {
    var taken: ScalingPlan.Layers = 0
    for (layer, feeder) in feeders.enumerated() {
      let hasPlace: Bool
      if waits {
        do throws(EncoderError) {
          hasPlace = try await feeder.takePlace()
        } catch {
          giveBack(taken)
          throw error
        }
      } else {
        hasPlace = feeder.takePlaceAtOnce()
      }
      if hasPlace { taken |= 1 << ScalingPlan.Layers(layer) }
    }
    if taken == 0 { try throwIfNoneIsLeft() }
    return taken
  }

  private func giveBack(_ places: ScalingPlan.Layers) {
    for (layer, feeder) in feeders.enumerated()
    where places & 1 << ScalingPlan.Layers(layer) != 0 {
      feeder.giveBackPlace()
    }
  }

  /// Scales a frame and hands it over; returns who must do without it, and what was asked for all.
  private func handOver(
    _ frame: VideoFrame, _ options: FrameOptions, to layers: ScalingPlan.Layers,
    _ state: inout State
  ) throws(EncoderError) -> (dropped: ScalingPlan.Layers, FrameOptions) {
    try plan.scale(frame, for: layers, into: &state.pictures)
    // The memory is free for the next frame as soon as the layers are done with it.
    defer { state.pictures.removeAll(keepingCapacity: true) }
    var options = options
    if state.isKeyFrameWanted { options.forceKeyFrame = true }
    state.isKeyFrameWanted = false
    // A key frame on demand begins the interval anew, as it does in the encoders.
    let beginsGroup = state.frameCount % keyFrameInterval == 0
    state.frameCount = options.forceKeyFrame ? 1 : state.frameCount + 1
    var dropped: ScalingPlan.Layers = 0
    for (layer, feeder) in feeders.enumerated() {
      let bit: ScalingPlan.Layers = 1 << ScalingPlan.Layers(layer)
      let picture = plan.stepOfLayer[layer].map { state.pictures[$0] } ?? frame
      if layers & bit == 0 {
        if feeder.failure == nil { dropped |= bit }
      } else if let picture {
        if !feeder.take(picture, options, beginsGroup: beginsGroup) { dropped |= bit }
      } else {
        feeder.giveBackPlace()
        dropped |= bit
      }
    }
    return (dropped, options)
  }

  private func throwIfNoneIsLeft() throws(EncoderError) {
    let failures = feeders.compactMap(\.failure)
    if let failure = failures.first, failures.count == feeders.count { throw failure }
  }
}

extension EncoderConfiguration {
  /// What one layer's encoder is asked for.
  fileprivate func `for`(_ layer: SimulcastLayer) -> EncoderConfiguration {
    var result = self
    result.inputFormat = ScalingPlan.layerFormat(for: inputFormat)
    // Only frames that go to a layer as they are can be read where they are.
    if layer.size != size || result.inputFormat != inputFormat { result.inputMemory = .copied }
    result.size = layer.size
    result.rateControl = layer.rateControl
    // A layer that is behind leaves frames out before they come to its encoder.
    result.admission = .wait
    return result
  }
}
