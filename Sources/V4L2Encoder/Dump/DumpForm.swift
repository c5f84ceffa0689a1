/// Bits of a kernel constant; hexadecimal in JSON.
package struct Bits: Hashable, Sendable, JSONConvertible {
  package var rawValue: UInt32
  package init(_ rawValue: UInt32) { self.rawValue = rawValue }

  package var json: JSON { .string("0x" + String(rawValue, radix: 16)) }

  package init(json: JSON) throws(JSONFailure) {
    let text = try String(json: json)
    guard text.hasPrefix("0x"), let value = UInt32(text.dropFirst(2), radix: 16) else {
      throw JSONFailure("no number such as 0x1f")
    }
    rawValue = value
  }
}

/// A format's code: its four characters where they can be printed, else hexadecimal.
package struct FourCC: Hashable, Sendable, JSONConvertible {
  package var rawValue: UInt32
  package init(_ rawValue: UInt32) { self.rawValue = rawValue }

  private var characters: [UInt8] {
    [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: rawValue >> $0) }
  }

  package var json: JSON {
    guard characters.allSatisfy({ (0x20...0x7e).contains($0) }) else { return Bits(rawValue).json }
    return .string(String(decoding: characters, as: UTF8.self))
  }

  package init(json: JSON) throws(JSONFailure) {
    let bytes = Array(try String(json: json).utf8)
    guard bytes.count == 4 else {
      rawValue = try Bits(json: json).rawValue
      return
    }
    rawValue = bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
}

extension DeviceDump: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("v4l2enc_dump", &version)
    try fields("machine", &machine)
    try fields("node", &node)
    try fields("kind", &kind)
    try fields("identity", &identity)
    try fields("queues", &queues)
    try fields("controls", &controls)
    try fields("selections", &selections)
    try fields("requests", &answers)
  }
}

extension DeviceDump {
  /// The dump as JSON, in lines for people.
  public var jsonText: String { json.lines() + "\n" }

  /// Reads a dump from JSON.
  ///
  /// - Throws: `invalidConfiguration` when the text is no dump, or one of a newer form.
  public init(jsonText: String) throws(EncoderError) {
    do throws(JSONFailure) {
      let json = try JSON(parsing: jsonText)
      guard case .object(let members) = json,
        let version = members.first(where: { $0.0 == "v4l2enc_dump" })?.1
      else { throw JSONFailure("it has no v4l2enc_dump, the version of the form") }
      guard case .number(1...Self.currentVersion) = version else {
        throw JSONFailure(
          "its form \(version.text) is not known here, only up to \(Self.currentVersion)")
      }
      self = try DeviceDump(json: json)
    } catch {
      throw EncoderError(.invalidConfiguration, "this is no dump of a device: \(error.message)")
    }
  }
}

extension DeviceDump.Machine: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("board", &board)
    try fields("kernel", &kernel)
    try fields("architecture", &architecture)
  }
}

extension DeviceDump.Identity: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("driver", &driver)
    try fields("card", &card)
    try fields("bus", &bus)
    try fields("version", &version)
    try fields("capabilities", &capabilities)
    try fields("device_capabilities", &deviceCapabilities)
  }
}

extension DeviceDump.Queue: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("direction", &direction)
    try fields("type", &type)
    try fields("formats", &formats)
    try fields("current", &current)
    try fields("trials", &trials)
    try fields("frame_rate", &frameRate)
    try fields("memory", &memory)
    try fields("buffer_capabilities", &bufferCapabilities)
  }
}

extension DeviceDump.Format: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("fourcc", &fourCC)
    try fields("name", &name)
    try fields("flags", &flags)
    try fields("sizes", &sizes)
  }
}

extension DeviceDump.SizeRange: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("minimum", &minimum)
    try fields("maximum", &maximum)
    try fields("step", &step)
    try fields("rates", &rates)
  }
}

extension DeviceDump.RateRange: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("slowest", &slowest)
    try fields("fastest", &fastest)
  }
}

extension DeviceDump.Picture: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("fourcc", &fourCC)
    try fields("size", &size)
    try fields("bytesperline", &bytesPerLine)
    try fields("sizeimage", &byteCounts)
    try fields("colors", &colors)
  }
}

extension DeviceDump.Trial: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("fourcc", &fourCC)
    try fields("size", &size)
    try fields("sizeimage", &byteCount)
    try fields("granted", &granted)
    try fields("error", &error)
  }
}

extension DeviceDump.Control: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("id", &id)
    try fields("title", &title)
    try fields("kind", &kind)
    try fields("minimum", &minimum)
    try fields("maximum", &maximum)
    try fields("step", &step)
    try fields("default", &initial)
    try fields("current", &current)
    try fields("items", &items)
    try fields("marks", &marks)
  }
}

extension DeviceDump.Item: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("value", &value)
    try fields("name", &name)
  }
}

extension DeviceDump.Selection: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("target", &target)
    try fields("rectangle", &rectangle)
    try fields("error", &error)
  }
}

extension DeviceDump.Answer: JSONRecord {
  package mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
    try fields("name", &name)
    try fields("result", &result)
  }
}
