/// Asks a node for everything an app may choose from.
package enum CapabilityReader {
  /// Opens, asks and closes a node, on a thread that is left behind when the node hangs.
  package static func read(
    _ path: String, transport: any Transport, within limit: Duration = DeviceProbe.patience
  ) throws(EncoderError) -> EncoderCapabilities {
    try BoundedCall.ask(path, within: limit) { () throws(EncoderError) in
      try readNow(path, transport: transport)
    }
  }

  /// Asks the node that a machine's environment names, or else its first usable encoder.
  package static func read(
    of machine: Machine, through transport: any Transport
  ) throws(EncoderError) -> EncoderCapabilities {
    let path =
      machine.chosenPath
      ?? DeviceCatalog.devices(of: machine, through: transport).first { $0.refusal == nil }?.path
    guard let path else {
      throw EncoderError(
        .deviceUnavailable,
        "no usable encoder on this machine; `v4l2enc devices` lists what is there")
    }
    return try read(path, transport: transport)
  }

  private static func readNow(
    _ path: String, transport: any Transport
  ) throws(EncoderError) -> EncoderCapabilities {
    let handle = try transport.openNode(path)
    defer { handle.close() }
    let finding = DeviceProbe.examine(path: path, handle: handle)
    guard let capabilities = finding.capabilities, finding.report.kind == .encoder else {
      throw finding.report.error
        ?? EncoderError(.notAnEncoder, finding.report.refusal ?? "\(path) is no encoder")
    }
    let device = EncoderDevice(handle: handle, path: path, capabilities: capabilities)
    var result = EncoderCapabilities(
      path: path, driver: capabilities.driver, card: capabilities.card, bus: capabilities.bus,
      family: device.family, isMultiplanar: device.isMultiplanar)
    result.rawFormats = finding.report.rawFormats
    // Numbers that mean something else there are not asked for.
    let known = device.family.dialect == .standard ? EncoderControl.all.map(\.control) : []
    result.controls = handle.controlDescriptions(known: known)
    result.codecs = finding.report.codecs.map { codec in
      describe(codec.format, device, result)
    }
    return result
  }

  private static func describe(
    _ format: PixelFormat, _ device: EncoderDevice, _ capabilities: EncoderCapabilities
  ) -> EncoderCapabilities.Codec {
    var result = EncoderCapabilities.Codec(format: format)
    result.sizes = device.handle.offeredSizes(of: format)
    result.codec = VideoCodec.allCases.first { $0.codedFormats.contains(format) }
    let (profile, level): (EncoderControl, EncoderControl)
    switch result.codec {
    case .h264: (profile, level) = (.h264Profile, .h264Level)
    case .hevc: (profile, level) = (.hevcProfile, .hevcLevel)
    case .fwht, nil: return result
    }
    let profiles = capabilities.description(of: profile)?.items ?? []
    result.profiles = profiles.map { profile.item($0.index) ?? $0.name }
    let levels = Set(capabilities.description(of: level)?.items.map(\.index) ?? [])
    result.levels =
      result.codec.map(CodecLevel.all)?.filter { known in
        levels.contains(Int64(known.menuValue))
      } ?? []
    return result
  }
}
