/// What is read from the header of a slice.
struct SliceHeader: Hashable, Sendable {
  /// How a slice is predicted.
  enum Kind: Hashable, Sendable {
    /// From its own picture.
    case intra
    /// From one other picture at a time.
    case predicted
    /// From two other pictures at a time.
    case bidirectional
    /// `SI` and `SP` of H.264.
    case switching
  }

  /// How it is predicted; nil for what goes on with a slice before, or belongs to another layer.
  var kind: Kind?
  /// The quantizer its blocks start from; nil when it could not be read.
  var quantizer: Int?
}

/// What all slices of an access unit say.
package struct SliceSurvey: Hashable, Sendable {
  private var sliceCount = 0
  private var quantizerSum = 0
  private var isReadable = true
  private(set) var hasIntra = false
  private(set) var hasPredicted = false
  private(set) var hasBidirectional = false
  /// Whether there is a slice of another or an unknown kind.
  private(set) var hasOther = false
  /// The temporal sub-layer of the picture; HEVC only.
  private(set) var temporalID: UInt8 = 0

  /// The mean of the quantizers that the slices start from; nil when one could not be read.
  package var averageQuantizer: Double? {
    sliceCount > 0 && isReadable ? Double(quantizerSum) / Double(sliceCount) : nil
  }

  /// Takes over the sub-layer from the second header byte of a slice.
  mutating func setTemporalID(header: UInt8) { temporalID = max(header & 7, 1) - 1 }

  /// Adds one slice; nil is one that could not be read at all.
  mutating func add(_ header: SliceHeader?) {
    guard let header else {
      isReadable = false
      hasOther = true
      return
    }
    switch header.kind {
    case .intra: hasIntra = true
    case .predicted: hasPredicted = true
    case .bidirectional: hasBidirectional = true
    case .switching: hasOther = true
    case nil: return
    }
    guard let quantizer = header.quantizer else {
      isReadable = false
      return
    }
    sliceCount += 1
    quantizerSum += quantizer
  }
}

/// Reads slice headers with the parameter sets they refer to.
package struct SliceHeaderReader: Sendable {
  private let codec: VideoCodec
  private var sequences: [Int: SequenceParameterSet.SliceSyntax] = [:]
  private var depths: [Int: Int] = [:]
  private var h264Pictures: [Int: H264PictureParameterSet] = [:]
  private var hevcPictures: [Int: HEVCPictureParameterSet] = [:]

  /// Creates a reader that knows no parameter sets.
  package init(codec: VideoCodec) { self.codec = codec }

  /// Takes over all parameter sets of a stream, each behind a start code.
  package mutating func update(parameterSets: [UInt8]) {
    let parameterSets = unsafe parameterSets.span.bytes
    sequences.removeAll(keepingCapacity: true)
    h264Pictures.removeAll(keepingCapacity: true)
    hevcPictures.removeAll(keepingCapacity: true)
    var units = AnnexBUnits(parameterSets)
    while let unit = units.next() {
      let bytes = parameterSets.extracting(unit.payload)
      switch NALUnitKind(header: bytes.byte(at: 0), codec: codec) {
      case .sequenceParameterSet:
        guard let set = SequenceParameterSet.parse(bytes, codec: codec) else { continue }
        sequences[set.id] = set.slices
        depths[set.id] = set.lumaBitDepth
      case .pictureParameterSet:
        if codec == .h264, let set = H264PictureParameterSet(bytes) { h264Pictures[set.id] = set }
        if codec == .hevc, let set = HEVCPictureParameterSet(bytes) { hevcPictures[set.id] = set }
      case .videoParameterSet, .delimiter, .picture, .other: break
      }
    }
  }

  /// Reads every slice header of an access unit in Annex B form.
  package func survey(_ accessUnit: RawSpan) -> SliceSurvey {
    var survey = SliceSurvey()
    var units = AnnexBUnits(accessUnit)
    while let unit = units.next() {
      let kind = NALUnitKind(header: accessUnit.byte(at: unit.header), codec: codec)
      guard case .picture = kind else { continue }
      if codec == .hevc, unit.payload.count > 1 {
        survey.setTemporalID(header: accessUnit.byte(at: unit.header + 1))
      }
      survey.add(header(of: accessUnit.extracting(unit.payload)))
    }
    return survey
  }

  /// Reads the header of one slice without its start code; nil when nothing of it can be read.
  func header(of slice: RawSpan) -> SliceHeader? {
    switch codec {
    case .h264: h264Header(of: slice)
    case .hevc: hevcHeader(of: slice)
    case .fwht: nil
    }
  }

  private func h264Header(of slice: RawSpan) -> SliceHeader? {
    // Partitions B and C of a slice continue what A began.
    let type = slice.byte(at: 0) & 0x1f
    if type == 3 || type == 4 { return SliceHeader() }
    guard var parser = H264SliceParser(slice) else { return nil }
    guard let picture = h264Pictures[parser.pictureSet],
      case .h264(let sequence) = sequences[picture.sequenceID],
      let quantizer = parser.quantizer(sequence, picture),
      isPossible(quantizer, depths[picture.sequenceID])
    else { return SliceHeader(kind: parser.kind, quantizer: nil) }
    return SliceHeader(kind: parser.kind, quantizer: quantizer)
  }

  private func hevcHeader(of slice: RawSpan) -> SliceHeader? {
    guard slice.byteCount > 2 else { return nil }
    let layer = (slice.byte(at: 0) & 1) << 5 | slice.byte(at: 1) >> 3
    if layer > 0 { return SliceHeader() }
    var parser = HEVCSliceParser(slice)
    guard let picture = hevcPictures[parser.pictureSet],
      case .hevc(let sequence) = sequences[picture.sequenceID]
    else { return nil }
    guard let kind = parser.readKind(sequence, picture) else {
      return parser.isDependent ? SliceHeader() : nil
    }
    guard let quantizer = parser.quantizer(sequence, picture, kind),
      isPossible(quantizer, depths[picture.sequenceID])
    else { return SliceHeader(kind: kind, quantizer: nil) }
    return SliceHeader(kind: kind, quantizer: quantizer)
  }

  /// Deeper samples have quantizers below zero, six per bit.
  private func isPossible(_ quantizer: Int, _ depth: Int?) -> Bool {
    (-6 * ((depth ?? 8) - 8)...51).contains(quantizer)
  }
}
