import Foundation
import TestSupport

@testable import V4L2Encoder

/// A stream that FFmpeg's encoders wrote, cut into access units where ffprobe cuts it.
struct EncodedClip: Sendable {
  /// Where the stream is; it lasts as long as the clip is held.
  let path: String
  let codec: VideoCodec
  let accessUnits: [[UInt8]]
  private let directory: TemporaryDirectory

  /// Encodes moving test pictures.
  init(_ codec: VideoCodec, size: String = "176x144", frames: Int = 12, _ options: String)
    async throws
  {
    directory = try TemporaryDirectory()
    path = directory.file(codec == .h264 ? "clip.h264" : "clip.hevc")
    self.codec = codec
    try await MediaTools.ffmpeg(
      ["-f", "lavfi", "-i", "testsrc2=size=\(size):rate=25", "-frames:v", "\(frames)"]
        + ["-pix_fmt", "yuv420p", "-c:v", codec == .h264 ? "libx264" : "libx265"]
        + options.split(separator: " ").map(String.init) + [path])
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var offset = 0
    accessUnits = try await MediaTools.probe(path).packets.map { packet in
      defer { offset += packet.byteCount }
      return Array(bytes[offset..<min(offset + packet.byteCount, bytes.count)])
    }
  }

  /// What the assembler makes of the access units.
  func assembled(
    form: BitstreamForm = .annexB, addsDelimiters: Bool = false, measuresQuantizer: Bool = false
  ) throws -> [AccessUnit] {
    var assembler = PacketAssembler(
      codec: codec, form: form, addsDelimiters: addsDelimiters,
      measuresQuantizer: measuresQuantizer)
    return try accessUnits.map { bytes in
      let outcome = assembler.accept(PacketBuffer(copying: bytes, room: assembler.room))
      guard case .picture(let unit) = outcome else {
        throw TestSupportError("an access unit without a picture")
      }
      return unit
    }
  }

  /// A file of the clip's directory.
  func file(_ name: String) -> String { directory.file(name) }
}
