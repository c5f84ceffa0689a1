/// One control to be set, and what its absence means.
package struct PlannedControl: Hashable, Sendable {
  /// Who cares when the driver lacks the control.
  package enum Importance: Hashable, Sendable {
    /// The caller asked for it: its absence is reported as a difference.
    case asked
    /// It only makes the driver's own choice explicit: its absence is listed, nothing more.
    case explicit
  }

  package var id: ControlID
  /// The standard name without `V4L2_CID_MPEG_VIDEO_`, or the number of a control without one.
  package var name: String { EncoderControl.name(of: id) }
  package var value: Int64
  package var importance: Importance
  /// Tried when the driver lacks the control.
  package var substitute: [PlannedControl]

  package init(
    _ id: ControlID, _ value: Int64, _ importance: Importance,
    else substitute: [PlannedControl] = []
  ) {
    self.id = id
    self.value = value
    self.importance = importance
    self.substitute = substitute
  }
}

/// The controls of one configuration, in the order they are set.
///
/// Rate control, bitrate, GOP, quantizer bounds, profile and level are always in the list: the
/// defaults are unusable on half the drivers (FRAME_RC_ENABLE is off on s5p-mfc, allegro and
/// wave5; BITRATE is 0 on coda and wave5; level is 1.0 on venus, iris and wave5).
package enum ControlPlan {
  package static func controls(
    for codec: VideoCodec, _ configuration: EncoderConfiguration, profile: CodecProfile?,
    level: CodecLevel?, family: DriverFamily = .generic
  ) -> [PlannedControl] {
    rate(codec, configuration) + structure(codec, configuration, family)
      + tools(codec, profile: profile, level: level)
      + quantizer(codec, configuration) + headers(codec, configuration)
  }

  static func rate(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration
  ) -> [PlannedControl] {
    switch configuration.rateControl {
    case .constant(let bitrate):
      [
        PlannedControl(.frameRCEnable, 1, .explicit),
        PlannedControl(.mbRCEnable, 1, .explicit),
        PlannedControl(.bitrateMode, 1, .asked),
        PlannedControl(.bitrate, Int64(bitrate), .asked),
      ]
    case .variable(let bitrate, let peak):
      // The peak first: a driver may clamp the bitrate to the peak in force.
      [
        PlannedControl(.frameRCEnable, 1, .explicit),
        PlannedControl(.mbRCEnable, 1, .explicit),
        PlannedControl(.bitrateMode, 0, .asked),
        PlannedControl(.bitratePeak, Int64(peak), .asked),
        PlannedControl(.bitrate, Int64(bitrate), .asked),
      ]
    case .constantQuantizer:
      // FWHT knows nothing but quantizers.
      codec == .fwht
        ? []
        : [
          PlannedControl(.frameRCEnable, 0, .explicit),
          PlannedControl(.mbRCEnable, 0, .explicit),
        ]
    }
  }

  static func keyFrameInterval(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, _ family: DriverFamily
  ) -> [PlannedControl] {
    let interval = Int64(configuration.keyFrameInterval)
    if let controls = family.keyFrameIntervals[codec] {
      return controls.map { PlannedControl($0, interval, .asked) }
    }
    // Older bcm2835-codec has the H.264 control only; both are the same setting there.
    let substitute: [PlannedControl] =
      codec == .h264 ? [PlannedControl(.h264IPeriod, interval, .asked)] : []
    return [PlannedControl(.gopSize, interval, .asked, else: substitute)]
  }

  private static func structure(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, _ family: DriverFamily
  ) -> [PlannedControl] {
    let bidirectional = configuration.bidirectionalFrames
    let keyFrames = keyFrameInterval(codec, configuration, family)
    guard codec != .fwht else { return keyFrames }
    return keyFrames + [
      PlannedControl(.bFrames, Int64(bidirectional), bidirectional > 0 ? .asked : .explicit)
    ]
  }

  private static func tools(
    _ codec: VideoCodec, profile: CodecProfile?, level: CodecLevel?
  ) -> [PlannedControl] {
    switch codec {
    case .h264:
      let usesCABAC = profile == .h264Main || profile == .h264High
      return named(profile, .h264Profile, level, .h264Level) + [
        PlannedControl(.h264EntropyMode, usesCABAC ? 1 : 0, .explicit),
        PlannedControl(
          .h264Transform8x8, profile == .h264High ? 1 : 0, .explicit),
      ]
    case .hevc:
      return named(profile, .hevcProfile, level, .hevcLevel) + [
        PlannedControl(.hevcTier, 0, .explicit),
        // s5p-mfc starts with I pictures that nothing can start from.
        PlannedControl(.hevcRefreshType, 2, .explicit),
      ]
    case .fwht: return []
    }
  }

  private static func named(
    _ profile: CodecProfile?, _ profileID: ControlID, _ level: CodecLevel?, _ levelID: ControlID
  ) -> [PlannedControl] {
    [
      profile.map { PlannedControl(profileID, Int64($0.menuValue), .asked) },
      level.map { PlannedControl(levelID, Int64($0.menuValue), .asked) },
    ].compactMap(\.self)
  }

  /// The maximum goes first: s5p-mfc starts with a maximum of 0, below any minimum.
  static func quantizer(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration
  ) -> [PlannedControl] {
    let range = configuration.quantizer
    var initial = range.initial
    var minimum = range.minimum
    var maximum = range.maximum
    if case .constantQuantizer(let value) = configuration.rateControl {
      // Equal bounds hold the quantizer on drivers without FRAME_RC_ENABLE, such as bcm2835-codec.
      (initial, minimum, maximum) = (value, value, value)
    }
    let isConstant = minimum == maximum
    var plan: [PlannedControl]
    switch codec {
    case .h264:
      plan = [
        PlannedControl(.h264MaxQP, Int64(maximum), .asked),
        PlannedControl(.h264MinQP, Int64(minimum), .asked),
      ]
      if let initial {
        plan.append(PlannedControl(.h264IFrameQP, Int64(initial), .asked))
        plan.append(
          PlannedControl(
            .h264PFrameQP, Int64(initial), isConstant ? .asked : .explicit))
      }
      if isConstant, let initial, configuration.bidirectionalFrames > 0 {
        plan.append(PlannedControl(.h264BFrameQP, Int64(initial), .explicit))
      }
    case .hevc:
      plan = [
        PlannedControl(.hevcMaxQP, Int64(maximum), .asked),
        PlannedControl(.hevcMinQP, Int64(minimum), .asked),
      ]
      if let initial {
        plan.append(PlannedControl(.hevcIFrameQP, Int64(initial), .asked))
        plan.append(
          PlannedControl(
            .hevcPFrameQP, Int64(initial), isConstant ? .asked : .explicit))
      }
      if isConstant, let initial, configuration.bidirectionalFrames > 0 {
        plan.append(PlannedControl(.hevcBFrameQP, Int64(initial), .explicit))
      }
    case .fwht:
      // The only two there are; without a wish the driver's own stay.
      guard let initial else { return [] }
      plan = [
        PlannedControl(.fwhtIFrameQP, Int64(initial), .asked),
        PlannedControl(.fwhtPFrameQP, Int64(initial), .asked),
      ]
    }
    return plan
  }

  /// Parameter sets with the first picture and again at every IDR.
  ///
  /// The two controls for repetition have the same effect on different drivers; where neither
  /// exists the library inserts them itself, so nothing is missing for the caller.
  private static func headers(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration
  ) -> [PlannedControl] {
    guard codec != .fwht else { return [] }
    // Where the control is missing the library inserts the delimiters itself, too.
    let delimiters =
      configuration.accessUnitDelimiters ? [PlannedControl(.auDelimiter, 1, .explicit)] : []
    return delimiters + [
      PlannedControl(.headerMode, 1, .explicit),
      PlannedControl(
        .prependParameterSetsToIDR, 1, .explicit,
        else: [PlannedControl(.repeatSeqHeader, 1, .explicit)]),
    ]
  }
}
