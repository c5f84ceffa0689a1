#if VirtualCodecs
internal import CV4L2
internal import VirtualX265

/// HEVC by x265, which with B-frames gives pictures later and in another order.
final class X265Backend: CodecBackend {
  private let encoder: X265Encoder
  private let converter: PlanarConverter
  private var settings: CodecSettings
  /// The tags of pictures inside the encoder, by their number.
  private var tags: [Int64: FrameTag] = [:]
  private var pictureCount: Int64 = 0
  private var sinceKeyFrame = 0
  private var hasStarted = false
  private var needsRestart = false
  private var hasEnded = false

  init?(_ settings: CodecSettings) {
    guard let encoder = X265Encoder(X265Settings(settings)) else { return nil }
    self.encoder = encoder
    self.settings = settings
    converter = PlanarConverter(width: settings.width, height: settings.height)
  }

  var delayedFrames: Int { tags.count }

  func writeHeaders(to target: UnsafeMutableRawBufferPointer) throws(CodecFailure) -> Int {
    guard encoder.headers.count <= target.count else { throw .overflow }
    target.copyBytes(from: encoder.headers)
    hasStarted = true
    return encoder.headers.count
  }

  /// Key-frame distance and headers change at once; for anything else the stream starts anew,
  /// with a key frame, unless pictures are still inside, which must come out first.
  ///
  /// The library's own way to change the bitrate, `x265_encoder_reconfig`, is accepted by 3.5
  /// and followed by nothing.
  func update(_ settings: CodecSettings) {
    let isOther = X265Settings(settings) != X265Settings(self.settings)
    self.settings = settings
    needsRestart = needsRestart || isOther
  }

  var isSpent: Bool { hasEnded || (needsRestart && tags.isEmpty) }

  func encode(
    _ picture: RawPicture, tag: FrameTag, forcesKeyFrame: Bool,
    into target: UnsafeMutableRawBufferPointer
  ) throws(CodecFailure) -> AccessUnit? {
    guard picture.width == settings.width, picture.height == settings.height else {
      throw .refused
    }
    let interval = settings.keyFrameInterval
    let isKey = forcesKeyFrame || (interval > 0 && sinceKeyFrame >= interval)
    sinceKeyFrame = isKey ? 1 : sinceKeyFrame + 1
    let planes = converter.planes(of: picture)
    tags[pictureCount] = tag
    pictureCount += 1
    let output: X265Encoder.Output?
    do throws(X265Failure) {
      output = try encoder.encode(
        y: planes.y, u: planes.u, v: planes.v, lumaStride: planes.lumaStride,
        chromaStride: planes.chromaStride, forcesKeyFrame: isKey)
    } catch { throw .refused }
    return try copy(output, to: target)
  }

  func flush(into target: UnsafeMutableRawBufferPointer) throws(CodecFailure) -> AccessUnit? {
    guard !tags.isEmpty else { return nil }
    // An encoder that was told of the end takes no more pictures.
    hasEnded = true
    let output: X265Encoder.Output?
    do throws(X265Failure) { output = try encoder.flush() } catch { throw .refused }
    if output == nil { tags = [:] }
    return try copy(output, to: target)
  }

  private func copy(
    _ output: X265Encoder.Output?, to target: UnsafeMutableRawBufferPointer
  ) throws(CodecFailure) -> AccessUnit? {
    guard let output else { return nil }
    let tag = tags.removeValue(forKey: output.number) ?? FrameTag()
    var position = 0
    if settings.hasDelimiters {
      // pic_type 2: any slice type may follow.
      let delimiter: [UInt8] = [0, 0, 0, 1, 0x46, 0x01, 0x50]
      guard delimiter.count <= target.count else { throw .overflow }
      target.copyBytes(from: delimiter)
      position = delimiter.count
    }
    if !hasStarted || (settings.repeatsHeaders && output.kind == .key) {
      position += try writeHeaders(
        to: UnsafeMutableRawBufferPointer(rebasing: target[position...]))
    }
    guard let base = target.baseAddress, let start = output.bytes.baseAddress,
      position + output.bytes.count <= target.count
    else { throw .overflow }
    (base + position).copyMemory(from: start, byteCount: output.bytes.count)
    let kind: AccessUnit.Kind =
      switch output.kind {
      case .key: .key
      case .predicted: .predicted
      case .bidirectional: .bidirectional
      }
    return AccessUnit(byteCount: position + output.bytes.count, kind: kind, tag: tag)
  }
}

extension X265Settings {
  /// V4L2's controls in x265's terms.
  fileprivate init(_ settings: CodecSettings) {
    let controls = settings.controls
    let codes = ColorCodes(settings.color)
    let mode = controls[V4L2_CID_MPEG_VIDEO_BITRATE_MODE]
    let rateControl: RateControl
    if !settings.isRateControlled {
      rateControl = .fixed(quantizer: controls[V4L2_CID_MPEG_VIDEO_HEVC_P_FRAME_QP])
    } else if mode == Int(V4L2_MPEG_VIDEO_BITRATE_MODE_CQ.rawValue) {
      let quality = controls[V4L2_CID_MPEG_VIDEO_CONSTANT_QUALITY]
      rateControl = .constantQuality(factor: 51 - Double(quality) * 0.41)
    } else {
      let isConstant = mode == Int(V4L2_MPEG_VIDEO_BITRATE_MODE_CBR.rawValue)
      let peak = max(settings.bitrate, controls[V4L2_CID_MPEG_VIDEO_BITRATE_PEAK])
      rateControl = .average(
        bitrate: settings.bitrate, peak: isConstant ? settings.bitrate : peak)
    }
    self.init(
      width: settings.width, height: settings.height, rateNumerator: settings.rateNumerator,
      rateDenominator: settings.rateDenominator, rateControl: rateControl,
      bFrames: controls[V4L2_CID_MPEG_VIDEO_B_FRAMES],
      minimumQuantizer: controls[V4L2_CID_MPEG_VIDEO_HEVC_MIN_QP],
      maximumQuantizer: max(
        controls[V4L2_CID_MPEG_VIDEO_HEVC_MIN_QP], controls[V4L2_CID_MPEG_VIDEO_HEVC_MAX_QP]),
      level: HEVCLevels.code(controls[V4L2_CID_MPEG_VIDEO_HEVC_LEVEL]) / 3,
      isHighTier: controls[V4L2_CID_MPEG_VIDEO_HEVC_TIER] == 1, primaries: codes.primaries,
      transfer: codes.transfer, matrix: codes.matrix, isFullRange: codes.isFullRange)
  }
}
#endif
