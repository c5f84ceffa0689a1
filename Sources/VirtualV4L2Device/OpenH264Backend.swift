internal import COpenH264
internal import CV4L2

/// H.264 by OpenH264, which never delays a picture and writes no B-frames.
final class OpenH264Backend: CodecBackend {
  private typealias Encoder = UnsafeMutablePointer<ISVCEncoder?>

  private let encoder: Encoder
  private let functions: ISVCEncoderVtbl
  private let converter: PlanarConverter
  private let information: UnsafeMutablePointer<SFrameBSInfo>
  private var settings: CodecSettings
  private var pictureCount: Int64 = 0
  private var hasStarted = false

  init?(_ settings: CodecSettings) {
    var created: Encoder?
    guard WelsCreateSVCEncoder(&created) == 0, let encoder = created,
      let functions = encoder.pointee?.pointee
    else { return nil }
    guard Self.open(encoder, functions, settings) else {
      WelsDestroySVCEncoder(encoder)
      return nil
    }
    self.encoder = encoder
    self.functions = functions
    self.settings = settings
    converter = PlanarConverter(width: settings.width, height: settings.height)
    information = .allocate(capacity: 1)
    information.initialize(to: SFrameBSInfo())
  }

  deinit {
    _ = functions.Uninitialize?(encoder)
    WelsDestroySVCEncoder(encoder)
    information.deallocate()
  }

  private static func open(
    _ encoder: Encoder, _ functions: ISVCEncoderVtbl, _ settings: CodecSettings
  ) -> Bool {
    var level = Int32(WELS_LOG_QUIET)
    _ = functions.SetOption?(encoder, ENCODER_OPTION_TRACE_LEVEL, &level)
    var parameters = SEncParamExt()
    _ = functions.GetDefaultParams?(encoder, &parameters)
    OpenH264Parameters.fill(&parameters, settings)
    if functions.InitializeExt?(encoder, &parameters) == 0 { return true }
    // A level too low for the size: the library finds the lowest that will do.
    parameters.sSpatialLayers.0.uiLevelIdc = LEVEL_UNKNOWN
    return functions.InitializeExt?(encoder, &parameters) == 0
  }

  var delayedFrames: Int { 0 }
  var isSpent: Bool { false }

  func writeHeaders(to target: UnsafeMutableRawBufferPointer) throws(CodecFailure) -> Int {
    guard functions.EncodeParameterSets?(encoder, information) == 0 else { throw .refused }
    let count = try copyLayers(to: target, at: 0, withHeaders: true)
    hasStarted = true
    return count
  }

  /// Bitrate, rate and key-frame distance have options of their own; the rest is set together,
  /// which makes the library start with a key frame.
  func update(_ settings: CodecSettings) {
    let previous = self.settings
    self.settings = settings
    if OpenH264Parameters.needsRestart(previous, settings) {
      var parameters = SEncParamExt()
      _ = functions.GetOption?(encoder, ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, &parameters)
      OpenH264Parameters.fill(&parameters, settings)
      if functions.SetOption?(encoder, ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, &parameters) != 0 {
        self.settings = previous
      }
      // The stream starts anew, with parameter sets that may differ.
      hasStarted = false
      return
    }
    // The ceiling moves first when the rate rises, last when it falls: the library refuses a
    // target above it.
    let isRising = settings.bitrate > previous.bitrate
    if isRising { set(ENCODER_OPTION_MAX_BITRATE, rate: OpenH264Parameters.ceiling(settings)) }
    set(ENCODER_OPTION_BITRATE, rate: OpenH264Parameters.target(settings))
    if !isRising { set(ENCODER_OPTION_MAX_BITRATE, rate: OpenH264Parameters.ceiling(settings)) }
    if settings.frameRate != previous.frameRate {
      var rate = OpenH264Parameters.frameRate(settings)
      _ = functions.SetOption?(encoder, ENCODER_OPTION_FRAME_RATE, &rate)
    }
    if settings.keyFrameInterval != previous.keyFrameInterval {
      var interval = Int32(settings.keyFrameInterval)
      _ = functions.SetOption?(encoder, ENCODER_OPTION_IDR_INTERVAL, &interval)
    }
  }

  private func set(_ option: ENCODER_OPTION, rate: Int32) {
    var information = SBitrateInfo()
    information.iLayer = SPATIAL_LAYER_ALL
    information.iBitrate = rate
    _ = functions.SetOption?(encoder, option, &information)
  }

  func encode(
    _ picture: RawPicture, tag: FrameTag, forcesKeyFrame: Bool,
    into target: UnsafeMutableRawBufferPointer
  ) throws(CodecFailure) -> AccessUnit? {
    guard picture.width == settings.width, picture.height == settings.height else {
      throw .refused
    }
    if forcesKeyFrame { _ = functions.ForceIntraFrame?(encoder, true) }
    let planes = converter.planes(of: picture)
    var source = SSourcePicture()
    source.iColorFormat = Int32(videoFormatI420.rawValue)
    source.iPicWidth = Int32(picture.width)
    source.iPicHeight = Int32(picture.height)
    source.pData = (planes.y, planes.u, planes.v, nil)
    let chroma = Int32(planes.chromaStride)
    source.iStride = (Int32(planes.lumaStride), chroma, chroma, 0)
    source.uiTimeStamp = Int64(Double(pictureCount) * 1000 / max(settings.frameRate, 0.001))
    pictureCount += 1
    guard functions.EncodeFrame?(encoder, &source, information) == 0 else { throw .refused }

    let type = information.pointee.eFrameType
    if type == videoFrameTypeSkip || type == videoFrameTypeInvalid { return nil }
    let isKey = type == videoFrameTypeIDR
    var count = 0
    if settings.hasDelimiters {
      let delimiter: [UInt8] = [0, 0, 0, 1, 0x09, isKey ? 0x10 : 0x30]
      guard delimiter.count <= target.count else { throw .overflow }
      target.copyBytes(from: delimiter)
      count = delimiter.count
    }
    let withHeaders = !hasStarted || settings.repeatsHeaders
    count = try copyLayers(to: target, at: count, withHeaders: withHeaders)
    hasStarted = true
    return AccessUnit(byteCount: count, kind: isKey ? .key : .predicted, tag: tag)
  }

  func flush(into target: UnsafeMutableRawBufferPointer) throws(CodecFailure) -> AccessUnit? {
    nil
  }

  /// Copies what the last call wrote; the library puts parameter sets into layers of their own.
  private func copyLayers(
    to target: UnsafeMutableRawBufferPointer, at start: Int, withHeaders: Bool
  ) throws(CodecFailure) -> Int {
    guard let base = target.baseAddress else { throw .overflow }
    var position = start
    var fits = true
    let layerCount = Int(information.pointee.iLayerNum)
    withUnsafeBytes(of: &information.pointee.sLayerInfo) { bytes in
      let layers = bytes.bindMemory(to: SLayerBSInfo.self)
      for layer in layers.prefix(layerCount) {
        let isHeader = layer.uiLayerType == UInt8(NON_VIDEO_CODING_LAYER.rawValue)
        guard withHeaders || !isHeader, let source = layer.pBsBuf,
          let lengths = layer.pNalLengthInByte
        else { continue }
        var length = 0
        for index in 0..<Int(layer.iNalCount) { length += Int(lengths[index]) }
        guard position + length <= target.count else {
          fits = false
          return
        }
        (base + position).copyMemory(from: source, byteCount: length)
        position += length
      }
    }
    guard fits else { throw .overflow }
    return position
  }
}
