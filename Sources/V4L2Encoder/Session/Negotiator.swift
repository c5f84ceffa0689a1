/// Agrees with a driver on formats, geometry and controls, in the kernel's order:
/// CAPTURE format, OUTPUT format, crop, frame rate, controls.
///
/// Only what the driver returned is used afterwards; every difference from what was asked is
/// noted in the report.
package struct Negotiator {
  let device: EncoderDevice
  let codec: VideoCodec
  let configuration: EncoderConfiguration
  let observer: EncoderObserver
  let family: DriverFamily
  package var report = NegotiationReport()

  package init(
    device: EncoderDevice, codec: VideoCodec, configuration: EncoderConfiguration,
    observer: EncoderObserver
  ) {
    self.device = device
    self.codec = codec
    self.configuration = configuration
    self.observer = observer
    family = device.family
  }

  /// The way from the frame's format into the driver's planes.
  package struct Agreement: Sendable {
    package var report: NegotiationReport
    package var writer: FrameWriter
    package var minimumInputBuffers: Int
    /// How many pictures a packet may overtake: the B-frames that the driver granted.
    package var reorderDepth: Int
  }

  package mutating func negotiate() throws(EncoderError) -> Agreement {
    report.driver = device.capabilities.driver
    report.card = device.capabilities.card
    report.family = family.name
    report.path = device.path
    report.isMultiplanar = device.isMultiplanar
    report.frameRate = configuration.frameRate
    report.color = configuration.color
    let coded = try codedFormat()
    report.visibleSize = try ConfigurationCheck.visibleSize(configuration)
    noteCrop()
    try setCodedFormat(coded.format)
    let raw = try setRawFormat(codedFormat: coded.format)
    try crop(bufferSize: raw.size)
    // The OUTPUT format may have changed the CAPTURE one: its buffer size counts from here.
    try readCodedFormat(coded.format)
    setFrameRate(captureToo: coded.hasCaptureFrameInterval || family.takesRateOnCapture)
    try setControls()
    report.keyFrames = keyFrameMethod()
    let writer = try FrameWriter(
      inputFormat: configuration.inputFormat, frameSize: configuration.size,
      visibleSize: report.visibleSize, rawFormat: raw, color: configuration.color)
    decideOnZeroCopy(writer)
    report.isPassThrough = writer.isPassThrough
    report.conversion = writer.conversion
    return Agreement(
      report: report, writer: writer, minimumInputBuffers: minimumInputBuffers(),
      reorderDepth: grantedReorderDepth())
  }

  // MARK: - Formats

  /// Finds the codec's FourCC; HEVC has two names (NVIDIA's plugin says H265).
  func codedFormat() throws(EncoderError) -> FormatDescription {
    let names = family.codedFormats(for: codec)
    let offered: [FormatDescription]
    do throws(Errno) {
      offered = try device.handle.formats(device.captureType)
    } catch {
      throw EncoderError(
        "VIDIOC_ENUM_FMT", error, device: device.path, while: "listing its coded formats")
    }
    for name in names {
      if let match = offered.first(where: { $0.format == name }) { return match }
    }
    let compressed = offered.filter(\.isCompressed).map(\.format.description)
    guard !compressed.isEmpty else {
      throw EncoderError(.notAnEncoder, "\(device.path) is no video encoder (\(device.named))")
    }
    throw EncoderError(
      .notAnEncoder,
      "\(device.path) (\(device.named)) does not encode \(codec.name), only "
        + compressed.joined(separator: ", "))
  }

  /// Room for one coded picture: half the raw picture, which only the worst content at the lowest
  /// quantizers reaches, and at least what small pictures need for their headers.
  private var wantedCodedBufferSize: Int {
    let pixels = report.visibleSize.width * report.visibleSize.height
    return max(pixels * 3 / 4, 512 * 1024)
  }

  mutating func setCodedFormat(_ format: PixelFormat) throws(EncoderError) {
    // Starting from what the driver has: bcm2835-codec refuses a format built from zeros, and
    // s5p-mfc, mtk-vcodec-enc and rkmpp take the buffer size from the caller.
    var wanted: QueueFormat
    do throws(Errno) {
      wanted = try device.handle.format(device.captureType)
    } catch {
      wanted = QueueFormat(format: format, size: report.visibleSize, planes: [])
    }
    wanted.format = format
    wanted.size = report.visibleSize
    wanted.planes = [QueueFormat.Plane(bytesPerLine: 0, byteCount: wantedCodedBufferSize)]
    applyColor(to: &wanted)
    let granted = try setFormat(.capture, wanted)
    guard granted.format == format else {
      throw EncoderError(
        .protocolViolation, operation: "VIDIOC_S_FMT",
        "\(device.path) lists \(format) but gives \(granted.format) when asked for it")
    }
    report.codedFormat = format
  }

  mutating func setRawFormat(codedFormat: PixelFormat) throws(EncoderError) -> QueueFormat {
    let offered: [PixelFormat]
    do throws(Errno) {
      offered = try device.handle.formats(device.outputType).map(\.format)
    } catch {
      throw EncoderError(
        "VIDIOC_ENUM_FMT", error, device: device.path, while: "listing its raw formats")
    }
    guard
      let choice = FrameConverter.preferredTarget(
        for: configuration.inputFormat, among: offered)
    else {
      throw EncoderError(
        .unsupported,
        "\(device.path) takes \(offered.map(\.description).joined(separator: ", ")); "
          + "\(configuration.inputFormat) frames cannot be converted to any of them")
    }
    let planeCount = choice.info?.memoryPlanes ?? 1
    var wanted = QueueFormat(
      format: choice, size: report.visibleSize,
      planes: Array(
        repeating: QueueFormat.Plane(bytesPerLine: 0, byteCount: 0), count: planeCount))
    applyColor(to: &wanted)
    applyProducerLayout(to: &wanted)
    let granted = try setFormat(.output, wanted)
    guard granted.format == choice else {
      throw EncoderError(
        .protocolViolation, operation: "VIDIOC_S_FMT",
        "\(device.path) lists \(choice) but gives \(granted.format) when asked for it")
    }
    guard granted.size.width >= report.visibleSize.width,
      granted.size.height >= report.visibleSize.height
    else {
      throw EncoderError(.unsupported, sizeRefusal(granted: granted.size, codedFormat))
    }
    report.rawFormat = choice
    report.bufferSize = granted.size
    report.bytesPerLine = granted.planes.map(\.bytesPerLine)
    report.planeSizes = granted.planes.map(\.byteCount)
    checkColor(granted)
    return granted
  }

  /// A producer's lines and rows are asked for, so that the driver can read its frames in place.
  func applyProducerLayout(to format: inout QueueFormat) {
    guard let planes = configuration.inputMemory.planes, let luma = planes.first,
      luma.bytesPerLine > 0
    else { return }
    for plane in format.planes.indices {
      format.planes[plane].bytesPerLine =
        planes.indices.contains(plane) ? planes[plane].bytesPerLine : luma.bytesPerLine
    }
    if format.planes.count == 1, planes.count > 1 {
      let rows = planes[1].offset / luma.bytesPerLine
      format.size.height = max(format.size.height, min(rows, ConfigurationCheck.largestSide))
    }
  }

  /// Decides once whether frames are read in place; if not, why.
  mutating func decideOnZeroCopy(_ writer: FrameWriter) {
    let refusal: String?
    switch configuration.inputMemory {
    case .copied: return
    case .dmabuf(let planes): refusal = writer.importRefusal(planes)
    // How much memory there is, is known with each frame.
    case .userPointer(let planes):
      refusal = writer.addressRefusal(planes, offset: 0, byteCount: .max / 2)
    }
    guard let refusal else {
      report.isZeroCopy = true
      return
    }
    note("frames are copied: \(refusal)")
  }

  func sizeRefusal(granted: VideoSize, _ format: PixelFormat) -> String {
    let range = device.handle.sizeRange(of: format)
    let asked = report.visibleSize
    let isLarger = granted.width >= asked.width && granted.height >= asked.height
    if let least = range?.minimum ?? (isLarger ? granted : nil),
      asked.width < least.width || asked.height < least.height
    {
      return "\(device.path) takes no pictures below \(least), and this one is \(asked); "
        + "scale it up or pad it first"
    }
    let limit = range.map { " (\($0.minimum) to \($0.maximum))" }
    return "\(device.path) does not encode \(report.visibleSize), it would make it \(granted)"
      + "\(limit ?? ""); scale the picture first"
  }

  mutating func readCodedFormat(_ format: PixelFormat) throws(EncoderError) {
    var granted: QueueFormat
    do throws(Errno) {
      granted = try device.handle.format(device.captureType)
    } catch {
      throw EncoderError(
        "VIDIOC_G_FMT", error, device: device.path, while: "reading its coded format")
    }
    if (granted.planes.first?.byteCount ?? 0) < wantedCodedBufferSize / 4 {
      granted.planes = [QueueFormat.Plane(bytesPerLine: 0, byteCount: wantedCodedBufferSize)]
      granted = try setFormat(.capture, granted)
    }
    guard granted.format == format else {
      throw EncoderError(
        .protocolViolation, operation: "VIDIOC_G_FMT",
        "\(device.path) has \(granted.format) in force after \(format) was set")
    }
    guard let size = granted.planes.first?.byteCount, size > 0 else {
      throw EncoderError(
        .protocolViolation, operation: "VIDIOC_G_FMT",
        "\(device.path) gives no room for coded pictures (sizeimage 0)")
    }
    report.codedBufferSize = size
  }

  func setFormat(
    _ direction: QueueDirection, _ wanted: QueueFormat
  ) throws(EncoderError) -> QueueFormat {
    do throws(Errno) {
      return try device.handle.setFormat(device.bufferType(direction), wanted)
    } catch {
      throw EncoderError(
        "VIDIOC_S_FMT", error, device: device.path,
        while: "setting \(wanted.format) \(wanted.size)")
    }
  }

  // MARK: - Colour

  func applyColor(to format: inout QueueFormat) {
    format.colorspace = configuration.color.primaries.rawValue
    format.transfer = configuration.color.transfer.rawValue
    format.matrix = configuration.color.matrix.rawValue
    format.quantization = configuration.color.range.rawValue
  }

  mutating func checkColor(_ granted: QueueFormat) {
    let asked = configuration.color
    let parts = [
      ("colorspace", asked.primaries.rawValue, granted.colorspace),
      ("xfer_func", asked.transfer.rawValue, granted.transfer),
      ("ycbcr_enc", asked.matrix.rawValue, granted.matrix),
      ("quantization", asked.range.rawValue, granted.quantization),
    ]
    // Zero leaves the part to the driver.
    for (name, wanted, got) in parts where wanted != got && wanted != 0 {
      note("colour \(name): asked for \(wanted), the driver keeps \(got)")
    }
    report.color = ColorDescription(
      primaries: ColorDescription.Primaries(rawValue: granted.colorspace) ?? .unspecified,
      transfer: ColorDescription.Transfer(rawValue: granted.transfer) ?? .unspecified,
      matrix: ColorDescription.Matrix(rawValue: granted.matrix) ?? .unspecified,
      range: ColorDescription.Range(rawValue: granted.quantization) ?? .unspecified)
  }

  // MARK: - Geometry and rate

  mutating func noteCrop() {
    guard report.visibleSize != configuration.size else { return }
    note("picture size \(configuration.size): cropped to \(report.visibleSize)")
  }

  /// The crop rectangle is set whenever the driver pads, and tried when it does not, because a
  /// rectangle of an earlier format may still be in force.
  mutating func crop(bufferSize: VideoSize) throws(EncoderError) {
    let granted: VideoSize
    do throws(Errno) {
      guard family.crops else { throw .notSupported }
      granted = try device.handle.crop(to: report.visibleSize)
    } catch {
      guard bufferSize != report.visibleSize else { return }
      throw EncoderError(
        .unsupported, operation: "VIDIOC_S_SELECTION", errno: error,
        "\(device.path) pads the picture to \(bufferSize) and cannot crop it to "
          + "\(report.visibleSize); scale or pad the picture first")
    }
    guard granted != report.visibleSize else { return }
    // vicodec pads what is too small for it and shows only at the crop that it is.
    if granted.width > report.visibleSize.width || granted.height > report.visibleSize.height {
      throw EncoderError(
        .unsupported, operation: "VIDIOC_S_SELECTION",
        sizeRefusal(granted: granted, report.codedFormat))
    }
    throw EncoderError(
      .unsupported, operation: "VIDIOC_S_SELECTION",
      "\(device.path) pads the picture to \(bufferSize) and crops it to \(granted), "
        + "not to \(report.visibleSize)")
  }

  mutating func setFrameRate(captureToo: Bool) {
    let asked = configuration.frameRate
    // iris and others take the coded rate on the CAPTURE side and only a hint on the other.
    report.frameRateQueues = captureToo ? [.output, .capture] : [.output]
    for direction in report.frameRateQueues {
      do throws(Errno) {
        let granted = try device.handle.setFrameRate(
          direction, device.bufferType(direction), asked)
        guard granted.denominator > 0, granted.numerator > 0 else { continue }
        report.frameRate = granted
        if !granted.isNearly(asked) {
          note("frame rate: asked for \(asked), the driver takes \(granted)")
        }
      } catch {
        note("frame rate: the driver does not take one (VIDIOC_S_PARM: \(error))")
      }
    }
  }
}

extension EncoderDevice {
  /// The driver's name and, where it says more, the device's.
  package var named: String {
    let driver = capabilities.driver
    let card = capabilities.card
    return card.isEmpty || card == driver ? driver : "\(driver), \(card)"
  }
}
