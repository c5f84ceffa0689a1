internal import V4L2Encoder

/// What a line of `--stats` says of an encoder that begins to write a stream.
struct StreamRecord: JSONRecord, Hashable {
  var device = ""
  var driver = ""
  var card = ""
  var codec = ""
  var width = 0
  var height = 0
  /// Frames per second.
  var frameRate = 0.0
  /// The unit of the packets' times in seconds.
  var timeBase = ""
  /// In bit/s; nil with a constant quantizer.
  var targetBitrate: Int?
  /// Frames from key frame to key frame.
  var keyFrameInterval = 0

  mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("device", &device)
    try fields("driver", &driver)
    try fields("card", &card)
    try fields("codec", &codec)
    try fields("width", &width)
    try fields("height", &height)
    try fields("frame_rate", &frameRate)
    try fields("time_base", &timeBase)
    try fields("target_bitrate", &targetBitrate)
    try fields("gop", &keyFrameInterval)
  }
}

extension StreamRecord {
  init(_ report: NegotiationReport, _ plan: EncodePlan) {
    device = report.path
    driver = report.driver
    card = report.card
    codec = plan.codec.rawValue
    width = report.visibleSize.width
    height = report.visibleSize.height
    frameRate = report.frameRate.value
    let base = plan.configuration.timeBase
    timeBase = "\(base.numerator)/\(base.denominator)"
    targetBitrate = report.valueInForce(of: .bitrate).map(Int.init)
    if targetBitrate == nil { targetBitrate = plan.configuration.rateControl.bitrate }
    keyFrameInterval = plan.configuration.keyFrameInterval
  }
}

/// Latencies in microseconds.
struct LatencyRecord: JSONRecord, Hashable {
  var median = 0
  var percentile95 = 0
  var percentile99 = 0
  var maximum = 0

  mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("median", &median)
    try fields("p95", &percentile95)
    try fields("p99", &percentile99)
    try fields("max", &maximum)
  }
}

extension LatencyRecord {
  init(_ summary: LatencySummary) {
    median = summary.median.inMicroseconds
    percentile95 = summary.percentile95.inMicroseconds
    percentile99 = summary.percentile99.inMicroseconds
    maximum = summary.maximum.inMicroseconds
  }
}

/// What a line of `--stats` says of an encoder and the machine at one moment.
///
/// The counts are those of the encoder that began last.
struct SampleRecord: JSONRecord, Hashable {
  /// Since the file was begun.
  var milliseconds = 0
  var framesIn = 0
  var packetsOut = 0
  var keyFrames = 0
  var framesSkipped = 0
  var framesDropped = 0
  var framesLost = 0
  var recoveries = 0
  var corruptPackets = 0
  var bytesOut = 0
  var framesInFlight = 0
  var packetsWaiting = 0
  var deviceRequests = 0
  var wakeUps = 0
  var latency: LatencyRecord?
  var deviceLatency: LatencyRecord?
  var addedLatency: LatencyRecord?
  /// Bitrates in bit/s.
  var targetBitrate: Int?
  var averageBitrate: Int?
  var recentBitrate: Int?
  /// Of one processor, since the sample before.
  var processorPercent: Double?
  var residentBytes: Int?
  var threads: Int?
  var openDescriptors: Int?
  /// In degrees Celsius.
  var temperature: Double?
  var isThrottled: Bool?
  var isUnderVoltage: Bool?

  mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("time_ms", &milliseconds)
    try fields("frames_in", &framesIn)
    try fields("packets_out", &packetsOut)
    try fields("key_frames", &keyFrames)
    try fields("frames_skipped", &framesSkipped)
    try fields("frames_dropped", &framesDropped)
    try fields("frames_lost", &framesLost)
    try fields("recoveries", &recoveries)
    try fields("corrupt_packets", &corruptPackets)
    try fields("bytes_out", &bytesOut)
    try fields("frames_in_flight", &framesInFlight)
    try fields("packets_waiting", &packetsWaiting)
    try fields("device_requests", &deviceRequests)
    try fields("wake_ups", &wakeUps)
    try fields("latency_us", &latency)
    try fields("device_latency_us", &deviceLatency)
    try fields("added_latency_us", &addedLatency)
    try fields("target_bitrate", &targetBitrate)
    try fields("average_bitrate", &averageBitrate)
    try fields("recent_bitrate", &recentBitrate)
    try fields("cpu_percent", &processorPercent)
    try fields("rss_bytes", &residentBytes)
    try fields("threads", &threads)
    try fields("open_files", &openDescriptors)
    try fields("temperature_c", &temperature)
    try fields("throttled", &isThrottled)
    try fields("under_voltage", &isUnderVoltage)
  }
}

extension SampleRecord {
  init(
    _ statistics: EncoderStatistics, _ load: HostLoad, since earlier: HostLoad, at time: Duration
  ) {
    milliseconds = time.inMicroseconds / 1000
    framesIn = statistics.framesIn
    packetsOut = statistics.packetsOut
    keyFrames = statistics.keyFrames
    framesSkipped = statistics.framesSkipped
    framesDropped = statistics.framesDropped.total
    framesLost = statistics.framesLost
    recoveries = statistics.recoveries
    corruptPackets = statistics.corruptPackets
    bytesOut = statistics.bytesOut
    framesInFlight = statistics.framesInFlight
    packetsWaiting = statistics.packetsWaiting
    deviceRequests = statistics.deviceRequests
    wakeUps = statistics.waits
    latency = statistics.latency.map { LatencyRecord($0) }
    deviceLatency = statistics.deviceLatency.map { LatencyRecord($0) }
    addedLatency = statistics.addedLatency.map { LatencyRecord($0) }
    targetBitrate = statistics.targetBitrate
    averageBitrate = statistics.averageBitrate
    recentBitrate = statistics.recentBitrate
    processorPercent = load.processorShare(since: earlier).map { ($0 * 1000).rounded() / 10 }
    residentBytes = load.residentBytes
    threads = load.threads
    openDescriptors = load.openDescriptors
    temperature = load.temperature
    isThrottled = load.isThrottled
    isUnderVoltage = load.isUnderVoltage
  }
}

/// The names under which the records stand in their lines; a line without them is a packet's.
enum StatisticsLine {
  static let stream = "stream"
  static let sample = "sample"
}
