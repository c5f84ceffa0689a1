/// The controls of NVIDIA's plugin, from `v4l2_nv_extensions.h` of the Jetson Multimedia API.
///
/// Its numbers collide with those of other controls in the kernel, so a control is never written
/// there just because it exists elsewhere: this table is all that is.
package enum NVIDIAControls {
  static let h265Profile = number(513)
  static let idrInterval = number(514)
  static let sliceLength = number(529)
  static let virtualBufferSize = number(531)
  static let referenceFrames = number(532)
  static let sliceIntraRefresh = number(533)
  static let bFrames = number(534)
  static let insertParameterSetsAtIDR = number(535)
  static let quantizerRange = number(539)
  static let insertVUI = number(546)
  static let insertAUD = number(547)
  static let h265Level = number(561)
  static let h265SampleAspectWidth = number(564)
  static let h265SampleAspectHeight = number(565)
  static let forceIDRFrame = number(567)
  static let initialQuantizers = number(574)

  /// NVIDIA's numbers; in the kernel two of them are those of VP9.
  private static let own: ClosedRange<UInt32> = number(513).rawValue...number(598).rawValue
  /// Those whose payload the plugin expects behind a pointer; a number there would be followed.
  private static let structures: Set<ControlID> = [
    sliceLength, number(530), virtualBufferSize, referenceFrames, sliceIntraRefresh, number(536),
    number(538), quantizerRange, number(541), number(542), number(543), number(544), number(545),
    number(550), number(570), initialQuantizers, number(577),
  ]
  /// The standard controls that NVIDIA's samples use with the kernel's numbers.
  private static let standard: Set<ControlID> = [
    .bitrate, .bitratePeak, .bitrateMode, .gopSize, .h264Profile, .h264Level, .h264EntropyMode,
    .frameRCEnable, .h264VUIExtSARWidth, .h264VUIExtSARHeight, .forceFrameType,
  ]
  /// What tells the plugin to keep one bound of `quantizerRange` as it is.
  private static let kept = Int64(UInt32.max)

  private static func number(_ offset: UInt32) -> ControlID {
    ControlID(rawValue: 0x0099_0900 + offset)
  }

  static func translate(
    _ control: PlannedControl, among plan: [PlannedControl]
  ) -> ControlDialect.Translation {
    let value = control.value
    if standard.contains(control.id) { return write(control.id, value) }
    if own.contains(control.id.rawValue) {
      guard !structures.contains(control.id) else {
        return .leaveOut("it carries a structure; use the standard control of the same meaning")
      }
      return write(control.id, value)
    }
    switch control.id {
    case .hevcProfile:
      // Main, Main 10, Main Still Picture here; the kernel has the last two the other way round.
      return write(h265Profile, value == 1 ? 2 : value == 2 ? 1 : value)
    case .hevcLevel:
      let tier = plan.last { $0.id == .hevcTier }?.value ?? 0
      guard (0...12).contains(value), (0...1).contains(tier) else {
        return .leaveOut("the plugin has no such level or tier")
      }
      return write(h265Level, value * 2 + tier)
    case .hevcTier: return .leaveOut("it goes with HEVC_LEVEL")
    case .bFrames: return write(bFrames, value)
    case .prependParameterSetsToIDR: return write(insertParameterSetsAtIDR, value)
    case .auDelimiter: return write(insertAUD, value)
    case .h264VUISAREnable: return write(insertVUI, value)
    case .h264VUISARIDC: return .leaveOut("the plugin always writes width and height")
    case .maxRefPic: return structure(referenceFrames, [value])
    // KiB in the kernel, bits here.
    case .vbvSize, .h264CPBSize: return structure(virtualBufferSize, [product(value, 8192)])
    case .multiSliceMaxBytes: return structure(sliceLength, [0, product(value, 8)])
    case .multiSliceMaxMB: return structure(sliceLength, [1, value])
    case .multiSliceMode:
      return .leaveOut("it goes with MULTI_SLICE_MAX_BYTES or MULTI_SLICE_MAX_MB")
    case .intraRefreshPeriod: return structure(sliceIntraRefresh, [value])
    default:
      return quantizer(control, among: plan)
        ?? .leaveOut("NVIDIA's plugin documents no such control")
    }
  }

  /// Bounds go one at a time, the others kept; first quantizers go together.
  private static func quantizer(
    _ control: PlannedControl, among plan: [PlannedControl]
  ) -> ControlDialect.Translation? {
    let bounds: [ControlID: [Int]] = [
      .h264MinQP: [0, 2, 4], .hevcMinQP: [0, 2, 4], .h264MaxQP: [1, 3, 5], .hevcMaxQP: [1, 3, 5],
      .h264IFrameMinQP: [0], .h264IFrameMaxQP: [1], .h264PFrameMinQP: [2], .h264PFrameMaxQP: [3],
      .h264BFrameMinQP: [4], .h264BFrameMaxQP: [5],
      .hevcIFrameMinQP: [0], .hevcIFrameMaxQP: [1], .hevcPFrameMinQP: [2], .hevcPFrameMaxQP: [3],
      .hevcBFrameMinQP: [4], .hevcBFrameMaxQP: [5],
    ]
    if let places = bounds[control.id] {
      var words = [Int64](repeating: kept, count: 6)
      for place in places { words[place] = control.value }
      return structure(quantizerRange, words)
    }
    let first: [[ControlID]] = [
      [.h264IFrameQP, .h264PFrameQP, .h264BFrameQP], [.hevcIFrameQP, .hevcPFrameQP, .hevcBFrameQP],
    ]
    guard let types = first.first(where: { $0.contains(control.id) }) else { return nil }
    let values = types.map { type in plan.last { $0.id == type }?.value }
    // One structure for all three: it is written with the first of them that is asked for.
    guard let leader = types.first(where: { type in plan.contains { $0.id == type } }),
      leader == control.id
    else { return .leaveOut("it goes with the quantizer of the key frames") }
    return structure(initialQuantizers, values.map { $0 ?? control.value })
  }

  private static func write(_ id: ControlID, _ value: Int64) -> ControlDialect.Translation {
    .write(ControlWrite(id, .value(value)))
  }

  /// What is too large stays too large for `structure`.
  private static func product(_ value: Int64, _ factor: Int64) -> Int64 {
    let result = value.multipliedReportingOverflow(by: factor)
    return result.overflow ? .max : result.partialValue
  }

  private static func structure(
    _ id: ControlID, _ values: [Int64]
  ) -> ControlDialect.Translation {
    let words = values.compactMap { UInt32(exactly: $0) }
    guard words.count == values.count else {
      return .leaveOut("the value does not fit the plugin's structure")
    }
    return .write(ControlWrite(id, .structure(words)))
  }
}
