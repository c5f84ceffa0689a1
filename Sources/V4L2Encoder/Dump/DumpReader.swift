internal import Glibc

extension DeviceDump {
  /// Asks a device for everything it says of itself.
  ///
  /// Nothing is set, allocated or streamed; blocks for as long as the device takes to answer, ten
  /// seconds at most.
  ///
  /// - Throws: `deviceUnavailable`, `deviceBusy`, `notAnEncoder` when it is no V4L2 device,
  ///   `invalidConfiguration` for an automatic choice, or `deviceStalled`.
  public init(of device: DeviceSelector) throws(EncoderError) {
    guard case .node(let path, let transport) = device.choice else {
      throw EncoderError(.invalidConfiguration, "name the device: a dump is of one device")
    }
    self = try BoundedCall.ask(path, within: .seconds(10)) { () throws(EncoderError) in
      try Self.read(path, transport)
    }
  }

  private static func read(
    _ path: String, _ transport: any Transport
  ) throws(EncoderError) -> DeviceDump {
    let handle = try transport.openNode(path)
    defer { handle.close() }
    let finding = DeviceProbe.examine(path: path, handle: handle)
    guard let capabilities = finding.capabilities else {
      throw finding.report.error ?? EncoderError(.notAnEncoder, "\(path) is no V4L2 device")
    }
    var dump = DeviceDump()
    dump.machine = .current
    // A path elsewhere may hold somebody's name.
    dump.node =
      path.hasPrefix("/dev/") ? path : path.split(separator: "/").last.map(String.init) ?? ""
    dump.kind = finding.report.kind.rawValue
    dump.identity = (try? handle.identity()) ?? Identity()
    let reader = QueueReader(handle: handle)
    dump.queues = capabilities.queues.map { reader.queue($0.direction, type: $0.type) }
    let device = EncoderDevice(handle: handle, path: path, capabilities: capabilities)
    // Numbers that mean something else there are not asked for.
    let known = device.family.dialect == .standard ? EncoderControl.all.map(\.control) : []
    dump.controls = handle.controlDescriptions(known: known).map(Control.init)
    dump.selections = handle.selections()
    // The last of these questions goes to `VIDIOC_ENCODER_CMD`.
    dump.answers = handle.requestAnswers()
    return dump
  }
}

/// Asks for everything that concerns one queue.
private struct QueueReader {
  let handle: any DeviceHandle

  func queue(_ direction: QueueDirection, type: UInt32) -> DeviceDump.Queue {
    var queue = DeviceDump.Queue()
    queue.direction = direction == .output ? "output" : "capture"
    queue.type = Int(type)
    queue.formats = handle.namedFormats(type).map { format in
      var format = format
      let offered = handle.offeredSizes(of: PixelFormat(rawValue: format.fourCC.rawValue))
      format.sizes = offered.map(DeviceDump.SizeRange.init)
      return format
    }
    queue.current = (try? handle.format(type)).map(DeviceDump.Picture.init)
    queue.trials = trials(direction, queue.formats.map(\.fourCC)).map { trial in
      var trial = trial
      do throws(Errno) {
        trial.granted = DeviceDump.Picture(try handle.tryFormat(type, trial.asked))
      } catch {
        trial.error = error.description
      }
      return trial
    }
    queue.frameRate = handle.captureFrameRate(type)?.description
    for memory in BufferMemory.kinds {
      do throws(Errno) {
        let bits = try handle.bufferCapabilities(type, memory: memory.number)
        queue.memory.append(DeviceDump.Answer(memory.name, nil))
        queue.bufferCapabilities = Bits(bits)
      } catch {
        queue.memory.append(DeviceDump.Answer(memory.name, error))
      }
    }
    return queue
  }

