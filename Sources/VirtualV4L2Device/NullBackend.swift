internal import CV4L2
internal import Glibc

/// Writes access units of the right structure and about the right size without looking at a
/// picture: it costs almost nothing, so that what is measured is the client.
///
/// The parameter sets are real ones for the size, slices carry a slice header and filler.
final class NullBackend: CodecBackend {
  private var settings: CodecSettings
  private let headers: [UInt8]
  private let delay: Int
  private var waiting: [FrameTag] = []
  private var waitingKeys: [Bool] = []
  private var sinceKeyFrame = 0
  private var hasStarted = false

  init(_ settings: CodecSettings, delay: Int) {
    self.settings = settings
    self.delay = delay
    headers =
      settings.codec == .h264
      ? SyntheticHeaders.h264(settings) : SyntheticHeaders.hevc(settings)
  }

  var delayedFrames: Int { waiting.count }
  var isSpent: Bool { false }

  func writeHeaders(to target: UnsafeMutableRawBufferPointer) throws(CodecFailure) -> Int {
    guard headers.count <= target.count else { throw .overflow }
    target.copyBytes(from: headers)
    return headers.count
  }

  func update(_ settings: CodecSettings) { self.settings = settings }

  func encode(
    _ picture: RawPicture, tag: FrameTag, forcesKeyFrame: Bool,
    into target: UnsafeMutableRawBufferPointer
  ) throws(CodecFailure) -> AccessUnit? {
    waiting.append(tag)
    waitingKeys.append(forcesKeyFrame)
    guard waiting.count > delay else { return nil }
    return try flush(into: target)
  }

  func flush(into target: UnsafeMutableRawBufferPointer) throws(CodecFailure) -> AccessUnit? {
    guard !waiting.isEmpty else { return nil }
    let tag = waiting.removeFirst()
    let isForced = waitingKeys.removeFirst()
    let interval = settings.keyFrameInterval
    let isKey = !hasStarted || isForced || (interval > 0 && sinceKeyFrame >= interval)
    sinceKeyFrame = isKey ? 1 : sinceKeyFrame + 1

    var count = 0
    if settings.hasDelimiters { count = append(delimiter, at: count, to: target) }
    let needsHeaders = hasStarted ? settings.repeatsHeaders : !settings.separatesHeaders
    if isKey, needsHeaders { count = append(headers, at: count, to: target) }
    count = append(sliceStart(isKey: isKey), at: count, to: target)
    let wanted = Int(Double(settings.bitrate) / max(settings.frameRate, 0.001) / 8)
    let filler = min(max(wanted, 16), target.count - count)
    guard filler > 0, let base = target.baseAddress else { throw .overflow }
    memset(base + count, 0xA5, filler)
    hasStarted = true
    return AccessUnit(byteCount: count + filler, kind: isKey ? .key : .predicted, tag: tag)
  }

  private func append(
    _ bytes: [UInt8], at offset: Int, to target: UnsafeMutableRawBufferPointer
  ) -> Int {
    guard offset + bytes.count <= target.count else { return offset }
    UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyBytes(from: bytes)
    return offset + bytes.count
  }

  private var delimiter: [UInt8] {
    settings.codec == .h264 ? [0, 0, 0, 1, 0x09, 0xf0] : [0, 0, 0, 1, 0x46, 0x01, 0x50]
  }

  /// NAL header and the first elements of the slice header: first macroblock, type, PPS.
  private func sliceStart(isKey: Bool) -> [UInt8] {
    switch settings.codec {
    // ue(0) ue(7 or 5) ue(0): 1 0001000 1… or 1 00110 1…
    case .h264: isKey ? [0, 0, 0, 1, 0x65, 0x88, 0x80] : [0, 0, 0, 1, 0x41, 0x9a, 0x80]
    // IDR_W_RADL (19) or TRAIL_R (1); first_slice_segment_in_pic_flag set.
    case .hevc: isKey ? [0, 0, 0, 1, 0x26, 0x01, 0xaf] : [0, 0, 0, 1, 0x02, 0x01, 0xd0]
    }
  }
}

