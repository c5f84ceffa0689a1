/// What one access unit contains up to its first slice.
package struct AccessUnitInfo: Hashable, Sendable {
  /// Whether there is a picture, not only headers.
  package var hasPicture = false
  /// Whether decoding can start at the picture: IDR of H.264, any IRAP of HEVC.
  package var isKeyFrame = false
  /// Whether a video parameter set comes before the picture; HEVC only.
  package var hasVPS = false
  /// Whether a sequence parameter set comes before the picture.
  package var hasSPS = false
  /// Whether a picture parameter set comes before the picture.
  package var hasPPS = false
  /// Where the parameter sets before the picture are, from the first one's start code to the last
  /// one's end; empty when there are none.
  package var parameterSets: Range<Int> = 0..<0
  /// Whether there is an access unit delimiter before the picture.
  package var hasDelimiter = false
  /// Whether the access unit begins with one.
  package var beginsWithDelimiter = false
  /// Where parameter sets may be inserted: behind the delimiter, else at the start.
  package var insertionOffset = 0

  /// The picture's size where every picture names it, as in FWHT.
  package var pictureSize: VideoSize?

  /// The codec that was looked for.
  package var codec: VideoCodec

  /// Whether a decoder can start with what comes before the picture.
  package var hasAllParameterSets: Bool {
    switch codec {
    case .h264: hasSPS && hasPPS
    case .hevc: hasSPS && hasPPS && hasVPS
    case .fwht: true
    }
  }

  /// Notes that all known parameter sets were put in front of the picture.
  mutating func parameterSetsInserted(areComplete: Bool) {
    (hasVPS, hasSPS, hasPPS) = (areComplete, areComplete, areComplete)
  }

  /// Whether there is any parameter set before the picture.
  package var hasAnyParameterSet: Bool { hasSPS || hasPPS || hasVPS }
}

/// Reads from the bitstream what drivers' flags do not tell reliably.
package enum AccessUnitInspector {
  /// Looks at one access unit: in Annex B form up to its first slice, of FWHT the header.
  ///
  /// The pictures themselves, nearly all of the bytes, are not read.
  package static func inspect(_ bytes: RawSpan, codec: VideoCodec) -> AccessUnitInfo {
    switch codec {
    case .h264, .hevc: inspectNALUnits(bytes, codec: codec)
    case .fwht: inspectFWHT(bytes)
    }
  }

  /// There is nothing but pictures in a FWHT stream, damaged ones perhaps.
  private static func inspectFWHT(_ bytes: RawSpan) -> AccessUnitInfo {
    var info = AccessUnitInfo(codec: .fwht)
    info.hasPicture = true
    if let header = FWHTHeader(bytes) {
      info.isKeyFrame = header.isIntra
      info.pictureSize = header.size
    }
    return info
  }

  private static func inspectNALUnits(_ bytes: RawSpan, codec: VideoCodec) -> AccessUnitInfo {
    var info = AccessUnitInfo(codec: codec)
    let scanner = StartCodeScanner(bytes)
    var current = scanner.next(from: 0)
    var isFirst = true
    while let unit = current {
      let kind = NALUnitKind(header: bytes.byte(at: unit.header), codec: codec)
      if case .picture(let isKey) = kind {
        info.hasPicture = true
        info.isKeyFrame = isKey
        return info
      }
      current = scanner.next(from: unit.header)
      let end = current?.start ?? bytes.byteCount
      switch kind {
      case .videoParameterSet: info.hasVPS = true
      case .sequenceParameterSet: info.hasSPS = true
      case .pictureParameterSet: info.hasPPS = true
      case .delimiter:
        info.hasDelimiter = true
        if isFirst {
          info.beginsWithDelimiter = true
          info.insertionOffset = end
        }
      case .picture, .other: break
      }
      switch kind {
      case .videoParameterSet, .sequenceParameterSet, .pictureParameterSet:
        let start = info.parameterSets.isEmpty ? unit.start : info.parameterSets.lowerBound
        info.parameterSets = start..<end
      case .delimiter, .picture, .other: break
      }
      isFirst = false
    }
    return info
  }
}
