extension Engine {
  /// Opens and configures a device; runs on the device thread, since any of it may block.
  static func open(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, path: String,
    transport: any Transport, observer: EncoderObserver
  ) throws(EncoderError) -> Engine {
    let handle: any DeviceHandle
    do throws(Errno) {
      handle = try transport.open(path)
    } catch {
      throw EncoderError("open", error, device: path, while: "opening it")
    }
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
      throw EncoderError(
        .notAnEncoder, finding.report.refusal ?? "\(path) is no V4L2 device")
    }
    let device = EncoderDevice(handle: handle, path: path, capabilities: capabilities)
    var negotiator = Negotiator(
      device: device, codec: codec, configuration: configuration, observer: observer)
    var agreement = try negotiator.negotiate()
    let action = "allocating buffers"
    do throws(DeviceRequestError) {
      let inputs = try device.allocateBuffers(
        .output, count: max(configuration.inputBuffers, agreement.minimumInputBuffers + 1),
        planeSizes: agreement.report.planeSizes)
      let outputs = try device.allocateBuffers(
        .capture, count: configuration.outputBuffers,
        planeSizes: [agreement.report.codedBufferSize])
      agreement.report.inputBuffers = inputs.count
      agreement.report.outputBuffers = outputs.count
      observer.emit(.info, agreement.report.summary)
      for difference in agreement.report.differences { observer.emit(.info, difference) }
      // Newer drivers never send the event; those that know it may refuse it.
      try? handle.subscribeEndOfStream()
      let engine = Engine(
        device: device, codec: codec, configuration: configuration, observer: observer,
        agreement: agreement, inputs: inputs, outputs: outputs)
      try engine.startStreaming()
      return engine
    } catch {
      guard error.errno == .invalidArgument else {
        throw EncoderError(error.operation, error.errno, device: path, while: action)
      }
      throw EncoderError(
        .protocolViolation, operation: error.operation, errno: error.errno,
        "\(path) gives buffers that do not fit its own format, or refuses its own settings")
    }
  }

  /// Queues every CAPTURE buffer (encoded bytes) and starts both queues.
  ///
  /// CAPTURE starts first: Tegra's driver blocks otherwise (Chromium's encoder notes it).
  func startStreaming() throws(DeviceRequestError) {
    var operation = "VIDIOC_QBUF"
    do throws(Errno) {
      for index in outputs.indices {
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
