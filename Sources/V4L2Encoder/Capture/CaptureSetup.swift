/// Agrees with a camera on input, signal, format and rate, and makes its buffers.
struct CaptureSetup: Sendable {
  let path: String
  let configuration: CaptureConfiguration
  let camera: CameraDevice
  let watch: SignalWatch

  private var handle: any DeviceHandle { camera.handle }
  private var type: UInt32 { camera.bufferType }

  /// Opens a camera and chooses its input.
  init(
    path: String, configuration: CaptureConfiguration, transport: any Transport
  ) throws(EncoderError) {
    let format = configuration.format
    guard format.info != nil || format.isStillPicture else {
      throw EncoderError(
        .invalidConfiguration, "\(format) is no raw format this library knows, and no JPEG")
    }
    self.path = path
    self.configuration = configuration
    camera = try CameraDevice.open(path, transport)
    do throws(EncoderError) {
      try Self.select(configuration.input, on: camera.handle, path: path)
    } catch {
      camera.handle.close()
      throw error
    }
    watch = SignalWatch(camera.handle)
  }

  private static func select(
    _ input: Int?, on handle: any DeviceHandle, path: String
  ) throws(EncoderError) {
    guard let input, handle.currentInput() != input else { return }
    do throws(Errno) {
      try handle.selectInput(input)
    } catch {
      let names = handle.inputs().map { "\($0.index) (\($0.name))" }
      guard error == .invalidArgument || error == .notSupported else {
        throw EncoderError("VIDIOC_S_INPUT", error, device: path, while: "choosing input \(input)")
      }
      throw EncoderError(
        .invalidConfiguration, operation: "VIDIOC_S_INPUT", errno: error,
        "\(path) has no input \(input); "
          + (names.isEmpty ? "it has no inputs to choose from" : names.joined(separator: ", ")))
    }
  }

  /// Sets the camera up for the signal that is there, or for the last one if there is none.
  func makeStream(
    generation: Int, timings measured: DVTimings?
  ) throws(EncoderError) -> CaptureStream {
    // As long as there are buffers, drivers refuse another signal and another format.
    if generation > 0 { try freeBuffers() }
    var differences: [String] = []
    let timings = try adopt(measured)
    let queueFormat = try setFormat()
    let size = queueFormat.size
    if let asked = configuration.size, size != asked {
      differences.append("size: asked for \(asked), the camera sends \(size)")
    }
    if !queueFormat.isProgressive {
      differences.append(
        "interlaced: the camera sends fields, which are encoded as whole pictures")
    }
    let rate = frameRate(timings, &differences)
    var format = CaptureFormat(
      format: queueFormat.format, cameraFormat: queueFormat.format, size: size, frameRate: rate,
      color: ColorDescription(driver: queueFormat), inputMemory: .copied, generation: generation)
    let content: CaptureStream.Content
    let backings: [CaptureStream.Backing]
    if queueFormat.format.isStillPicture {
      backings = try makeBuffers(queueFormat, mayExport: false)
      content = .jpeg(try jpegReader(&format, frames: backings.count))
    } else {
      let layout = try DriverLayout.driver(
        queueFormat.format, bufferSize: size,
        bytesPerLine: queueFormat.planes.map(\.bytesPerLine),
        planeSizes: queueFormat.planes.map(\.byteCount))
      backings = try makeBuffers(queueFormat, mayExport: true)
      content = .raw(layout)
      if case .exported? = backings.first {
        format.inputMemory = .dmabuf(planes: layout.colorPlanes)
      }
    }
    return CaptureStream(
      on: camera, queueFormat: queueFormat, format: format, content: content, backings: backings,
      timings: timings, differences: differences)
  }

  /// Sets the timings of the signal that is there; returns those in force.
  private func adopt(_ measured: DVTimings?) throws(EncoderError) -> DVTimings? {
    let inForce = watch.hasDVTimings ? try? handle.currentTimings() : nil
    guard let measured else { return inForce }
    if let inForce, inForce.matches(measured) { return inForce }
    do throws(Errno) {
      try handle.setTimings(measured)
    } catch {
      throw EncoderError(
        "VIDIOC_S_DV_TIMINGS", error, device: path,
        while: "setting the timings of the signal (\(measured.size))")
    }
    return measured
  }

