/// Asks a camera what it offers.
struct CameraExamination {
  let path: String

  /// Opens, asks and closes the camera, on a thread that is left behind when it hangs.
  func examine(
    _ transport: any Transport, within limit: Duration
  ) throws(EncoderError) -> CameraReport {
    try BoundedCall.ask(path, within: limit) { () throws(EncoderError) in
      try examineNow(transport)
    }
  }

  private func examineNow(_ transport: any Transport) throws(EncoderError) -> CameraReport {
    let camera = try CameraDevice.open(path, transport)
    defer { camera.handle.close() }
    let current = camera.handle.currentInput()
    let formats: [FormatDescription]
    do throws(Errno) {
      formats = try camera.handle.formats(camera.bufferType)
    } catch {
      throw EncoderError("VIDIOC_ENUM_FMT", error, device: path, while: "listing its formats")
    }
    return CameraReport(
      path: path, driver: camera.capabilities.driver, card: camera.capabilities.card,
      bus: camera.capabilities.bus,
      inputs: camera.handle.inputs().map { input in
        var input = input
        // Drivers know the signal of the input in force only.
        if input.index != current { input.signalLoss = nil }
        return input
      },
      currentInput: current,
      formats: formats.map { description in
        CameraOffer(
          format: description.format, isCompressed: description.isCompressed,
          sizes: camera.handle.offeredSizes(of: description.format))
      })
  }
}

/// An open device that captures pictures.
struct CameraDevice: Sendable {
  let handle: any DeviceHandle
  let capabilities: DeviceCapabilities
  let bufferType: UInt32

  static func open(
    _ path: String, _ transport: any Transport
  ) throws(EncoderError) -> CameraDevice {
    let handle: any DeviceHandle
    do throws(OpenFailure) {
      handle = try transport.open(path)
    } catch {
      throw EncoderError(error, device: path)
    }
    do throws(EncoderError) {
      let capabilities: DeviceCapabilities
      do throws(Errno) {
        capabilities = try handle.queryCapabilities()
      } catch {
        throw EncoderError(
          .deviceUnavailable, operation: "VIDIOC_QUERYCAP", errno: error,
          "\(path) is no V4L2 device")
      }
      guard capabilities.isCapture, capabilities.canStream, !capabilities.isMemoryToMemory else {
        throw EncoderError(
          .unsupported, "\(path) (\(capabilities.driver)) is no camera that streams pictures")
      }
      return CameraDevice(
        handle: handle, capabilities: capabilities,
        bufferType: QueueDirection.capture.bufferType(
          multiplanar: capabilities.isMultiplanarCapture))
    } catch {
      handle.close()
      throw error
    }
  }
}

extension DeviceSelector {
  /// The camera that is meant.
  var camera: (path: String, transport: any Transport) {
    get throws(EncoderError) {
      guard case .node(let path, let transport) = choice else {
        throw EncoderError(
          .invalidConfiguration, "name the camera: there is no automatic choice of a camera")
      }
      return (path, transport)
    }
  }
}
