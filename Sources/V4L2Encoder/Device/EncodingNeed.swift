/// What a device is wanted for, as far as it can be asked before it is configured.
package struct EncodingNeed: Hashable, Sendable {
  package var codec: VideoCodec
  package var size: VideoSize
  package var frameRate: Rational
  package var inputFormat: PixelFormat

  package init(_ codec: VideoCodec, _ configuration: EncoderConfiguration) {
    self.codec = codec
    self.size = configuration.size
    self.frameRate = configuration.frameRate
    self.inputFormat = configuration.inputFormat
  }

  /// Why a device cannot do it; nil when it may.
  package func refusal(of device: DeviceReport) -> String? {
    if let refusal = device.refusal { return refusal }
    guard let offered = offer(of: device) else {
      let known = device.codecs.map(\.format.description).joined(separator: ", ")
      return "encodes \(known.isEmpty ? "nothing" : known), not \(codec.name)"
    }
    if let least = offered.minimumSize, size.width < least.width || size.height < least.height {
      return "takes no pictures below \(least)"
    }
    if let most = offered.maximumSize, size.width > most.width || size.height > most.height {
      return "takes no pictures above \(most)"
    }
    return nil
  }

  /// How well a device fits: limits that it names and that suffice count more than silence.
  ///
  /// A rate above the device's own is no reason to refuse it, since a file may be encoded slower
  /// than it is played, but other devices are better.
  package func fitness(of device: DeviceReport) -> Int {
    guard let offered = offer(of: device) else { return 0 }
    var fitness = device.rawFormats.contains(inputFormat) ? 1 : 0
    if let most = offered.maximumFrameRate {
      // Rates such as 30000/1001 come back rounded.
      fitness += frameRate.value <= most.value * 1.001 ? 2 : -8
    }
    return fitness + (offered.maximumSize == nil ? 0 : 4)
  }

  private func offer(of device: DeviceReport) -> DeviceReport.Codec? {
    device.codecs.first { codec.codedFormats.contains($0.format) }
  }
}

extension VideoCodec {
  /// The formats that drivers have for the codec, the usual one first.
  package var codedFormats: [PixelFormat] {
    switch self {
    case .h264: [.h264]
    case .hevc: [.hevc, .h265]
    case .fwht: [.fwht]
    }
  }
}
