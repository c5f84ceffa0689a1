internal import CV4L2
internal import Glibc

/// What a codec has to know, as one handle had it when a frame was taken.
struct CodecSettings: Sendable {
  var codec: CodedKind.Codec
  var width: Int
  var height: Int
  var frameRate: Double
  var rateNumerator: UInt32
  var rateDenominator: UInt32
  var color: Colorimetry
  var controls: ControlValues
  /// Bits per second, 0 for no target.
  var bitrate: Int
  /// Frames from one key frame to the next; 0 means only the first is one.
  var keyFrameInterval: Int

  /// Whether parameter sets stand before every key frame.
  var repeatsHeaders: Bool {
    controls[V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER] != 0
      || controls[V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR] != 0
      || controls[Self.insertHeadersOfNVIDIA] != 0
  }

  /// `V4L2_CID_MPEG_VIDEOENC_INSERT_SPS_PPS_AT_IDR` and `_INSERT_AUD` of v4l2_nv_extensions.h.
  private static let insertHeadersOfNVIDIA: Int32 = 0x0099_0b17
  private static let insertDelimiterOfNVIDIA: Int32 = 0x0099_0b23

  /// Whether the first parameter sets get a buffer of their own.
  var separatesHeaders: Bool {
    controls[V4L2_CID_MPEG_VIDEO_HEADER_MODE]
      == Int(V4L2_MPEG_VIDEO_HEADER_MODE_SEPARATE.rawValue)
  }

  var hasDelimiters: Bool {
    controls[V4L2_CID_MPEG_VIDEO_AU_DELIMITER] != 0 || controls[Self.insertDelimiterOfNVIDIA] != 0
  }

  /// Whether the quantizer follows a bitrate; drivers whose bitrate can be 0 mean none by it.
  var isRateControlled: Bool {
    controls[V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE] != 0 && bitrate > 0
  }
}

/// A raw picture in the client's buffer, cropped.
struct RawPicture {
  let layout: RawFormat.Layout
  /// The first visible sample of each colour plane (one for packed formats).
  let planes: InlineArray<3, UnsafeMutableRawPointer>
  let strides: InlineArray<3, Int>
  let width: Int
  let height: Int
}

/// One coded picture, written to the target a back end was given.
struct AccessUnit {
  enum Kind { case key, predicted, bidirectional }

  let byteCount: Int
  let kind: Kind
  /// The tag of the picture it codes.
  let tag: FrameTag
}

/// What travels from an OUTPUT buffer to the CAPTURE buffer of the same frame.
struct FrameTag {
  var timestamp = timeval()
  var timecode = v4l2_timecode()
  /// `TSTAMP_SRC` and `TIMECODE` bits.
  var flags: UInt32 = 0
}

/// Why a back end gave no access unit.
enum CodecFailure: Error {
  /// The codec refused its settings or the picture.
  case refused
  /// The access unit is larger than the CAPTURE buffer.
  case overflow
}

/// A software codec behind one handle; used by the handle's worker thread only.
protocol CodecBackend: AnyObject {
  /// Pictures taken whose access units were not yet given.
  var delayedFrames: Int { get }

  /// Writes the parameter sets; how many bytes.
  func writeHeaders(to target: UnsafeMutableRawBufferPointer) throws(CodecFailure) -> Int

  /// Follows changed settings as far as a running codec can.
  func update(_ settings: CodecSettings)

  /// Takes a picture; gives at most one access unit, of this or of an earlier picture.
  func encode(
    _ picture: RawPicture, tag: FrameTag, forcesKeyFrame: Bool,
    into target: UnsafeMutableRawBufferPointer
  ) throws(CodecFailure) -> AccessUnit?

  /// Gives the next delayed access unit; nil when there is none left.
  func flush(into target: UnsafeMutableRawBufferPointer) throws(CodecFailure) -> AccessUnit?

  /// Whether the next picture needs a new codec, because `flush` ended this one.
  var isSpent: Bool { get }
}
