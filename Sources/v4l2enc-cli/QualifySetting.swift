internal import V4L2Encoder

/// What one step tries.
struct QualifySetting: JSONRecord, Hashable, Sendable {
  var device = ""
  /// What the device says of itself, by which it is known again whatever its path is then.
  var driver = ""
  var card = ""
  var bus = ""
  var codec = ""
  var width = 0
  var height = 0
  var frameRate = ""
  var format = ""
  /// What else was asked for, in words.
  var quality = ""
  var streams = 1
  var milliseconds = 0

  mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("device", &device)
    try fields("driver", &driver)
    try fields("card", &card)
    try fields("bus", &bus)
    try fields("codec", &codec)
    try fields("width", &width)
    try fields("height", &height)
    try fields("frame_rate", &frameRate)
    try fields("format", &format)
    try fields("quality", &quality)
    try fields("streams", &streams)
    try fields("duration_ms", &milliseconds)
  }
}

extension QualifySetting {
  /// Whether both ask the same of the same device, but for how many streams and for how long.
  func isLike(_ other: QualifySetting) -> Bool {
    var same = other
    same.streams = streams
    same.milliseconds = milliseconds
    // Paths change from boot to boot.
    if !driver.isEmpty { same.device = device }
    return same == self
  }

  /// Whether both are the same step.
  func isSame(as other: QualifySetting) -> Bool {
    isLike(other) && streams == other.streams && milliseconds == other.milliseconds
  }

  /// Whether this asks for as much of the same device, or for more.
  func asksForAtLeast(_ other: QualifySetting) -> Bool {
    isLike(other) && streams >= other.streams && milliseconds >= other.milliseconds
  }

  /// Such as `2 streams for 5 min`.
  var text: String {
    "\(streams) stream\(streams == 1 ? "" : "s") for \(Units.span(.milliseconds(milliseconds)))"
  }
}

/// What became of a step.
struct QualifyOutcome: JSONRecord, Hashable, Sendable {
  enum Verdict: String, JSONConvertible {
    case stable
    case unstable
    case untested

    var json: JSON { .string(rawValue) }
    init(json: JSON) throws(JSONFailure) {
      guard let verdict = Verdict(rawValue: try String(json: json)) else {
        throw JSONFailure("no verdict")
      }
      self = verdict
    }
  }

  var verdict = Verdict.untested
  /// Why it is not stable.
  var reasons: [String] = []
  /// What is worth knowing all the same.
  var remarks: [String] = []
  /// Nil when nothing was encoded.
  var measures: QualifyMeasures?

  mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("verdict", &verdict)
    try fields("reasons", &reasons)
    try fields("remarks", &remarks)
    try fields("measures", &measures)
  }
}

extension QualifyOutcome {
  init(_ verdict: Verdict, _ reasons: String...) {
    self.verdict = verdict
    self.reasons = reasons
  }
}

/// What was measured in a step, over all its streams.
struct QualifyMeasures: JSONRecord, Hashable, Sendable {
  var framesIn = 0
  var packetsOut = 0
  var framesSkipped = 0
  var corruptPackets = 0
  /// Packets whose bytes are no picture that can be read.
  var unreadablePackets = 0
  /// Packets that belong to no frame.
  var unmatchedPackets = 0
  /// Frames for which the slowest stream had no time.
  var framesMissed = 0
  /// Of the slowest stream, in frames per second.
  var frameRate = 0.0
  /// Of the stream with the highest, in bit/s.
  var bitrate = 0
  /// The target of a stream in bit/s, if it has one.
  var targetBitrate: Int?
  /// Of the slowest stream in each, in microseconds.
  var latency = LatencyRecord()
  /// In percent of one processor.
  var processorPercent: Double?
  /// Memory at the end, in bytes.
  var residentBytes: Int?
  /// What memory grew by once the step was under way, in bytes; nil for a short one.
  var residentGrowth: Int?
  /// What open files grew by in the same time.
  var descriptorGrowth: Int?
  /// The highest, in degrees Celsius.
  var temperature: Double?
  /// Nil where the board does not tell.
  var wasThrottled: Bool?
  /// Nil where the board does not tell.
  var wasUnderVoltage: Bool?
  var kernelLogWasRead = false
  /// Lines of the kernel's log that tell of a defect, the first few.
  var kernelDefects: [String] = []
  /// Other errors in the kernel's log, the first few.
  var kernelErrors: [String] = []

  mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("frames_in", &framesIn)
    try fields("packets_out", &packetsOut)
    try fields("frames_skipped", &framesSkipped)
    try fields("corrupt_packets", &corruptPackets)
    try fields("unreadable_packets", &unreadablePackets)
    try fields("unmatched_packets", &unmatchedPackets)
    try fields("frames_missed", &framesMissed)
    try fields("fps", &frameRate)
    try fields("bitrate", &bitrate)
    try fields("target_bitrate", &targetBitrate)
    try fields("latency_us", &latency)
    try fields("cpu_percent", &processorPercent)
    try fields("rss_bytes", &residentBytes)
    try fields("rss_growth", &residentGrowth)
    try fields("open_files_growth", &descriptorGrowth)
    try fields("temperature_c", &temperature)
    try fields("throttled", &wasThrottled)
    try fields("under_voltage", &wasUnderVoltage)
    try fields("kernel_log_read", &kernelLogWasRead)
    try fields("kernel_defects", &kernelDefects)
    try fields("kernel_errors", &kernelErrors)
  }
}
