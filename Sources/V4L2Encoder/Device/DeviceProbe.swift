/// Finds out what a node is, by QUERYCAP and the ENUM requests, without streaming.
package enum DeviceProbe {
  /// How long a node may take to open and to answer; bcm2835-codec takes 60 ms.
  package static let patience = Duration.seconds(2)

  /// What was found, with the capabilities an encoder is opened by.
  package struct Finding {
    package var report: DeviceReport
    package var capabilities: DeviceCapabilities?
  }

  /// Opens, examines and closes a node, on a thread that is left behind when the node hangs.
  ///
  /// - Parameters:
  ///   - path: the node.
  ///   - transport: how it is opened.
  ///   - machine: where it is, since some boards' nodes must not be opened.
  ///   - size: the pictures whose frame rate is asked for; nil for the largest ones.
  ///   - limit: how long all of it may take.
  /// - Returns: what was found, or why nothing was.
  package static func examine(
    path: String, transport: any Transport, on machine: Machine = .current,
    size: VideoSize? = nil, within limit: Duration = patience
  ) -> DeviceReport {
    let report: DeviceReport?
    do throws(Errno) {
      report = try BoundedCall.run(named: "v4l2-probe", within: limit) {
        examineNow(path: path, transport: transport, on: machine, size: size)
      }
    } catch {
      return DeviceReport(
        path,
        EncoderError(
          .outOfMemory, operation: "pthread_create", errno: error, "no thread to ask \(path)"))
    }
    return report
      ?? DeviceReport(
        path,
        EncoderError(
          .deviceStalled,
          "\(path) has not answered within \(limit); its driver, or the program that serves it, "
            + "hangs"
        ))
  }

  private static func examineNow(
    path: String, transport: any Transport, on machine: Machine, size: VideoSize?
  ) -> DeviceReport {
    do throws(EncoderError) {
      let handle = try transport.openNode(path, on: machine)
      defer { handle.close() }
      return examine(path: path, handle: handle, size: size).report
    } catch {
      return DeviceReport(path, error)
    }
  }

  /// Examines an open node.
  package static func examine(
    path: String, handle: any DeviceHandle, size: VideoSize? = nil
  ) -> Finding {
    let capabilities: DeviceCapabilities
    do throws(Errno) {
      capabilities = try handle.queryCapabilities()
    } catch {
      let failure = EncoderError(
        .notAnEncoder, operation: "VIDIOC_QUERYCAP", errno: error, "\(path) is no V4L2 device")
      return Finding(report: DeviceReport(path, failure), capabilities: nil)
    }
    var report = DeviceReport(path: path, kind: .unknown)
    report.driver = capabilities.driver
    report.card = capabilities.card
    report.bus = capabilities.bus
    report.isMultiplanar = capabilities.isMultiplanarMemoryToMemory
    guard capabilities.isMemoryToMemory else {
      report.kind = capabilities.isCapture ? .camera : .other
      let what = capabilities.isCapture ? "a camera or another source of pictures" : "no codec"
      report.refusal = "\(path) is \(what) (\(capabilities.driver)), not an encoder"
      return Finding(report: report, capabilities: capabilities)
    }
    let device = EncoderDevice(handle: handle, path: path, capabilities: capabilities)
    let coded = (try? handle.formats(device.captureType)) ?? []
    let raw = (try? handle.formats(device.outputType)) ?? []
    classify(device, coded: coded, raw: raw, size: size, report: &report)
    return Finding(report: report, capabilities: capabilities)
  }

  private static func classify(
    _ device: EncoderDevice, coded: [FormatDescription], raw: [FormatDescription],
    size: VideoSize?, report: inout DeviceReport
  ) {
    let stills: Set<PixelFormat> = [.jpeg, .mjpeg]
    let codecs = coded.filter { $0.isCompressed && !stills.contains($0.format) }
    guard !codecs.isEmpty else {
      if raw.contains(where: \.isCompressed) {
        report.kind = .decoder
        report.refusal = "\(report.path) is a decoder (\(device.named)), not an encoder"
      } else if coded.contains(where: \.isCompressed) {
        report.kind = .other
        report.refusal = "\(report.path) encodes still pictures (\(device.named)), not video"
      } else {
        report.kind = .converter
        report.refusal = "\(report.path) converts pictures (\(device.named)), it does not encode"
      }
      return
    }
    report.kind = .encoder
    report.rawFormats = raw.map(\.format)
    report.codecs = codecs.map { description in
      let range = device.handle.sizeRange(of: description.format)
      let asked = size ?? range?.maximum
      return DeviceReport.Codec(
        format: description.format, minimumSize: range?.minimum, maximumSize: range?.maximum,
        maximumFrameRate: asked.flatMap {
          device.handle.highestFrameRate(of: description.format, $0)
        })
    }
    if !device.capabilities.canStream {
      report.refusal = "\(report.path) (\(device.named)) cannot stream (V4L2_CAP_STREAMING)"
    } else if raw.isEmpty {
      report.refusal = "\(report.path) (\(device.named)) takes no raw format"
    }
  }
}

extension DeviceReport {
  /// A node that could not be examined.
  fileprivate init(_ path: String, _ failure: EncoderError) {
    self.init(path: path, kind: .unknown)
    refusal = failure.description
    error = failure
  }
}

extension Transport {
  /// Opens a node, unless its board is known to hang then; what fails is said in words.
  ///
  /// A signal may interrupt the opening of a file that a server answers for (FUSE); a storm of
  /// them ends as it does for requests.
  package func openNode(
    _ path: String, on machine: Machine = .current
  ) throws(EncoderError) -> any DeviceHandle {
    if let refusal = machine.board?.refusal(ofOpening: path) {
      throw EncoderError(.deviceUnavailable, refusal)
    }
    let deadline = MonotonicTime.now + .seconds(2)
    while true {
      do throws(OpenFailure) {
        return try open(path)
      } catch {
        guard error.errno == .interrupted, MonotonicTime.now < deadline else {
          throw EncoderError(error, device: path)
        }
      }
    }
  }
}
