internal import CV4L2
internal import Glibc
public import V4L2Encoder

extension VirtualDevice.Personality {
  /// A device as a dump of it says: its name, formats, sizes, alignments, buffer sizes, controls
  /// and the requests it lacks.
  ///
  /// How it drains, skips frames and marks buffers is not in a dump; that is as in the personality
  /// of the same driver if there is one, else as in ``spec``. Formats and controls of kinds that
  /// the virtual device does not have are left out.
  ///
  /// - Throws: `unsupported` when the dump is of no encoder that can be imitated.
  public init(recorded dump: DeviceDump) throws(EncoderError) {
    self = Self.all.first { $0.identity.driver == dump.identity.driver } ?? .spec
    name = "recorded"
    let place = dump.machine.board.map { " of \($0)" } ?? ""
    summary = "\(dump.identity.driver) (\(dump.identity.card))\(place), as it was recorded"
    identity = Identity(
      driver: dump.identity.driver, card: dump.identity.card, bus: dump.identity.bus)
    guard let output = dump.queues.first(where: { $0.direction == "output" }),
      let capture = dump.queues.first(where: { $0.direction == "capture" })
    else {
      throw EncoderError(
        .unsupported, "the dump is of \(dump.identity.driver), which is no encoder")
    }
    interface =
      UInt32(output.type) == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
      ? .multiplanar : .singlePlanar
    takeFormats(output, capture)
    guard !rawFormats.isEmpty, !codedFormats.isEmpty else {
      throw EncoderError(
        .unsupported,
        "the dump is of \(dump.identity.driver), which has no raw format, or no codec, that the "
          + "virtual device knows")
    }
    takeGeometry(output, capture)
    takeBuffers(output, capture)
    if !dump.controls.isEmpty { controls = ControlDefinition.recorded(dump.controls) }
    takeRequests(dump)
  }

  /// Reads a dump from a file.
  ///
  /// - Throws: `deviceUnavailable` when the file cannot be read, `invalidConfiguration` when it is
  ///   no dump, `unsupported` when it is of no encoder that can be imitated.
  public init(recordedIn path: String) throws(EncoderError) {
    let text: String
    do throws(Errno) { text = try TextFile.read(path) } catch {
      throw EncoderError(
        .deviceUnavailable, operation: "open", errno: error, "the dump \(path) cannot be read")
    }
    do throws(EncoderError) {
      try self.init(recorded: try DeviceDump(jsonText: text))
    } catch {
      throw EncoderError(error.code, "\(path): \(error.message)")
    }
  }

  /// The personality that a command line names: one of ``all``, or `recorded:FILE`.
  ///
  /// - Throws: `invalidConfiguration` for an unknown name, and what reading a dump throws.
  public static func chosen(by text: String) throws(EncoderError) -> VirtualDevice.Personality {
    if let known = named(text) { return known }
    let prefix = "recorded:"
    guard text.hasPrefix(prefix), text.count > prefix.count else {
      throw EncoderError(
        .invalidConfiguration,
        "there is no personality \(text); there are \(all.map(\.name).joined(separator: ", ")) "
          + "and recorded:FILE, a dump of `v4l2enc devices --dump`")
    }
    return try Self(recordedIn: String(text.dropFirst(prefix.count)))
  }
}

extension VirtualDevice.Personality {
  fileprivate mutating func takeFormats(
    _ output: DeviceDump.Queue, _ capture: DeviceDump.Queue
  ) {
    let known = rawFormats + RawFormat.all
    rawFormats = output.formats.compactMap { format in
      guard let like = known.first(where: { $0.fourCC == format.fourCC.rawValue }) else {
        return nil
      }
      let named = RawFormat(
        fourCC: like.fourCC, name: format.name, layout: like.layout,
        memoryPlanes: like.memoryPlanes)
      return named.aligned(
        to: like.lineAlignment(in: output.trials) ?? like.strideAlignment,
        grantsWiderStride: like.grantsWiderStride)
    }
    codedFormats = capture.formats.compactMap { format in
      let flags = format.flags.rawValue & ~UInt32(V4L2_FMT_FLAG_COMPRESSED)
      let codec: CodedKind.Codec? =
        switch format.fourCC.rawValue {
        case CV4L2_PIX_FMT_H264: .h264
        case CV4L2_PIX_FMT_HEVC, CV4L2_PIX_FMT_H265: .hevc
        default: nil
        }
      return codec.map {
        CodedKind(codec: $0, fourCC: format.fourCC.rawValue, name: format.name, flags: flags)
      }
    }
    let unknown = output.trials.last { trial in
      !output.formats.contains { $0.fourCC == trial.fourCC }
    }
    if let unknown { set(.refusesUnknownFormats, unknown.granted == nil) }
  }

