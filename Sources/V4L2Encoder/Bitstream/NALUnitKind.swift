/// What a NAL unit carries, as far as an encoder's client must know.
enum NALUnitKind: Hashable, Sendable {
  case videoParameterSet
  case sequenceParameterSet
  case pictureParameterSet
  case delimiter
  /// Part of a picture; key pictures are those decoding can start at.
  case picture(isKey: Bool)
  case other

  /// Whether it is one of the sets that decoders need first.
  var isParameterSet: Bool {
    switch self {
    case .videoParameterSet, .sequenceParameterSet, .pictureParameterSet: true
    case .delimiter, .picture, .other: false
    }
  }

  /// Reads the type from the first header byte.
  ///
  /// The numbers are those of ITU-T H.264 Table 7-1 and ITU-T H.265 Table 7-1; FWHT has no NAL
  /// units.
  init(header: UInt8, codec: VideoCodec) {
    switch codec {
    case .h264:
      switch header & 0x1f {
      case 1...4: self = .picture(isKey: false)
      case 5: self = .picture(isKey: true)
      case 7: self = .sequenceParameterSet
      case 8: self = .pictureParameterSet
      case 9: self = .delimiter
      default: self = .other
      }
    case .hevc:
      switch header >> 1 & 0x3f {
      case 0...9: self = .picture(isKey: false)
      case 16...21: self = .picture(isKey: true)
      // 22 and 23 are IRAP numbers no encoder may use yet, but still pictures.
      case 10...31: self = .picture(isKey: false)
      case 32: self = .videoParameterSet
      case 33: self = .sequenceParameterSet
      case 34: self = .pictureParameterSet
      case 35: self = .delimiter
      default: self = .other
      }
    case .fwht: self = .other
    }
  }
}
