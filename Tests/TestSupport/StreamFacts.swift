internal import Foundation

/// What `ffprobe` says of a video stream.
public struct StreamFacts: Sendable {
  /// FFmpeg's name of the codec, `h264` or `hevc`.
  public let codec: String
  /// The profile in words, such as `Constrained Baseline`.
  public let profile: String
  /// The level as the stream stores it: 31 for H.264 level 3.1, 93 for HEVC level 3.1.
  public let level: Int
  /// Columns and rows of the picture after cropping.
  public let width, height: Int
  /// FFmpeg's pixel format, `yuv420p`, or `yuvj420p` for full range.
  public let pixelFormat: String
  /// `tv`, `pc` or nil when the stream does not say.
  public let colorRange: String?
  /// The matrix, such as `bt709`; nil when the stream does not say.
  public let colorSpace: String?
  /// The transfer function, such as `bt709`; nil when the stream does not say.
  public let colorTransfer: String?
  /// The primaries, such as `bt709`; nil when the stream does not say.
  public let colorPrimaries: String?
  /// Frames per second as a fraction, such as `25/1`.
  public let frameRate: String
  /// How many frames were decoded.
  public let frameCount: Int
  /// The packets in the stream's order.
  public let packets: [Packet]

  /// One packet of the stream.
  public struct Packet: Sendable {
    /// How many bytes it has.
    public let byteCount: Int
    /// Whether decoding can start here.
    public let isKeyFrame: Bool
  }

  init(json: [UInt8]) throws(TestSupportError) {
    let document: Document
    do { document = try JSONDecoder().decode(Document.self, from: Data(json)) } catch {
      throw TestSupportError("ffprobe's answer: \(error)")
    }
    guard let stream = document.streams.first else { throw TestSupportError("no video stream") }
    codec = stream.codec_name
    profile = stream.profile ?? ""
    level = stream.level ?? 0
    width = stream.width
    height = stream.height
    pixelFormat = stream.pix_fmt ?? ""
    colorRange = stream.color_range
    colorSpace = stream.color_space
    colorTransfer = stream.color_transfer
    colorPrimaries = stream.color_primaries
    frameRate = stream.r_frame_rate ?? ""
    frameCount = stream.nb_read_frames.flatMap { Int($0) } ?? 0
    packets = (document.packets ?? []).map { packet in
      Packet(byteCount: Int(packet.size) ?? 0, isKeyFrame: packet.flags.hasPrefix("K"))
    }
  }
}

// ffprobe's own names, as they stand in its answer.
private struct Document: Decodable {
  struct Stream: Decodable {
    var codec_name: String
    var profile: String?
    var level: Int?
    var width, height: Int
    var pix_fmt: String?
    var color_range, color_space, color_transfer, color_primaries: String?
    var r_frame_rate, nb_read_frames: String?
  }
  struct Packet: Decodable {
    var size, flags: String
  }
  var streams: [Stream]
  var packets: [Packet]?
}
