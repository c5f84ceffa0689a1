extension Engine {
  /// Opens and configures a device; runs on the device thread, since any of it may block.
  static func open(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, path: String,
    transport: any Transport, observer: EncoderObserver
  ) throws(EncoderError) -> Engine {
    let handle = try transport.openNode(path)
    do throws(EncoderError) {
      return try configure(
        codec, configuration, path: path, handle: handle, observer: observer)
    } catch {
      handle.close()
      throw error
    }
  }

  private static func configure(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, path: String,
    handle: any DeviceHandle, observer: EncoderObserver
  ) throws(EncoderError) -> Engine {
    let finding = DeviceProbe.examine(path: path, handle: handle)
    guard let capabilities = finding.capabilities, finding.report.refusal == nil else {
      throw finding.report.error
        ?? EncoderError(.notAnEncoder, finding.report.refusal ?? "\(path) is no V4L2 device")
    }
    let device = EncoderDevice(handle: handle, path: path, capabilities: capabilities)
    let stream = try prepareStream(device, codec, configuration, observer: observer)
    // Newer drivers never send the event; those that know it may refuse it.
    try? handle.subscribeEndOfStream()
    let engine = Engine(
      device: device, codec: codec, configuration: configuration, observer: observer,
      setup: stream.setup, backing: stream.backing)
    engine.core.withLock { $0.captureBuffers = stream.outputs }
    do throws(DeviceRequestError) {
      try engine.startStreaming()
    } catch {
      throw error.duringSetup(of: device)
    }
    return engine
  }

  /// Negotiates and allocates both queues' buffers, which were free before.
  static func prepareStream(
    _ device: EncoderDevice, _ codec: VideoCodec, _ configuration: EncoderConfiguration,
    observer: EncoderObserver
  ) throws(EncoderError) -> (setup: StreamSetup, backing: InputBacking, outputs: [MappedBuffer]) {
    var negotiator = Negotiator(
      device: device, codec: codec, configuration: configuration, observer: observer)
    var agreement = try negotiator.negotiate()
    do throws(DeviceRequestError) {
      let wantedInputs = max(configuration.inputBuffers, agreement.minimumInputBuffers + 1)
      let (backing, inputCount) = try inputBuffers(
        device, count: wantedInputs, from: configuration.inputMemory, report: &agreement.report)
      let outputs = try device.allocateBuffers(
        .capture, count: configuration.outputBuffers,
        planeSizes: [agreement.report.codedBufferSize])
      agreement.report.inputBuffers = inputCount
      agreement.report.outputBuffers = outputs.count
      observer.emit(.info, agreement.report.summary)
      for difference in agreement.report.differences { observer.emit(.info, difference) }
      return (StreamSetup(agreement), backing, outputs)
    } catch {
      throw error.duringSetup(of: device)
    }
  }

  /// Makes places for the application's frames, or allocates and maps the driver's own buffers.
  private static func inputBuffers(
    _ device: EncoderDevice, count: Int, from memory: InputMemory,
    report: inout NegotiationReport
  ) throws(DeviceRequestError) -> (InputBacking, Int) {
    if report.isZeroCopy {
      do throws(Errno) {
        return try places(device, count: count, for: memory)
      } catch {
        // s5p-mfc knows no DMABUF on this queue, NVIDIA's plugin no USERPTR. videobuf2 derives
        // V4L2_BUF_CAP_SUPPORTS_* and this answer from the same bits (`io_modes`), and kernels
        // before 4.20 have the answer only.
        report.isZeroCopy = false
        report.differences.append(
          "frames are copied: the driver reads no \(memory.words) (VIDIOC_REQBUFS: \(error))")
      }
    }
    let (buffers, usable) = try mappedInputs(device, count: count, report)
    return (.mapped(buffers), usable)
  }

  /// Allocates and maps the driver's own buffers; returns how many of them are for frames.
  ///
  /// Where an empty frame ends a stream, one is kept for that: all others may be on loan then.
  private static func mappedInputs(
    _ device: EncoderDevice, count: Int, _ report: NegotiationReport
  ) throws(DeviceRequestError) -> ([MappedBuffer], Int) {
    let kept = device.family.drain == .emptyFrame ? 1 : 0
    let buffers = try device.allocateBuffers(
      .output, count: count + kept, planeSizes: report.planeSizes)
    return (buffers, max(1, buffers.count - kept))
  }

  private static func places(
    _ device: EncoderDevice, count: Int, for memory: InputMemory
  ) throws(Errno) -> (InputBacking, Int) {
    let granted = try device.handle.requestBuffers(
      device.outputType, count: count, memory: memory.bufferMemory)
    guard (1...1024).contains(granted) else { throw .invalidArgument }
    switch memory {
    case .userPointer: return (.pointers(PointerTable(count: granted)), granted)
    case .dmabuf, .copied: return (.imported(ImportTable(count: granted)), granted)
    }
  }

  /// Exchanges places for the driver's own buffers, between two stretches of streaming.
  func replacePlacesByMappedBuffers() throws(DeviceRequestError) {
    let (count, memory, report) = core.withLock {
      ($0.pool.count, $0.backing.memory, $0.setup.report)
    }
    do throws(Errno) {
      _ = try device.handle.requestBuffers(device.outputType, count: 0, memory: memory)
    } catch {
      throw DeviceRequestError("VIDIOC_REQBUFS", error)
    }
    let (buffers, usable) = try Self.mappedInputs(device, count: count, report)
    core.withLock { core in
      core.backing = .mapped(buffers)
      core.pool = InputPool(count: usable)
      core.mustCopy = false
    }
  }

  /// Queues every CAPTURE buffer (encoded bytes) and starts both queues.
  ///
  /// CAPTURE starts first: Tegra's driver blocks otherwise (Chromium's encoder notes it).
  func startStreaming() throws(DeviceRequestError) {
    let outputCount = core.withLock { $0.setup.report.outputBuffers }
    var operation = "VIDIOC_QBUF"
    do throws(Errno) {
      for index in 0..<outputCount {
        try device.handle.queueEmpty(device.captureType, index: index)
        core.withLock { $0.captureHeld += 1 }
      }
      operation = "VIDIOC_STREAMON"
      try device.handle.streamOn(device.captureType)
      try device.handle.streamOn(device.outputType)
    } catch {
      throw DeviceRequestError(operation, error)
    }
  }

  /// Stops both queues; every buffer belongs to the library again.
  func stopStreaming() throws(DeviceRequestError) {
    do throws(Errno) {
      try device.handle.streamOff(device.outputType)
      try device.handle.streamOff(device.captureType)
    } catch {
      throw DeviceRequestError("VIDIOC_STREAMOFF", error)
    }
  }
}

extension DeviceRequestError {
  /// What a request means that fails between the negotiation and the first frame.
  func duringSetup(of device: EncoderDevice) -> EncoderError {
    guard errno == .invalidArgument else {
      return EncoderError(operation, errno, device: device.path, while: "allocating buffers")
    }
    return EncoderError(
      .protocolViolation, operation: operation, errno: errno,
      "\(device.path) gives buffers that do not fit its own format, or refuses its own settings")
  }
}
