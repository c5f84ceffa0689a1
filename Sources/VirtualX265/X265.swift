#if VirtualCodecs
internal import Cx265
internal import Glibc

/// What an HEVC stream is to be like, in plain numbers.
package struct X265Settings: Hashable, Sendable {
  package enum RateControl: Hashable, Sendable {
    /// Bits per second, with a ceiling.
    case average(bitrate: Int, peak: Int)
    case constantQuality(factor: Double)
    case fixed(quantizer: Int)
  }

  package var width: Int
  package var height: Int
  package var rateNumerator: UInt32
  package var rateDenominator: UInt32
  package var rateControl: RateControl
  package var bFrames: Int
  package var minimumQuantizer: Int
  package var maximumQuantizer: Int
  /// `general_level_idc` divided by three, such as 40 for level 4; 0 leaves it to the encoder.
  package var level: Int
  package var isHighTier: Bool
  package var primaries: Int
  package var transfer: Int
  package var matrix: Int
  package var isFullRange: Bool

  package init(
    width: Int, height: Int, rateNumerator: UInt32, rateDenominator: UInt32,
    rateControl: RateControl, bFrames: Int, minimumQuantizer: Int, maximumQuantizer: Int,
    level: Int, isHighTier: Bool, primaries: Int, transfer: Int, matrix: Int, isFullRange: Bool
  ) {
    self.width = width
    self.height = height
    self.rateNumerator = rateNumerator
    self.rateDenominator = rateDenominator
    self.rateControl = rateControl
    self.bFrames = bFrames
    self.minimumQuantizer = minimumQuantizer
    self.maximumQuantizer = maximumQuantizer
    self.level = level
    self.isHighTier = isHighTier
    self.primaries = primaries
    self.transfer = transfer
    self.matrix = matrix
    self.isFullRange = isFullRange
  }
}

