/// One encoder as its owner sees it; dropping it closes the device.
package final class EncoderSession: Sendable {
  let engine: Engine

  private init(engine: Engine) { self.engine = engine }

  deinit { engine.requestClose() }

  package static nonisolated(nonsending) func open(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, on selector: DeviceSelector,
    observer: EncoderObserver
  ) async throws(EncoderError) -> EncoderSession {
    try ConfigurationCheck.validate(configuration, for: codec)
    let opened = Deferred<Result<Engine, EncoderError>>()
    do throws(Errno) {
      try DeviceThread.start(named: "v4l2-encoder") {
        let result = openEngine(codec, configuration, on: selector, observer: observer)
        let isWanted = opened.fulfill(result)
        guard case .success(let engine) = result else { return }
        if !isWanted { engine.requestClose() }
        var loop = EngineLoop(engine: engine)
        loop.run()
      }
    } catch {
      throw EncoderError(
        .outOfMemory, operation: "pthread_create", errno: error, "no thread for the encoder")
    }
    let limit = configuration.deadlines.setup
    guard let result = await opened.value(within: limit) else {
      throw EncoderError(
        .deviceStalled, "the device has not finished its set-up within \(limit); it may hang")
    }
    return EncoderSession(engine: try result.get())
  }

  private static func openEngine(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, on selector: DeviceSelector,
    observer: EncoderObserver
  ) -> Result<Engine, EncoderError> {
    switch selector.choice {
    case .node(let path, let transport):
      return Result { () throws(EncoderError) in
        do throws(EncoderError) {
          return try Engine.open(
            codec, configuration, path: path, transport: transport, observer: observer)
        } catch {
          guard selector.isNode else { throw error }
          throw error.advising(insteadOf: path, for: codec)
        }
      }
    case .automatic:
      return openFirst(codec, configuration, trace: selector.trace, observer: observer)
    }
  }

  /// Tries every encoder of the machine; the error says of each node why it was refused.
  private static func openFirst(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, trace: DeviceTrace?,
    observer: EncoderObserver
  ) -> Result<Engine, EncoderError> {
    let transport = DeviceCatalog.transport(trace)
    var refusals: [String] = []
    for device in DeviceCatalog.devices(encoding: codec, as: configuration, trace: trace) {
      if let refusal = device.refusal {
        refusals.append(refusal.hasPrefix(device.path) ? refusal : "\(device.path) \(refusal)")
        continue
      }
      do throws(EncoderError) {
        return .success(
          try Engine.open(
            codec, configuration, path: device.path, transport: transport, observer: observer))
      } catch {
        refusals.append(error.description)
      }
    }
    let found =
      refusals.isEmpty ? "there is no /dev/video* node" : refusals.joined(separator: "; ")
    let reason = DeviceCatalog.boardLacksEncoder.map { "\($0); \(found)" } ?? found
    return .failure(
      EncoderError(
        .deviceUnavailable, "no usable \(codec.name) encoder on this machine: \(reason)"))
  }

  package var negotiated: NegotiationReport { engine.core.withLock { $0.setup.report } }
  package var configuration: EncoderConfiguration { engine.core.withLock { $0.configuration } }
  package var packets: PacketSequence { PacketSequence(engine.mailbox) }
  package var statistics: EncoderStatistics {
    var statistics = engine.core.withLock { $0.currentStatistics }
    statistics.packetsWaiting = engine.mailbox.waitingCount
    return statistics
  }

  package nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions
  ) async throws(EncoderError) {
    try await engine.encode(frame, options: options)
  }

  package nonisolated(nonsending) func nextInputBuffer() async throws(EncoderError) -> InputBuffer {
    let (index, memory, setup) = try await engine.lend()
    return InputBuffer(engine: engine, setup: setup, index: index, memory: memory)
  }

  package nonisolated(nonsending) func encode(
    _ buffer: consuming InputBuffer, presentationTime: Int64, duration: Int64,
    options: FrameOptions
  ) async throws(EncoderError) {
    guard buffer.engine === engine else {
      throw EncoderError(.invalidFrame, "the buffer was lent by another encoder")
    }
    let setup = buffer.setup
    guard let index = buffer.redeem() else { return }
    try await engine.encode(
      heldIndex: index, of: setup, presentationTime: presentationTime, duration: duration,
      options: options)
  }

  package nonisolated(nonsending) func update(
    _ settings: DynamicSettings
  ) async throws(EncoderError) -> [ControlOutcome] {
    try await engine.update(settings)
  }

  package nonisolated(nonsending) func requestKeyFrame() async throws(EncoderError) {
    try await engine.requestKeyFrame()
  }

  package nonisolated(nonsending) func reconfigure(
    _ configuration: EncoderConfiguration
  ) async throws(EncoderError) -> NegotiationReport {
    try await engine.reconfigure(configuration)
  }

  package nonisolated(nonsending) func drain() async throws(EncoderError) {
    try await engine.drain()
  }

  package nonisolated(nonsending) func close() async {
    engine.requestClose()
    // A device thread that hangs in a request is left behind; it cleans up when it returns.
    _ = await engine.exited.value(within: engine.configuration.deadlines.setup)
  }
}
