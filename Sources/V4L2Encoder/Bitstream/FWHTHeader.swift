/// What stands before every FWHT picture: eleven big-endian words.
///
/// The kernel's vicodec defines it as `struct fwht_cframe_hdr` (codec-fwht.h).
package struct FWHTHeader: Hashable, Sendable {
  /// Bytes of the header.
  package static let byteCount = 44

  /// The first eight bytes, which occur nowhere else in a stream.
  private static let magic: (UInt32, UInt32) = (0x4f4f_4f4f, 0xffff_ffff)

  /// The version of the format; 3 is the newest.
  package let version: UInt32
  /// The picture's size, without the padding to whole blocks.
  package let size: VideoSize
  /// `V4L2_FWHT_FL_*`.
  package let flags: UInt32
  /// Bytes of the picture behind the header.
  package let payloadByteCount: Int

  /// Whether the picture needs no other one.
  ///
  /// The C constant is `V4L2_FWHT_FL_I_FRAME`.
  package var isIntra: Bool { flags & 1 << 10 != 0 }

  /// Reads the header at the start of `bytes`; nil when there is none.
  package init?(_ bytes: RawSpan) {
    guard bytes.byteCount >= Self.byteCount else { return nil }
    func word(_ index: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 << 8 | UInt32(bytes.byte(at: index * 4 + $1)) }
    }
    let size = VideoSize(width: Int(word(3)), height: Int(word(4)))
    guard (word(0), word(1)) == Self.magic, word(2) > 0, size.width > 0, size.height > 0 else {
      return nil
    }
    version = word(2)
    self.size = size
    flags = word(5)
    payloadByteCount = Int(word(10))
  }
}