  private mutating func set(_ deviation: Deviation, _ isPresent: Bool) {
    if isPresent { deviations.insert(deviation) } else { deviations.remove(deviation) }
  }

  fileprivate mutating func takeGeometry(
    _ output: DeviceDump.Queue, _ capture: DeviceDump.Queue
  ) {
    let trials = output.trials.compactMap(TriedSize.init)
    let range = (capture.formats + output.formats).flatMap(\.sizes).first
    // A driver that names no limits shows them by what becomes of sizes beyond them.
    let smallest = trials.first { $0.asked.width == 1 }?.granted
    let largest = trials.max { $0.asked.width < $1.asked.width }?.granted
    let least = range.map { VideoSize(text: $0.minimum) } ?? smallest
    let most = range.map { VideoSize(text: $0.maximum) } ?? largest
    if let least, let most, least.width <= most.width, least.height <= most.height,
      least.width > 0, least.height > 0
    {
      geometry.widths = least.width...most.width
      geometry.heights = least.height...most.height
    }
    let coded = capture.trials.compactMap(TriedSize.init)
    if Set(coded.map(\.asked)).count > 1 {
      geometry.codedSizeFollowsCrop = Set(coded.map(\.granted)).count == 1
    }
    let step = output.formats.first?.sizes.first.flatMap { VideoSize(text: $0.step) }
    let within = trials.filter {
      geometry.widths.contains($0.asked.width) && geometry.heights.contains($0.asked.height)
    }
    if let width = Self.step(step?.width, within.map { ($0.asked.width, $0.granted.width) }) {
      geometry.widthStep = width
    }
    if let height = Self.step(step?.height, within.map { ($0.asked.height, $0.granted.height) }) {
      geometry.heightStep = height
    }
    let beyond = output.trials.filter { trial in
      guard let size = VideoSize(text: trial.size) else { return false }
      return output.formats.contains { $0.fourCC == trial.fourCC }
        && (size.width > geometry.widths.upperBound || size.height > geometry.heights.upperBound)
    }
    if let trial = beyond.first { geometry.beyond = trial.granted == nil ? .refused : .clamped }
  }

  /// In which steps sizes were rounded up: as the driver says unless its answers say otherwise.
  private static func step(
    _ named: Int?, _ pairs: [(asked: Int, granted: Int)]
  ) -> Int? {
    guard !pairs.isEmpty else { return named }
    let candidates = [named].compactMap(\.self) + (0...8).map { 1 << $0 }
    return candidates.first { step in
      step > 0 && pairs.allSatisfy { ($0.asked + step - 1) / step * step == $0.granted }
    }
  }

  fileprivate mutating func takeBuffers(
    _ output: DeviceDump.Queue, _ capture: DeviceDump.Queue
  ) {
    buffers.output = Self.memories(output.memory)
    buffers.capture = Self.memories(capture.memory)
    let rate = output.frameRate.flatMap(Rational.init(text:))
    if let rate, let numerator = UInt32(exactly: rate.denominator),
      let denominator = UInt32(exactly: rate.numerator), numerator > 0, denominator > 0
    {
      frameRate.initial = FrameRateRule.Fraction(numerator: numerator, denominator: denominator)
    }
    if output.frameRate != nil || capture.frameRate != nil {
      frameRate.isTakenOnOutput = output.frameRate != nil
      frameRate.isTakenOnCapture = capture.frameRate != nil
    }
    let trials = capture.trials.filter { trial in
      capture.formats.contains { $0.fourCC == trial.fourCC }
    }
    // What is granted where nothing is asked for, on both sides of 1280x720.
    func unasked(_ size: String) -> Int {
      trials.first { $0.byteCount == 0 && $0.size == size }?.granted?.byteCounts.first ?? 0
    }
    let bySize = CodedBufferSize.atLeast(
      unasked("1280x720"), upToPixels: 1280 * 720, above: unasked("1296x972"))
    let rules =
      [codedBufferSize] + Self.all.map(\.codedBufferSize) + [.verbatim(refusesZero: false), bySize]
    codedBufferSize =
      rules.first { rule in trials.allSatisfy { $0.isExplained(by: rule) } } ?? codedBufferSize
  }

  private static func memories(_ answers: [DeviceDump.Answer]) -> Set<BufferRule.Memory> {
    let names: [(String, BufferRule.Memory)] = [
      ("mmap", .mapped), ("userptr", .userPointer), ("dmabuf", .dmabuf),
    ]
    return Set(
      names.filter { name, _ in answers.contains { $0.name == name && $0.result == "ok" } }
        .map(\.1))
  }

