/// Another size, format or anything else that is negotiated, without another encoder.
extension Engine {
  /// Brings everything out, negotiates anew and starts again; the packets go on in one sequence.
  nonisolated(nonsending) func reconfigure(
    _ wanted: EncoderConfiguration
  ) async throws(EncoderError) -> NegotiationReport {
    if let error = core.withLock({ $0.machine.terminalError }) { throw error }
    try ConfigurationCheck.validate(wanted, for: codec)
    try ConfigurationCheck.validateChange(from: configuration, to: wanted)
    try await letFramesBeforePass()
    return try await atRest { .configuration(wanted, $0) }.get()
  }

  /// Frames that wait already, in the library or in `encode`, are of the size that is still in
  /// force.
  private nonisolated(nonsending) func letFramesBeforePass() async throws(EncoderError) {
    if core.withLock({ $0.waiting.lastSequence != nil }) { try await drain() }
    guard core.withLock({ !$0.inputWaiters.isEmpty }) else { return }
    if case .buffer(let index) = try await reserve(InputClaim(patience: .wait)) {
      cancelReservation(of: index)
    }
  }
}

extension EngineLoop {
  /// Goes over to another configuration; both queues are stopped and no caller is in a request.
  ///
  /// What the driver refuses leaves the configuration that was in force, with new buffers. Where
  /// not even that can be had again, the session fails.
  mutating func change(
    to wanted: EncoderConfiguration
  ) -> Result<NegotiationReport, EncoderError> {
    let (inForce, end) = engine.core.withLock { ($0.configuration, $0.machine.terminalError) }
    if let end { return .failure(end) }
    do throws(EncoderError) {
      try startAfresh()
    } catch {
      return .failure(error)
    }
    do throws(EncoderError) {
      try prepareStream(wanted, keeping: wanted)
      startAnotherStream()
      engine.observer.event?(.reconfigured(setup.report))
      return .success(setup.report)
    } catch {
      do throws(EncoderError) {
        if device.family.encodesOnce { try openAnew() }
        try prepareStream(inForce, keeping: inForce)
        startAnotherStream()
      } catch let last {
        engine.fail(
          EncoderError(
            last.code, operation: last.operation, errno: last.errno,
            "\(error.message); and the former settings failed, too: \(last.message)"))
      }
      return .failure(error)
    }
  }

  /// Negotiates and allocates anew; `kept` counts as what the caller asked for.
  mutating func prepareStream(
    _ configuration: EncoderConfiguration, keeping kept: EncoderConfiguration
  ) throws(EncoderError) {
    let stream: (setup: StreamSetup, backing: InputBacking, outputs: [MappedBuffer])
    do throws(EncoderError) {
      stream = try Engine.prepareStream(
        device, engine.codec, configuration, observer: engine.observer)
    } catch {
      // One of the queues may have its buffers already.
      _ = try? handle.requestBuffers(
        device.outputType, count: 0, memory: configuration.inputMemory.bufferMemory)
      _ = try? handle.requestBuffers(device.outputType, count: 0)
      _ = try? handle.requestBuffers(device.captureType, count: 0)
      throw error
    }
    setup = stream.setup
    outputs = stream.outputs
    engine.core.withLock { $0.change(to: stream.setup, stream.backing, kept) }
  }

  private mutating func startAnotherStream() {
    assembler.startAnew()
    hasReportedSize = false
    engine.core.withLock { $0.hasRefusedImport = false }
  }

  /// Frees all buffers, and opens a device anew that takes nothing else otherwise.
  ///
  /// - Throws: `buffersLent` as `freeBuffers`; after any other error the session has failed.
  mutating func startAfresh() throws(EncoderError) {
    guard device.family.encodesOnce else { return try freeBuffers() }
    // Buffers on loan stay with the former opening, also where the driver keeps all of them then.
    let (memory, _) = dropInputs()
    outputs = []
    _ = try? handle.requestBuffers(device.outputType, count: 0, memory: memory)
    _ = try? handle.requestBuffers(device.captureType, count: 0)
    do throws(EncoderError) {
      try openAnew()
    } catch {
      engine.fail(error)
      throw error
    }
  }

  /// Gives both queues' buffers back to the driver; what is on loan stays mapped by its holder.
  ///
  /// - Throws: `buffersLent` when the driver keeps buffers as long as one is mapped, as kernels
  ///   before 4.20 do (`V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS` came with it); nothing has changed
  ///   then.
  private mutating func freeBuffers() throws(EncoderError) {
    let (memory, count) = dropInputs()
    do throws(Errno) {
      _ = try handle.requestBuffers(device.outputType, count: 0, memory: memory)
    } catch {
      guard error == .busy, count > 0 else { throw failure("VIDIOC_REQBUFS", error) }
      try mapAgain(count)
      throw EncoderError(
        .buffersLent, operation: "VIDIOC_REQBUFS", errno: error,
        "\(device.path) keeps its buffers while one is on loan; give all of them back first")
    }
    outputs = []
    do throws(Errno) {
      _ = try handle.requestBuffers(device.captureType, count: 0)
    } catch {
      throw failure("VIDIOC_REQBUFS", error)
    }
  }

  /// Undoes the mappings of OUTPUT buffers (raw frames) that nobody else holds.
  private func dropInputs() -> (memory: BufferMemory, count: Int) {
    let backing = engine.core.withLock { core -> InputBacking in
      defer { core.backing = .mapped([]) }
      return core.backing
    }
    guard case .mapped(let buffers) = backing else { return (backing.memory, 0) }
    return (.mapped, buffers.count)
  }

  private func mapAgain(_ count: Int) throws(EncoderError) {
    do throws(DeviceRequestError) {
      let buffers = try device.mapBuffers(
        .output, count: count, planeSizes: setup.report.planeSizes)
      engine.core.withLock { $0.backing = .mapped(buffers) }
    } catch {
      throw failure(error.operation, error.errno)
    }
  }

  /// Ends the session, which has no buffers to go on with.
  private func failure(_ operation: String, _ errno: Errno) -> EncoderError {
    let error = EncoderError(
      operation, errno, device: device.path, while: "exchanging its buffers")
    engine.fail(error)
    return error
  }
}
