internal import V4L2Encoder

/// What a step must have kept to; each reason is a finding of its own.
enum QualifyChecks {
  /// Of the frames that were due.
  private static let missedShare = 0.02
  /// Whatever the time of a step, one hiccup of the machine is none of the encoder's.
  private static let hiccup = 0.5
  /// Of the frames that were due in a step that is hardly longer than a hiccup.
  private static let mostMissedShare = 0.75
  /// Above the target, over the whole of a step; drivers' rate control is seldom exact.
  private static let bitrateShare = 1.25
  /// In seconds: how long rate control may take to settle.
  private static let settling = 10.0
  /// Allocators keep what they had once.
  private static let memoryGrowth = 16 << 20

  /// Why a step is not stable; none when it is.
  static func reasons(
    _ measures: QualifyMeasures, asked frameRate: Rational, for duration: Duration,
    _ limits: QualifyLimits
  ) -> [String] {
    var reasons = defects(measures)
    let lost = measures.framesIn - measures.packetsOut - measures.framesSkipped
    if lost != 0 {
      reasons.append("\(lost) of \(measures.framesIn) frames are not accounted for")
    }
    let seconds = duration.inSeconds
    let allowed =
      frameRate.value * min(seconds * missedShare + hiccup, seconds * mostMissedShare)
    if Double(measures.framesMissed) > allowed {
      reasons.append(
        "\(Units.fixed(measures.frameRate, 2)) frames per second instead of \(frameRate)")
    }
    if let target = measures.targetBitrate, seconds >= settling,
      Double(measures.bitrate) > Double(target) * bitrateShare
    {
      reasons.append("\(Units.bitrate(measures.bitrate)) instead of \(Units.bitrate(target))")
    }
    if let limit = limits.latency, measures.latency.percentile99 > limit {
      reasons.append(
        "latency \(Units.duration(microseconds: measures.latency.percentile99)) p99, above "
          + Units.duration(microseconds: limit))
    }
    if let limit = limits.processorPercent, let used = measures.processorPercent, used > limit {
      reasons.append("\(Units.fixed(used, 1)) % CPU, above \(Units.fixed(limit, 1)) %")
    }
    return reasons
  }

  /// What no further time makes good, so that a step need not go on for it.
  static func defects(_ measures: QualifyMeasures) -> [String] {
    var defects: [String] = []
    let counts = [
      (measures.framesSkipped, "frames were skipped by the driver"),
      (measures.corruptPackets, "pictures were marked as spoiled"),
      (measures.unreadablePackets, "pictures cannot be read"),
      (measures.unmatchedPackets, "pictures came that belong to no frame"),
    ]
    for (count, text) in counts where count > 0 { defects.append("\(count) \(text)") }
    if let growth = measures.residentGrowth, growth > memoryGrowth {
      defects.append("memory grew by \(Units.bytes(growth))")
    }
    if let growth = measures.descriptorGrowth, growth > 0 {
      defects.append("open files grew by \(growth)")
    }
    if measures.wasThrottled == true { defects.append("the board was throttled") }
    if measures.wasUnderVoltage == true { defects.append("the supply was too weak") }
    if let logged = reason(measures.kernelDefects) { defects.append(logged) }
    return defects
  }

  /// What lines of the kernel's log that tell of a defect are as a reason; nil without one.
  static func reason(_ kernelDefects: [String]) -> String? {
    guard let first = kernelDefects.first else { return nil }
    let more = kernelDefects.count - 1
    return "the kernel logged: \(first)" + (more > 0 ? " (and \(more) more)" : "")
  }
}

extension Duration {
  fileprivate var inSeconds: Double { Double(inNanoseconds) / 1e9 }
}