  private func frameRate(_ timings: DVTimings?, _ differences: inout [String]) -> Rational? {
    guard let asked = configuration.frameRate else {
      return timings?.frameRate ?? handle.captureFrameRate(type)
    }
    let granted: Rational?
    do throws(Errno) {
      let answer = try handle.setFrameRate(.capture, type, asked)
      // A digital signal's rate is not the driver's to choose.
      granted =
        timings?.frameRate ?? (answer.numerator > 0 && answer.denominator > 0 ? answer : nil)
    } catch {
      differences.append("frame rate: the camera does not take one (VIDIOC_S_PARM: \(error))")
      return timings?.frameRate
    }
    if let granted, abs(granted.value - asked.value) > asked.value * 1e-9 {
      differences.append("frame rate: asked for \(asked), the camera sends \(granted)")
    }
    return granted
  }

  /// Decodes to what was asked for, and describes the decoded frames.
  private func jpegReader(
    _ format: inout CaptureFormat, frames: Int
  ) throws(EncoderError) -> JPEGReader {
    // JPEG is full range, BT.601 and sRGB, unless the driver knows better (ITU-T T.871).
    if format.color.primaries == .unspecified { format.color.primaries = .sRGB }
    if format.color.transfer == .unspecified { format.color.transfer = .sRGB }
    if format.color.matrix == .unspecified { format.color.matrix = .bt601 }
    let decoder = try JPEGDecoder(
      to: configuration.jpeg.format, size: format.size,
      limitsRange: configuration.jpeg.range == .limited)
    format.format = decoder.format
    format.color.range = configuration.jpeg.range == .limited ? .limited : .full
    return JPEGReader(decoder: decoder, frames: frames)
  }

  private func setFormat() throws(EncoderError) -> QueueFormat {
    let granted: QueueFormat
    do throws(Errno) {
      var wanted = try handle.format(type)
      wanted.format = configuration.format
      if let size = configuration.size { wanted.size = size }
      wanted.planes = Array(
        repeating: QueueFormat.Plane(bytesPerLine: 0, byteCount: 0),
        count: configuration.format.info?.memoryPlanes ?? 1)
      granted = try handle.setFormat(type, wanted)
    } catch {
      throw EncoderError("VIDIOC_S_FMT", error, device: path, while: "setting the format")
    }
    guard granted.format == configuration.format else {
      let offered = (try? handle.formats(type))?.map(\.format.description) ?? []
      throw EncoderError(
        .unsupported,
        "\(path) does not send \(configuration.format); it sends "
          + offered.joined(separator: ", "))
    }
    return granted
  }
}

extension CaptureSetup {
  /// Frees the buffers of the former set-up.
  ///
  /// Linux before 5.0 does so only when nobody maps or imports them any more; frames that are
  /// still held are waited for there.
  private func freeBuffers() throws(EncoderError) {
    let limit = MonotonicTime.now + configuration.deadlines.setup
    while true {
      do throws(Errno) {
        _ = try handle.requestBuffers(type, count: 0)
        return
      } catch {
        guard error == .busy, MonotonicTime.now < limit else {
          throw EncoderError(
            "VIDIOC_REQBUFS", error, device: path, while: "freeing the buffers of another signal")
        }
        DeviceThread.sleep(.milliseconds(10))
      }
    }
  }

  /// Exports the buffers if that is of use; maps them otherwise, or where the driver exports none.
  private func makeBuffers(
    _ format: QueueFormat, mayExport: Bool
  ) throws(EncoderError) -> [CaptureStream.Backing] {
    var operation = "VIDIOC_REQBUFS"
    do throws(Errno) {
      let granted = try handle.requestBuffers(type, count: min(max(configuration.buffers, 2), 32))
      guard (1...1024).contains(granted) else { throw .invalidArgument }
      if mayExport, let exported = try exportBuffers(format, count: granted, &operation) {
        return exported
      }
      operation = "mmap"
      var backings: [CaptureStream.Backing] = []
      for index in 0..<granted {
        let planes = try handle.queryBuffer(type, index: index)
        guard planes.count == 1, let length = planes.first?.length,
          let wanted = format.planes.first?.byteCount, length >= wanted
        else { throw .invalidArgument }
        backings.append(
          .mapped(
            try MappedBuffer(handle: handle, bufferType: type, index: index, planes: planes)))
      }
      return backings
    } catch {
      throw EncoderError(operation, error, device: path, while: "allocating buffers")
    }
  }

  /// Exports all buffers; nil where the driver exports none.
  private func exportBuffers(
    _ format: QueueFormat, count: Int, _ operation: inout String
  ) throws(Errno) -> [CaptureStream.Backing]? {
    operation = "VIDIOC_EXPBUF"
    var backings: [CaptureStream.Backing] = []
    for index in 0..<count {
      do throws(Errno) {
        backings.append(
          .exported(
            try ExportedBuffer(
              handle: handle, bufferType: type, index: index, planeCount: format.planes.count)))
      } catch {
        guard index == 0 else { throw error }
        return nil
      }
    }
    return backings
  }
}
