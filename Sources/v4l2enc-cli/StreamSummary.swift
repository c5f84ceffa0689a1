internal import V4L2Encoder

/// What a stream is: the words of the headline, from the driver's answers or from the stream.
struct StreamSummary: Hashable {
  var codec: VideoCodec
  /// Nil when nothing is known of it.
  var profile: String?
  /// Nil when nothing is known of it.
  var level: String?
  var size: VideoSize

  /// What the driver's controls promise.
  init(_ report: NegotiationReport, _ codec: VideoCodec) {
    self.codec = codec
    size = report.visibleSize
    switch codec {
    case .h264:
      profile = report.valueInForce(of: .h264Profile).map { Self.profileName($0, codec) }
      level = report.valueInForce(of: .h264Level).map { Self.levelName($0, codec) }
    case .hevc:
      profile = report.valueInForce(of: .hevcProfile).map { Self.profileName($0, codec) }
      level = report.valueInForce(of: .hevcLevel).map { Self.levelName($0, codec) }
    case .fwht: break
    }
  }

  /// What the stream itself says.
  init(_ set: SequenceParameterSet, _ codec: VideoCodec) {
    self.codec = codec
    size = set.visibleSize
    profile = codec == .h264 ? Self.h264Profile(set) : Self.hevcProfile(set)
    level = codec == .h264 ? Self.h264Level(set) : Self.tenths(set.level, of: 30)
  }

  /// Such as `H.264 high level 3.1, 1280x720`.
  var text: String {
    codec.name + (profile.map { " \($0)" } ?? "") + (level.map { " level \($0)" } ?? "")
      + ", \(size)"
  }

  /// Whether nothing of what is known of both differs.
  func agrees(with other: StreamSummary) -> Bool {
    let sameProfile = profile == nil || other.profile == nil || profile == other.profile
    let sameLevel = level == nil || other.level == nil || level == other.level
    return sameProfile && sameLevel && size == other.size
  }

  private static func profileName(_ value: Int64, _ codec: VideoCodec) -> String {
    CodecProfile.all.first { $0.codec == codec && Int64($0.menuValue) == value }?.name
      ?? "profile item \(value)"
  }

  private static func levelName(_ value: Int64, _ codec: VideoCodec) -> String {
    CodecLevel.all(codec).first { Int64($0.menuValue) == value }?.name ?? "item \(value)"
  }

  /// `profile_idc` of ITU-T H.264, Annex A.2, with `constraint_set1_flag`.
  private static func h264Profile(_ set: SequenceParameterSet) -> String {
    switch set.profile {
    case 66: set.constraints & 0x40 != 0 ? "constrained-baseline" : "baseline"
    case 77: "main"
    case 100: "high"
    case let number: "profile_idc \(number)"
    }
  }

  /// `general_profile_idc` of ITU-T H.265, Annex A.3.
  private static func hevcProfile(_ set: SequenceParameterSet) -> String {
    switch set.profile {
    case 1: "main"
    case 2: "main-10"
    case let number: "profile_idc \(number)"
    }
  }

  /// Level 1b is 9, or 11 with `constraint_set3_flag` in the profiles without it.
  private static func h264Level(_ set: SequenceParameterSet) -> String {
    let isOld = [66, 77, 88].contains(set.profile)
    if set.level == 9 || (set.level == 11 && isOld && set.constraints & 0x10 != 0) { return "1b" }
    return tenths(set.level, of: 10)
  }

  private static func tenths(_ number: Int, of unit: Int) -> String {
    let tenth = number % unit * 10 / unit
    return tenth == 0 ? "\(number / unit)" : "\(number / unit).\(tenth)"
  }
}

extension NegotiationReport {
  /// The value that a control has after everything was set; nil when that is not known.
  func valueInForce(of id: ControlID) -> Int64? {
    controls.reduce(nil) { value, outcome in
      guard outcome.id == id.rawValue else { return value }
      return switch outcome.result {
      case .applied, .unverified: outcome.requested
      case .adjusted(let granted): granted
      case .unsupported, .refused, .leftOut: value
      }
    }
  }
}