  fileprivate mutating func takeRequests(_ dump: DeviceDump) {
    for answer in dump.answers {
      let parts = answer.name.split(separator: " ")
      guard let name = parts.first, let request = RequestText.request(named: String(name)) else {
        continue
      }
      lackingRequests[request] = answer.isMissing ? ENOTTY : nil
      switch answer.name {
      case "VIDIOC_SUBSCRIBE_EVENT eos" where answer.result != "ok": events.endOfStream = .unknown
      case "VIDIOC_SUBSCRIBE_EVENT eos" where events.endOfStream == .unknown:
        events.endOfStream = .sent
      case "VIDIOC_TRY_ENCODER_CMD start" where answer.result == "EINVAL":
        drain.start = .isRefused
      default: break
      }
    }
  }
}

extension RawFormat {
  /// The bytes that lines are a multiple of, as far as trials show; nil when they show nothing.
  fileprivate func lineAlignment(in trials: [DeviceDump.Trial]) -> Int? {
    let lines = trials.compactMap { trial -> (needed: Int, granted: Int)? in
      guard trial.fourCC.rawValue == fourCC, let granted = trial.granted,
        granted.fourCC == trial.fourCC, let size = VideoSize(text: granted.size),
        let line = granted.bytesPerLine.first, line > 0
      else { return nil }
      return (stride(width: size.width, asked: 0, alignment: 1), line)
    }
    guard !lines.isEmpty else { return nil }
    return (0...10).map { 1 << $0 }.first { step in
      lines.allSatisfy { ($0.needed + step - 1) / step * step == $0.granted }
    }
  }

  private func stride(width: Int, asked: UInt32, alignment: Int) -> Int {
    aligned(to: alignment).stride(width: width, asked: asked)
  }
}

/// A size that was asked for and the one that was granted for it.
private struct TriedSize {
  var asked: VideoSize
  var granted: VideoSize

  init?(_ trial: DeviceDump.Trial) {
    guard let asked = VideoSize(text: trial.size),
      let granted = trial.granted.flatMap({ VideoSize(text: $0.size) })
    else { return nil }
    (self.asked, self.granted) = (asked, granted)
  }
}

extension DeviceDump.Trial {
  /// Whether a rule would have given the same size of a CAPTURE buffer.
  fileprivate func isExplained(by rule: VirtualDevice.Personality.CodedBufferSize) -> Bool {
    guard let size = VideoSize(text: granted?.size ?? self.size) else { return true }
    return CodedFormat.sizeImage(
      width: size.width, height: size.height, asked: UInt32(clamping: byteCount), rule: rule)
      == granted?.byteCounts.first
  }
}

extension ControlDefinition {
  /// The controls of a dump that the virtual device can have, with the titles of their classes.
  fileprivate static func recorded(_ controls: [DeviceDump.Control]) -> [ControlDefinition] {
    let titles: [UInt32: ControlDefinition] = [
      UInt32(V4L2_CTRL_CLASS_USER): .userTitle, UInt32(V4L2_CTRL_CLASS_CODEC): .codecTitle,
    ]
    var list: [ControlDefinition] = []
    var entitled: Set<UInt32> = []
    for control in controls {
      guard let definition = ControlDefinition(control) else { continue }
      let group = definition.identifier & 0x0fff_0000
      if entitled.insert(group).inserted, let title = titles[group] { list.append(title) }
      list.append(definition)
    }
    return list
  }

  private init?(_ control: DeviceDump.Control) {
    let kind: Kind
    switch control.kind {
    case "integer": kind = .integer
    case "boolean": kind = .boolean
    case "menu": kind = .menu
    case "button": kind = .button
    default: return nil
    }
    guard control.minimum <= control.maximum, control.step > 0 || kind == .button,
      kind != .menu || (0...255).contains(control.maximum)
    else { return nil }
    var items: [String?] = []
    if kind == .menu {
      items = (0...control.maximum).map { value in
        control.items.first { $0.value == value }?.name
      }
    }
    self.init(
      identifier: control.id.rawValue, name: control.title, kind: kind,
      minimum: Int64(control.minimum), maximum: Int64(control.maximum), step: Int64(control.step),
      initial: Int64(control.initial), items: items,
      isReadOnly: control.marks.contains("read-only"))
  }
}

extension Rational {
  /// Reads the form `30` or `30000/1001`.
  fileprivate init?(text: String) {
    let parts = text.split(separator: "/").map { Int($0) }
    guard let numerator = parts.first ?? nil else { return nil }
    guard parts.count > 1 else {
      self.init(numerator)
      return
    }
    guard parts.count == 2, let denominator = parts[1], denominator > 0 else { return nil }
    self.init(numerator, denominator)
  }
}

/// A text that somebody names on a command line.
private enum TextFile {
  private static let limit = 16 << 20

  /// Reads a file of at most 16 MiB; `EFBIG` when it is larger.
  static func read(_ path: String) throws(Errno) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Errno(rawValue: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= limit {
      let count = Glibc.read(descriptor, &room, room.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw Errno(rawValue: errno) }
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += room.prefix(count)
    }
    throw Errno(rawValue: EFBIG)
  }
}
