/// Agrees with a camera on format and rate, and makes its buffers.
struct CaptureSetup {
  let path: String
  let configuration: CaptureConfiguration

  /// What the camera granted.
  struct Agreement {
    var format: QueueFormat
    var layout: DriverLayout
    var backings: [CaptureEngine.Backing]
    var frameRate: Rational?
    var differences: [String]
  }

  func open(_ transport: any Transport) throws(EncoderError) -> CaptureEngine {
    let handle: any DeviceHandle
    do throws(OpenFailure) {
      handle = try transport.open(path)
    } catch {
      throw EncoderError(error, device: path)
    }
    do throws(EncoderError) {
      let type = try captureType(of: handle)
      let agreement = try agree(handle, type)
      return CaptureEngine(
        handle: handle, path: path, bufferType: type, configuration: configuration,
        agreement: agreement)
    } catch {
      handle.close()
      throw error
    }
  }

  private func captureType(of handle: any DeviceHandle) throws(EncoderError) -> UInt32 {
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
    return QueueDirection.capture.bufferType(multiplanar: capabilities.isMultiplanarCapture)
  }

  private func agree(
    _ handle: any DeviceHandle, _ type: UInt32
  ) throws(EncoderError) -> Agreement {
    guard configuration.format.info != nil else {
      throw EncoderError(
        .invalidConfiguration, "\(configuration.format) is no raw format this library knows")
    }
    var differences: [String] = []
    let format = try setFormat(handle, type)
    if format.size != configuration.size {
      differences.append("size: asked for \(configuration.size), the camera sends \(format.size)")
    }
    let layout = try DriverLayout.driver(
      format.format, bufferSize: format.size, bytesPerLine: format.planes.map(\.bytesPerLine),
      planeSizes: format.planes.map(\.byteCount))
    var rate: Rational?
    if let asked = configuration.frameRate {
      do throws(Errno) {
        let granted = try handle.setFrameRate(.capture, type, asked)
        if granted.numerator > 0, granted.denominator > 0 { rate = granted }
        if abs(granted.value - asked.value) > asked.value * 1e-9 {
          differences.append("frame rate: asked for \(asked), the camera sends \(granted)")
        }
      } catch {
        differences.append("frame rate: the camera does not take one (VIDIOC_S_PARM: \(error))")
      }
    }
    let backings = try makeBuffers(handle, type, format)
    return Agreement(
      format: format, layout: layout, backings: backings, frameRate: rate,
      differences: differences)
  }

  private func setFormat(
    _ handle: any DeviceHandle, _ type: UInt32
  ) throws(EncoderError) -> QueueFormat {
    let granted: QueueFormat
    do throws(Errno) {
      var wanted = try handle.format(type)
      wanted.format = configuration.format
      wanted.size = configuration.size
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

  /// Exports the buffers; maps them where the driver exports none.
  private func makeBuffers(
    _ handle: any DeviceHandle, _ type: UInt32, _ format: QueueFormat
  ) throws(EncoderError) -> [CaptureEngine.Backing] {
    var operation = "VIDIOC_REQBUFS"
    do throws(Errno) {
      let granted = try handle.requestBuffers(type, count: min(max(configuration.buffers, 2), 32))
      guard (1...1024).contains(granted) else { throw .invalidArgument }
      var backings: [CaptureEngine.Backing] = []
      for index in 0..<granted {
        operation = "VIDIOC_EXPBUF"
        do throws(Errno) {
          backings.append(
            .exported(
              try ExportedBuffer(
                handle: handle, bufferType: type, index: index, planeCount: format.planes.count)))
          continue
        } catch {
          guard index == 0 else { throw error }
        }
        break
      }
      if backings.count == granted { return backings }
      operation = "mmap"
      for index in 0..<granted {
        let planes = try handle.queryBuffer(type, index: index)
        guard planes.count == 1, let length = planes.first?.length,
          length >= format.planes[0].byteCount
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
}