/// One x265 encoder on one thread, used by one thread at a time.
package final class X265Encoder {
  private let encoder: OpaquePointer
  private let parameters: UnsafeMutablePointer<x265_param>
  private let picture: UnsafeMutablePointer<x265_picture>
  private let coded: UnsafeMutablePointer<x265_picture>
  private var frames: Int64 = 0

  /// Bytes of one access unit, valid until the next call, with what came with its picture.
  package struct Output {
    package enum Kind { case key, predicted, bidirectional }
    package let bytes: UnsafeRawBufferPointer
    package let kind: Kind
    /// Counts pictures in the order in which they were given.
    package let number: Int64
  }

  /// Nil when the library refuses the settings.
  package init?(_ settings: X265Settings) {
    guard let parameters = x265_param_alloc() else { return nil }
    Self.fill(parameters, settings)
    var opened = cx265_encoder_open(parameters)
    if opened == nil {
      // A level too low for the size: the library finds the lowest that will do.
      parameters.pointee.levelIdc = 0
      opened = cx265_encoder_open(parameters)
    }
    guard let encoder = opened, let picture = x265_picture_alloc(), let coded = x265_picture_alloc()
    else {
      x265_param_free(parameters)
      return nil
    }
    self.encoder = encoder
    self.parameters = parameters
    self.picture = picture
    self.coded = coded
    headers = Self.headers(encoder)
    x265_picture_init(parameters, picture)
    x265_picture_init(parameters, coded)
  }

  deinit {
    x265_encoder_close(encoder)
    x265_picture_free(picture)
    x265_picture_free(coded)
    x265_param_free(parameters)
  }

  /// VPS, SPS and PPS.
  ///
  /// Fetched before the first picture: later the library would add the last picture to them.
  package let headers: [UInt8]

  private static func headers(_ encoder: OpaquePointer) -> [UInt8] {
    var units: UnsafeMutablePointer<x265_nal>?
    var count: UInt32 = 0
    guard x265_encoder_headers(encoder, &units, &count) >= 0 else { return [] }
    return bytes(units, count).map { [UInt8]($0) } ?? []
  }

  /// Gives a picture of three planes; nil when no access unit is ready yet.
  package func encode(
    y: UnsafeMutableRawPointer, u: UnsafeMutableRawPointer, v: UnsafeMutableRawPointer,
    lumaStride: Int, chromaStride: Int, forcesKeyFrame: Bool
  ) throws(X265Failure) -> Output? {
    picture.pointee.planes = (y, u, v)
    let chroma = Int32(clamping: chromaStride)
    picture.pointee.stride = (Int32(clamping: lumaStride), chroma, chroma)
    picture.pointee.bitDepth = 8
    picture.pointee.colorSpace = X265_CSP_I420
    picture.pointee.sliceType = forcesKeyFrame ? X265_TYPE_IDR : X265_TYPE_AUTO
    picture.pointee.pts = frames
    frames += 1
    return try run(picture)
  }

  /// Gives the next delayed access unit; nil when there is none left.
  package func flush() throws(X265Failure) -> Output? { try run(nil) }

  private func run(_ input: UnsafeMutablePointer<x265_picture>?) throws(X265Failure) -> Output? {
    var units: UnsafeMutablePointer<x265_nal>?
    var count: UInt32 = 0
    let result = x265_encoder_encode(encoder, &units, &count, input, coded)
    guard result >= 0 else { throw X265Failure() }
    guard result > 0, count > 0, let bytes = Self.bytes(units, count) else { return nil }
    let kind: Output.Kind =
      switch coded.pointee.sliceType {
      case X265_TYPE_IDR, X265_TYPE_I: .key
      case X265_TYPE_B, X265_TYPE_BREF: .bidirectional
      default: .predicted
      }
    return Output(bytes: bytes, kind: kind, number: coded.pointee.pts)
  }

  /// The payloads of all units lie one after the other.
  private static func bytes(_ units: UnsafeMutablePointer<x265_nal>?, _ count: UInt32)
    -> UnsafeRawBufferPointer?
  {
    guard let units, count > 0, let start = units[0].payload else { return nil }
    var length = 0
    for index in 0..<Int(count) { length += Int(units[index].sizeBytes) }
    return UnsafeRawBufferPointer(start: start, count: length)
  }

  /// The library takes no picture smaller than one coding tree unit.
  private static func codingTreeUnit(_ settings: X265Settings) -> Int {
    min(settings.width, settings.height) < 32 ? 16 : 32
  }

  /// Levels from 5 on want coding tree units of 32 at least (ITU-T H.265, A.4.2), which a lower
  /// picture has no room for.
  ///
  /// Asked for both, version 3.5 sets up some of its tables for the one size, encodes with the
  /// other and writes beyond them.
  private static func level(_ settings: X265Settings) -> Int {
    guard codingTreeUnit(settings) < 32 else { return settings.level }
    let highest = 41
    return settings.level == 0 ? highest : min(settings.level, highest)
  }

  private static func fill(
    _ parameters: UnsafeMutablePointer<x265_param>, _ settings: X265Settings
  ) {
    _ = x265_param_default_preset(parameters, "ultrafast", "zerolatency")
    parameters.pointee.logLevel = X265_LOG_NONE
    parameters.pointee.sourceWidth = Int32(clamping: settings.width)
    parameters.pointee.sourceHeight = Int32(clamping: settings.height)
    parameters.pointee.internalCsp = X265_CSP_I420
    parameters.pointee.fpsNum = settings.rateNumerator
    parameters.pointee.fpsDenom = settings.rateDenominator
    // One thread, the worker's: sixteen encoders at once must not make sixteen pools.
    parameters.pointee.frameNumThreads = 1
    parameters.pointee.bEnableWavefront = 0
    parameters.pointee.bDistributeModeAnalysis = 0
    parameters.pointee.bDistributeMotionEstimation = 0
    parameters.pointee.lookaheadSlices = 0
    x265_param_parse(parameters, "pools", "none")
    let unit = codingTreeUnit(settings)
    parameters.pointee.maxCUSize = UInt32(unit)
    parameters.pointee.maxTUSize = UInt32(unit)
    parameters.pointee.minCUSize = 8
    // Key frames come when they are asked for, so that their distance may change at any time.
    parameters.pointee.keyframeMax = -1
    parameters.pointee.bOpenGOP = 0
    parameters.pointee.scenecutThreshold = 0
    parameters.pointee.bframes = Int32(clamping: settings.bFrames)
    parameters.pointee.bBPyramid = 0
    parameters.pointee.bFrameAdaptive = 0
    parameters.pointee.lookaheadDepth = settings.bFrames == 0 ? 0 : Int32(settings.bFrames + 2)
    // Parameter sets and delimiters are the caller's, for the same reason.
    parameters.pointee.bRepeatHeaders = 0
    parameters.pointee.bEnableAccessUnitDelimiters = 0
    parameters.pointee.bEmitInfoSEI = 0
    parameters.pointee.bAnnexB = 1
    parameters.pointee.levelIdc = Int32(clamping: level(settings))
    parameters.pointee.bHighTier = settings.isHighTier ? 1 : 0
    fillRate(parameters, settings.rateControl)
    parameters.pointee.rc.qpMin = Int32(clamping: settings.minimumQuantizer)
    parameters.pointee.rc.qpMax = Int32(clamping: settings.maximumQuantizer)
    parameters.pointee.vui.bEnableVideoSignalTypePresentFlag = 1
    parameters.pointee.vui.videoFormat = 5
    parameters.pointee.vui.bEnableVideoFullRangeFlag = settings.isFullRange ? 1 : 0
    parameters.pointee.vui.bEnableColorDescriptionPresentFlag = 1
    parameters.pointee.vui.colorPrimaries = Int32(clamping: settings.primaries)
    parameters.pointee.vui.transferCharacteristics = Int32(clamping: settings.transfer)
    parameters.pointee.vui.matrixCoeffs = Int32(clamping: settings.matrix)
  }

  private static func fillRate(
    _ parameters: UnsafeMutablePointer<x265_param>, _ rateControl: X265Settings.RateControl
  ) {
    switch rateControl {
    case .average(let bitrate, let peak):
      parameters.pointee.rc.rateControlMode = Int32(X265_RC_ABR.rawValue)
      parameters.pointee.rc.bitrate = Int32(clamping: max(1, bitrate / 1000))
      parameters.pointee.rc.vbvMaxBitrate = Int32(clamping: max(1, peak / 1000))
      parameters.pointee.rc.vbvBufferSize = Int32(clamping: max(1, peak / 1000))
    case .constantQuality(let factor):
      parameters.pointee.rc.rateControlMode = Int32(X265_RC_CRF.rawValue)
      parameters.pointee.rc.rfConstant = factor
    case .fixed(let quantizer):
      parameters.pointee.rc.rateControlMode = Int32(X265_RC_CQP.rawValue)
      parameters.pointee.rc.qp = Int32(clamping: quantizer)
    }
  }
}

/// The encoder refused a picture.
package struct X265Failure: Error {
  package init() {}
}
#endif
