internal import V4L2Encoder

/// Everything that a file of `--stats` says.
struct StatisticsLog {
  /// What is needed of a packet's line.
  struct Packet: JSONRecord, Hashable {
    /// In units of the stream's time base.
    var duration = 0
    var bytes = 0
    var isKeyFrame = false
    var isCorrupt = false
    /// In microseconds.
    var latency = 0
    var quantizer: Double?

    mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
      try fields("duration", &duration)
      try fields("bytes", &bytes)
      try fields("key", &isKeyFrame)
      try fields("corrupt", &isCorrupt)
      try fields("latency_us", &latency)
      try fields("qp", &quantizer)
    }
  }

  /// A stream and how many packets came before it.
  struct Stream {
    var record: StreamRecord
    var firstPacket: Int
  }

  /// A sample and how many packets of its stream and of those before it there were.
  struct Sample {
    var record: SampleRecord
    var packetsBefore: Int
    /// Streams that had begun by then; the last of them is the one that it counts.
    var streams: Int
  }

  let name: String
  var streams: [Stream] = []
  var packets: [Packet] = []
  var samples: [Sample] = []
  /// Whether the last line has no end, as when the command was killed.
  var isCutOff = false

  /// Reads a file; a last line without an end is left out.
  init(_ path: String) throws(CommandError) {
    var reader = try LineReader(path)
    try self.init(&reader, name: path == "-" ? "standard input" : path)
  }

  /// Reads what an open file holds.
  init(_ reader: inout LineReader, name: String) throws(CommandError) {
    self.name = name
    while let line = try reader.next() {
      guard line.isWhole else {
        isCutOff = true
        break
      }
      do throws(JSONFailure) { try add(try JSON(parsing: line.text)) } catch {
        throw CommandError(
          .badData,
          "\(name): line \(line.number) is not one of --stats: \(error.ofOneLine); name a "
            + "file that v4l2enc encode or capture --stats has written")
      }
    }
    guard !packets.isEmpty else {
      let reason =
        streams.isEmpty
        ? "make it with v4l2enc encode … --stats FILE" : "nothing was encoded when it was written"
      throw CommandError(.badData, "\(name) has no packet; \(reason)")
    }
  }

  private mutating func add(_ json: JSON) throws(JSONFailure) {
    guard case .object(let members) = json else { throw JSONFailure("no object") }
    switch members.first {
    case (StatisticsLine.stream, let value)?:
      streams.append(Stream(record: try StreamRecord(json: value), firstPacket: packets.count))
    case (StatisticsLine.sample, let value)?:
      let record = try SampleRecord(json: value)
      let first = streams.last?.firstPacket ?? 0
      let previous = samples.last.map(\.packetsBefore) ?? 0
      samples.append(
        Sample(
          record: record, packetsBefore: max(previous, first &+ max(0, record.packetsOut)),
          streams: streams.count))
    default:
      for name in ["index", "pts", "bytes", "key"] where !members.contains(where: { $0.0 == name })
      {
        throw JSONFailure("\(name) is missing")
      }
      let packet = try Packet(json: json)
      // Twice the largest buffer that a driver has; nothing that is added up overflows.
      guard (0...1 << 30).contains(packet.bytes), (0...1 << 40).contains(packet.duration),
        (0...1 << 50).contains(packet.latency)
      else { throw JSONFailure("a number is out of its range") }
      packets.append(packet)
    }
  }
}

extension JSONFailure {
  /// The message without the line, which is always the first of a text of one line.
  var ofOneLine: String {
    let prefix = "line 1: "
    return message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message
  }
}
