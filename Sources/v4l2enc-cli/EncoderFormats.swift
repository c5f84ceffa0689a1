internal import V4L2Encoder

/// What the encoder that `--device` means will take, as far as that is known before it is opened.
enum EncoderFormats {
  /// The raw formats; those that every encoder of the kernel takes where nothing is known.
  static func taken(by device: String, _ codec: VideoCodec) throws(CommandError) -> [PixelFormat] {
    let chosen = device == "auto" ? Machine.current.chosenPath : device
    let devices =
      if let chosen {
        DeviceCatalog.examine(try DeviceChoice.selector(chosen))
      } else {
        DeviceCatalog.devices()
      }
    let coded: [PixelFormat] =
      switch codec {
      case .h264: [.h264]
      case .hevc: [.hevc, .h265]
      case .fwht: [.fwht]
      }
    let encoder = devices.first { report in
      report.refusal == nil && report.codecs.contains { coded.contains($0.format) }
    }
    guard let formats = encoder?.rawFormats, !formats.isEmpty else { return [.nv12, .i420] }
    return formats
  }
}