/// Parameter sets for pictures nobody coded.
enum SyntheticHeaders {
  /// SPS and PPS as ITU-T H.264, 7.3.2.1.1 and 7.3.2.2 lay them out.
  static func h264(_ settings: CodecSettings) -> [UInt8] {
    let profile = settings.controls[V4L2_CID_MPEG_VIDEO_H264_PROFILE]
    let isHigh = profile == Int(V4L2_MPEG_VIDEO_H264_PROFILE_HIGH.rawValue)
    let isMain = profile == Int(V4L2_MPEG_VIDEO_H264_PROFILE_MAIN.rawValue)
    let columns = (settings.width + 15) / 16
    let rows = (settings.height + 15) / 16
    var sequence = BitWriter()
    sequence.bits(isHigh ? 100 : isMain ? 77 : 66, 8)
    sequence.bits(profile == 1 ? 0b0100_0000 : 0, 8)
    sequence.bits(H264Levels.code(settings.controls[V4L2_CID_MPEG_VIDEO_H264_LEVEL]), 8)
    sequence.unsigned(0)
    if isHigh {
      sequence.unsigned(1)  // chroma_format_idc: 4:2:0
      sequence.unsigned(0)
      sequence.unsigned(0)
      sequence.bits(0, 2)
    }
    sequence.unsigned(0)  // log2_max_frame_num_minus4
    sequence.unsigned(2)  // pic_order_cnt_type
    sequence.unsigned(1)  // max_num_ref_frames
    sequence.flag(false)
    sequence.unsigned(columns - 1)
    sequence.unsigned(rows - 1)
    sequence.flag(true)  // frame_mbs_only_flag
    sequence.flag(true)  // direct_8x8_inference_flag
    let right = (columns * 16 - settings.width) / 2
    let bottom = (rows * 16 - settings.height) / 2
    sequence.flag(right > 0 || bottom > 0)
    if right > 0 || bottom > 0 {
      for edge in [0, right, 0, bottom] { sequence.unsigned(edge) }
    }
    sequence.flag(false)  // vui_parameters_present_flag
    sequence.trailing()

    var picture = BitWriter()
    picture.unsigned(0)
    picture.unsigned(0)
    let isArithmetic =
      (isHigh || isMain) && settings.controls[V4L2_CID_MPEG_VIDEO_H264_ENTROPY_MODE] == 1
    picture.flag(isArithmetic)
    picture.flag(false)
    picture.unsigned(0)  // num_slice_groups_minus1
    picture.unsigned(0)
    picture.unsigned(0)
    picture.flag(false)
    picture.bits(0, 2)
    picture.signed(0)
    picture.signed(0)
    picture.signed(0)
    picture.flag(true)  // deblocking_filter_control_present_flag
    picture.flag(false)
    picture.flag(false)
    picture.trailing()
    return sequence.unit(header: [0x67]) + picture.unit(header: [0x68])
  }

  /// VPS, SPS and PPS as ITU-T H.265, 7.3.2.1 to 7.3.2.3 lay them out.
  static func hevc(_ settings: CodecSettings) -> [UInt8] {
    var video = BitWriter()
    video.bits(0, 4)
    video.bits(0b11, 2)  // base layer internal and available
    video.bits(0, 6)
    video.bits(0, 3)
    video.flag(true)
    video.bits(0xffff, 16)
    profileTierLevel(&video, settings)
    video.flag(true)
    for value in [1, 0, 0] { video.unsigned(value) }  // DPB size, reordering, latency
    video.bits(0, 6)
    video.unsigned(0)
    video.flag(false)
    video.flag(false)
    video.trailing()

    let width = (settings.width + 15) & ~15
    let height = (settings.height + 15) & ~15
    var sequence = BitWriter()
    sequence.bits(0, 4)
    sequence.bits(0, 3)
    sequence.flag(true)
    profileTierLevel(&sequence, settings)
    sequence.unsigned(0)
    sequence.unsigned(1)  // chroma_format_idc: 4:2:0
    sequence.unsigned(width)
    sequence.unsigned(height)
    sequence.flag(width != settings.width || height != settings.height)
    if width != settings.width || height != settings.height {
      for edge in [0, (width - settings.width) / 2, 0, (height - settings.height) / 2] {
        sequence.unsigned(edge)
      }
    }
    for value in [0, 0, 4] { sequence.unsigned(value) }  // depths, POC bits
    sequence.flag(true)
    for value in [1, 0, 0] { sequence.unsigned(value) }  // DPB size, reordering, latency
    for value in [0, 1, 0, 2, 0, 0] { sequence.unsigned(value) }  // block and transform sizes
    for _ in 0..<4 { sequence.flag(false) }  // scaling lists, AMP, SAO, PCM
    sequence.unsigned(0)  // short-term reference picture sets
    for _ in 0..<5 { sequence.flag(false) }  // long-term, TMVP, smoothing, VUI, extension
    sequence.trailing()

    var picture = BitWriter()
    picture.unsigned(0)
    picture.unsigned(0)
    picture.bits(0, 7)  // dependent slices … cabac_init_present_flag
    for _ in 0..<2 { picture.unsigned(0) }
    picture.signed(0)
    picture.bits(0, 3)
    for _ in 0..<2 { picture.signed(0) }
    picture.bits(0, 6)
    picture.flag(false)  // loop filter across slices
    picture.flag(false)
    picture.flag(false)
    picture.flag(false)
    picture.unsigned(0)
    picture.flag(false)
    picture.flag(false)
    picture.trailing()
    return video.unit(header: [0x40, 0x01]) + sequence.unit(header: [0x42, 0x01])
      + picture.unit(header: [0x44, 0x01])
  }

  private static func profileTierLevel(_ writer: inout BitWriter, _ settings: CodecSettings) {
    writer.bits(0, 2)
    writer.flag(settings.controls[V4L2_CID_MPEG_VIDEO_HEVC_TIER] == 1)
    writer.bits(1, 5)  // Main
    writer.bits(0x6000, 16)
    writer.bits(0, 16)
    writer.bits(0b1001, 4)  // progressive, frame only
    writer.bits(0, 44)
    writer.bits(HEVCLevels.code(settings.controls[V4L2_CID_MPEG_VIDEO_HEVC_LEVEL]), 8)
  }
}
