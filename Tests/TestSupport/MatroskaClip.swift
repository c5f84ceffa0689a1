/// The least Matroska file that holds one video track, for streams that need a container.
public struct MatroskaClip: Sendable {
  private var bytes: [UInt8]
  private var time = 0

  /// Starts a file.
  ///
  /// - Parameters:
  ///   - codec: Matroska's name, such as `V_MPEG4/ISO/AVC` or `V_MPEGH/ISO/HEVC`.
  ///   - configuration: the decoder configuration record.
  ///   - width: columns of the picture.
  ///   - height: rows of the picture.
  public init(codec: String, configuration: [UInt8], width: Int, height: Int) {
    let video = Self.element([0xb0], Self.number(width)) + Self.element([0xba], Self.number(height))
    let track =
      Self.element([0xd7], [1]) + Self.element([0x73, 0xc5], [1]) + Self.element([0x83], [1])
      + Self.element([0x86], Array(codec.utf8)) + Self.element([0x63, 0xa2], configuration)
      + Self.element([0xe0], video)
    bytes = Self.element(
      [0x1a, 0x45, 0xdf, 0xa3], Self.element([0x42, 0x82], Array("matroska".utf8)))
    // A segment of unknown size.
    bytes += [0x18, 0x53, 0x80, 0x67, 0x01] + [UInt8](repeating: 0xff, count: 7)
    bytes += Self.element([0x16, 0x54, 0xae, 0x6b], Self.element([0xae], track))
  }

  /// Adds one access unit, 40 ms long, in a cluster of its own.
  public mutating func add(_ packet: [UInt8], isKeyFrame: Bool) {
    let block = [0x81, 0, 0, isKeyFrame ? 0x80 : 0] + packet
    bytes += Self.element(
      [0x1f, 0x43, 0xb6, 0x75],
      Self.element([0xe7], Self.number(time)) + Self.element([0xa3], block))
    time += 40
  }

  /// The file so far.
  public var data: [UInt8] { bytes }

  private static func element(_ id: [UInt8], _ content: [UInt8]) -> [UInt8] {
    // A size of eight bytes.
    id + [0x01] + number(content.count).suffix(7) + content
  }

  private static func number(_ value: Int) -> [UInt8] {
    (0..<8).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }
}