  /// What shows how sizes are rounded and what happens beyond the limits, to an unknown format, and
  /// to a buffer size that was left open.
  private func trials(
    _ direction: QueueDirection, _ formats: [FourCC]
  ) -> [DeviceDump.Trial] {
    let sizes = ["1296x972", "1280x720"]
    let extremes = ["1x1", "1920x1080", "3840x2160", "16384x16384"]
    var trials: [DeviceDump.Trial] = []
    func add(_ format: FourCC, _ size: String, _ byteCount: Int = 0) {
      var trial = DeviceDump.Trial()
      (trial.fourCC, trial.size, trial.byteCount) = (format, size, byteCount)
      trials.append(trial)
    }
    for format in formats.prefix(64) {
      for size in sizes { add(format, size) }
      if direction == .capture {
        add(format, "1280x720", 1 << 20)
        add(format, "1920x1080", 1 << 20)
      }
    }
    for size in extremes { if let first = formats.first { add(first, size) } }
    add(FourCC(0x5a5a_5a5a), "1280x720", direction == .capture ? 1 << 20 : 0)
    return trials
  }
}

extension DeviceCapabilities {
  /// The queues of buffers, OUTPUT first.
  fileprivate var queues: [(direction: QueueDirection, type: UInt32)] {
    let isMultiplanar = isMultiplanarMemoryToMemory || isMultiplanarCapture
    var directions: [QueueDirection] = []
    if isMemoryToMemory || !isCapture { directions.append(.output) }
    if isMemoryToMemory || isCapture { directions.append(.capture) }
    return directions.map { ($0, $0.bufferType(multiplanar: isMultiplanar)) }
  }
}

extension DeviceDump.Machine {
  /// The running kernel and the board, without the machine's name.
  fileprivate static var current: DeviceDump.Machine {
    var machine = DeviceDump.Machine()
    machine.board = DeviceCatalog.boardModel
    var system = utsname()
    guard unsafe uname(&system) == 0 else { return machine }
    machine.kernel = "\(fixedText(system.sysname)) \(fixedText(system.release))"
    machine.architecture = fixedText(system.machine)
    return machine
  }
}

extension DeviceDump.SizeRange {
  fileprivate init(_ offer: CameraOffer.Size) {
    minimum = offer.minimum.description
    maximum = offer.maximum.description
    step = offer.step.description
    rates = offer.rates.map { rate in
      var range = DeviceDump.RateRange()
      range.slowest = rate.slowest.description
      range.fastest = rate.fastest.description
      return range
    }
  }
}

extension DeviceDump.Picture {
  fileprivate init(_ format: QueueFormat) {
    fourCC = FourCC(format.format.rawValue)
    size = format.size.description
    bytesPerLine = format.planes.map(\.bytesPerLine)
    byteCounts = format.planes.map(\.byteCount)
    colors = [format.colorspace, format.transfer, format.matrix, format.quantization].map(Int.init)
  }
}

extension DeviceDump.Trial {
  /// The format to be tried.
  fileprivate var asked: QueueFormat {
    QueueFormat(
      format: PixelFormat(rawValue: fourCC.rawValue),
      size: VideoSize(text: size) ?? .init(width: 0, height: 0),
      planes: [QueueFormat.Plane(bytesPerLine: 0, byteCount: byteCount)])
  }
}

extension DeviceDump.Control {
  fileprivate init(_ description: ControlDescription) {
    id = Bits(description.id)
    title = description.title
    kind = description.kind.word
    minimum = Int(description.minimum)
    maximum = Int(description.maximum)
    step = Int(description.step)
    initial = Int(description.defaultValue)
    current = description.current.map(Int.init)
    items = description.items.map { item in
      var copy = DeviceDump.Item()
      (copy.value, copy.name) = (Int(item.index), item.name)
      return copy
    }
    let flags = [
      (description.isReadOnly, "read-only"), (description.isWriteOnly, "write-only"),
      (description.isInactive, "inactive"), (description.isLocked, "locked"),
      (description.isVolatile, "volatile"),
    ]
    marks = flags.filter(\.0).map(\.1)
  }
}

extension ControlDescription.Kind {
  fileprivate var word: String {
    switch self {
    case .integer: "integer"
    case .boolean: "boolean"
    case .menu: "menu"
    case .button: "button"
    case .integer64: "integer64"
    case .string: "string"
    case .bitmask: "bitmask"
    case .integerMenu: "integer-menu"
    case .compound(let type): "compound-\(type)"
    }
  }
}

extension VideoSize {
  /// Reads the form `1280x720`.
  package init?(text: String) {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let width = parts[0], let height = parts[1] else { return nil }
    self.init(width: width, height: height)
  }
}
