/// Reads a slice header of ITU-T H.264, 7.3.3, up to the quantizer.
struct H264SliceParser: ~Escapable {
  /// How the slice is predicted.
  let kind: SliceHeader.Kind
  /// The number of its picture parameter set.
  let pictureSet: Int
  private let unitType: UInt8
  private let isReference: Bool
  private let isSwitchingIntra: Bool
  private var reader: BitReader

  /// Reads what needs no parameter set; nil when that is impossible.
  @_lifetime(copy slice)
  init?(_ slice: RawSpan) {
    let header = slice.byte(at: 0)
    unitType = header & 0x1f
    isReference = header & 0x60 != 0
    reader = BitReader(slice, from: 1, to: slice.byteCount)
    _ = reader.unsigned()  // first macroblock
    let type = reader.unsigned()
    let set = reader.unsigned()
    guard type < 10, set < 256, !reader.isExhausted else { return nil }
    switch type % 5 {
    case 0: kind = .predicted
    case 1: kind = .bidirectional
    case 2: kind = .intra
    default: kind = .switching
    }
    isSwitchingIntra = type % 5 == 4
    pictureSet = Int(set)
  }

  /// Reads on up to the quantizer; nil when the header breaks off or makes no sense.
  mutating func quantizer(
    _ sequence: H264SliceSyntax, _ picture: H264PictureParameterSet
  ) -> Int? {
    let isIDR = unitType == 5
    if sequence.hasSeparatePlanes { reader.skip(2) }
    reader.skip(sequence.frameNumberBits)
    var isField = false
    if sequence.mayHaveFields {
      isField = reader.bit()
      if isField { reader.skip(1) }
    }
    if isIDR { _ = reader.unsigned() }
    let hasBottomDelta = picture.hasOrderDeltas && !isField
    if sequence.orderKind == 0 {
      reader.skip(sequence.orderBits)
      if hasBottomDelta { _ = reader.signed() }
    } else if sequence.orderKind == 1, sequence.hasOrderDeltas {
      _ = reader.signed()
      if hasBottomDelta { _ = reader.signed() }
    }
    if picture.hasRedundantPictures { _ = reader.unsigned() }
    guard skipPrediction(sequence, picture) else { return nil }
    if isReference { guard skipMarking(isIDR: isIDR) else { return nil } }
    if picture.usesCABAC, !isIntra { _ = reader.unsigned() }
    let quantizer = picture.quantizer + Int(reader.signed())
    return reader.isExhausted ? nil : quantizer
  }

  /// I and SI slices refer to no other picture.
  private var isIntra: Bool { kind == .intra || isSwitchingIntra }

  /// Skips everything about reference pictures; false when it cannot be.
  private mutating func skipPrediction(
    _ sequence: H264SliceSyntax, _ picture: H264PictureParameterSet
  ) -> Bool {
    guard !isIntra else { return true }
    let isBidirectional = kind == .bidirectional
    if isBidirectional { reader.skip(1) }  // direct prediction
    var (first, second) = picture.references
    if reader.bit() {
      first = Int(reader.unsigned()) + 1
      if isBidirectional { second = Int(reader.unsigned()) + 1 }
    }
    guard first <= 32, second <= 32, skipListChange() else { return false }
    if isBidirectional { guard skipListChange() else { return false } }
    let hasWeights =
      isBidirectional ? picture.bidirectionalWeights == 1 : picture.weightsPredicted
    guard hasWeights else { return true }
    _ = reader.unsigned()
    if sequence.hasChroma { _ = reader.unsigned() }
    skipWeights(first, sequence)
    if isBidirectional { skipWeights(second, sequence) }
    return !reader.isExhausted
  }

  /// Skips the changes of one list of reference pictures, 7.3.3.1.
  private mutating func skipListChange() -> Bool {
    guard reader.bit() else { return true }
    // At most one change per picture of the longest list, and the end.
    for _ in 0...33 {
      switch reader.unsigned() {
      case 0, 1, 2: _ = reader.unsigned()
      case 3: return !reader.isExhausted
      default: return false
      }
      if reader.isExhausted { return false }
    }
    return false
  }

  private mutating func skipWeights(_ count: Int, _ sequence: H264SliceSyntax) {
    for _ in 0..<count {
      if reader.bit() {
        _ = reader.signed()
        _ = reader.signed()
      }
      if sequence.hasChroma, reader.bit() {
        for _ in 0..<4 { _ = reader.signed() }
      }
    }
  }

  /// Skips what becomes of the reference pictures, 7.3.3.3.
  private mutating func skipMarking(isIDR: Bool) -> Bool {
    if isIDR {
      reader.skip(2)
      return true
    }
    guard reader.bit() else { return true }
    // One operation per picture and per field of it, some more for long-term numbers.
    for _ in 0..<100 {
      switch reader.unsigned() {
      case 0: return !reader.isExhausted
      case 1, 2, 4, 6: _ = reader.unsigned()
      case 3:
        _ = reader.unsigned()
        _ = reader.unsigned()
      case 5: break
      default: return false
      }
      if reader.isExhausted { return false }
    }
    return false
  }
}
