internal import V4L2Encoder

/// What the driver granted, in words.
enum NegotiationText {
  /// One line: who encodes what how.
  static func headline(_ report: NegotiationReport, _ plan: EncodePlan) -> String {
    var codec = plan.codec.name
    if let profile = report.profile { codec += " \(profile.name)" }
    if let level = report.level { codec += " level \(level.name)" }
    let format = RawFormats.name(of: plan.configuration.inputFormat)
    return "\(report.card) (\(report.driver), \(report.path)): \(codec), \(report.visibleSize) "
      + "at \(report.frameRate) fps, \(rate(plan.configuration)), \(format) in"
  }

  /// Everything else but the controls, which the library logs while it sets them; one thing per
  /// line.
  static func details(_ report: NegotiationReport) -> [String] {
    var lines = [
      "API: \(report.isMultiplanar ? "multi-planar" : "single-planar")",
      "frames: \(report.rawFormat), \(report.bufferSize), "
        + "\(list(report.bytesPerLine)) bytes per line, \(list(report.planeSizes)) bytes, "
        + "\(report.inputBuffers) buffers, "
        + (report.isPassThrough ? "copied as they are" : "converted"),
      "encoded pictures: \(report.codedFormat), up to \(report.codedBufferSize) bytes, "
        + "\(report.outputBuffers) buffers",
      "colours: \(color(report.color))",
      "parameter sets at later key frames: "
        + (report.parameterSets == .driver ? "by the driver" : "inserted where missing"),
    ]
    if let conversion = report.conversion { lines.append("conversion: \(conversion)") }
    return lines
  }

  /// One control as asked and as applied.
  static func outcome(_ control: ControlOutcome) -> String {
    let name = control.name.hasPrefix("0x") ? ControlArgument.name(of: control.id) : control.name
    let asked = "\(name) = \(control.requested): "
    return switch control.result {
    case .applied: asked + "applied"
    case .adjusted(let value): asked + "the driver made it \(value)"
    case .unverified: asked + "taken, but cannot be read back"
    case .unsupported: asked + "the driver has no such control"
    case .refused(let errno): asked + "refused (\(errno.text))"
    }
  }

  private static func rate(_ configuration: EncoderConfiguration) -> String {
    switch configuration.rateControl {
    case .constant(let bitrate): "CBR \(Units.bitrate(bitrate))"
    case .variable(let bitrate, let peak):
      "VBR \(Units.bitrate(bitrate)), peak \(Units.bitrate(peak))"
    case .constantQuantizer(let quantizer): "constant QP \(quantizer)"
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
