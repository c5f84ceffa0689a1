internal import CV4L2

/// One entry of the CAPTURE queue's list of formats.
package struct CodedKind: Hashable, Sendable {
  /// What is written, whatever it is called.
  package enum Codec: Hashable, Sendable { case h264, hevc }

  package let codec: Codec
  package let fourCC: UInt32
  package let name: String
  /// `V4L2_FMT_FLAG_*` besides COMPRESSED.
  package let flags: UInt32

  package init(codec: Codec, fourCC: UInt32, name: String, flags: UInt32 = 0) {
    self.codec = codec
    self.fourCC = fourCC
    self.name = name
    self.flags = flags
  }

  package static let h264 = CodedKind(codec: .h264, fourCC: CV4L2_PIX_FMT_H264, name: "H.264")
  package static let hevc = CodedKind(codec: .hevc, fourCC: CV4L2_PIX_FMT_HEVC, name: "HEVC")

  /// HEVC by the name that NVIDIA's plugin has for it.
  package static let h265 = CodedKind(codec: .hevc, fourCC: CV4L2_PIX_FMT_H265, name: "H.265")

  /// The same, with the frame rate taken on CAPTURE.
  package var withCaptureFrameInterval: CodedKind {
    CodedKind(
      codec: codec, fourCC: fourCC, name: name,
      flags: flags | UInt32(V4L2_FMT_FLAG_ENC_CAP_FRAME_INTERVAL))
  }
}
