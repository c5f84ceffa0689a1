internal import V4L2Encoder

/// What the driver granted, in words.
enum NegotiationText {
  /// One line: who encodes what how.
  static func headline(_ report: NegotiationReport, _ plan: EncodePlan) -> String {
    let format = RawFormats.name(of: plan.configuration.inputFormat)
    return "\(report.card) (\(report.driver), \(report.path)): "
      + "\(StreamSummary(report, plan.codec).text) at \(report.frameRate) fps, "
      + "\(rate(report, plan)), \(format) in"
  }

  /// Everything else but the controls, which the library logs while it sets them; one thing per
  /// line.
  static func details(_ report: NegotiationReport) -> [String] {
    var lines = [
      "API: \(report.isMultiplanar ? "multi-planar" : "single-planar")",
      "frames: \(report.rawFormat), \(report.bufferSize), "
        + "\(list(report.bytesPerLine)) bytes per line, \(list(report.planeSizes)) bytes, "
        + "\(report.inputBuffers) buffers, "
        + way(report),
      "encoded pictures: \(report.codedFormat), up to \(report.codedBufferSize) bytes, "
        + "\(report.outputBuffers) buffers",
      "colours: \(color(report.color))",
      "parameter sets at later key frames: "
        + (report.parameterSets == .driver ? "by the driver" : "inserted where missing"),
    ]
    if let conversion = report.conversion { lines.append("conversion: \(conversion)") }
    return lines
  }

  private static func way(_ report: NegotiationReport) -> String {
    if report.isZeroCopy { return "read where the producer has them, without a copy" }
    return report.isPassThrough ? "copied as they are" : "converted"
  }

  /// One control as asked and as applied.
  static func outcome(_ control: ControlOutcome) -> String {
    let asked = "\(control.name) = \(control.requested): "
    return switch control.result {
    case .applied: asked + "applied"
    case .adjusted(let value): asked + "the driver made it \(value)"
    case .unverified: asked + "taken, but cannot be read back"
    case .unsupported: asked + "the driver has no such control"
    case .refused(let errno): asked + "refused (\(errno.text))"
    case .leftOut(let reason): asked + "left out, \(reason)"
    }
  }

  /// How bits are spent by the values in force, which need not be those of the plan.
  static func rate(_ report: NegotiationReport, _ plan: EncodePlan) -> String {
    if case .constantQuantizer = plan.configuration.rateControl,
      report.valueInForce(of: .bitrate) == nil
    {
      let ids: [ControlID] =
        switch plan.codec {
        case .h264: [.h264IFrameQP, .h264PFrameQP]
        case .hevc: [.hevcIFrameQP, .hevcPFrameQP]
        case .fwht: [.fwhtIFrameQP, .fwhtPFrameQP]
        }
      let values = ids.compactMap { report.valueInForce(of: $0) }
      guard let first = values.first else { return "quantizer of the driver's choice" }
      if values.allSatisfy({ $0 == first }) { return "constant QP \(first)" }
      return "QP \(values.map(String.init).joined(separator: " (key frames) and "))"
    }
    guard let bitrate = report.valueInForce(of: .bitrate) else {
      return "bitrate of the driver's choice"
    }
    let target = Units.bitrate(Int(clamping: bitrate))
    switch report.valueInForce(of: .bitrateMode) {
    case 0:
      let peak = report.valueInForce(of: .bitratePeak).map {
        ", peak \(Units.bitrate(Int(clamping: $0)))"
      }
      return "VBR \(target)\(peak ?? "")"
    case 1: return "CBR \(target)"
    default: return target
    }
  }

  private static func color(_ color: ColorDescription) -> String {
    "primaries \(color.primaries), transfer \(color.transfer), matrix \(color.matrix), "
      + "range \(color.range)"
  }

  private static func list(_ numbers: [Int]) -> String {
    numbers.map(String.init).joined(separator: "+")
  }
}
