/// Reads a slice segment header of ITU-T H.265, 7.3.6, up to the quantizer.
struct HEVCSliceParser: ~Escapable {
  /// The number of its picture parameter set.
  let pictureSet: Int
  /// Whether the segment goes on with what the one before said.
  private(set) var isDependent = false
  private let isFirst: Bool
  private let unitType: UInt8
  private var reader: BitReader

  /// Reads what needs no parameter set.
  @_lifetime(copy slice)
  init(_ slice: RawSpan) {
    unitType = slice.byte(at: 0) >> 1 & 0x3f
    reader = BitReader(slice, from: 2, to: slice.byteCount)
    isFirst = reader.bit()
    if (16...23).contains(unitType) { reader.skip(1) }  // output of earlier pictures
    pictureSet = Int(reader.unsigned())
  }

  /// Reads how the slice is predicted; nil for a dependent segment and for nonsense.
  mutating func readKind(
    _ sequence: HEVCSliceSyntax, _ picture: HEVCPictureParameterSet
  ) -> SliceHeader.Kind? {
    if !isFirst {
      if picture.mayHaveDependentSlices { isDependent = reader.bit() }
      reader.skip(sequence.addressBits)
    }
    guard !isDependent else { return nil }
    reader.skip(picture.extraHeaderBits)
    let type = reader.unsigned()
    guard !reader.isExhausted else { return nil }
    switch type {
    case 0: return .bidirectional
    case 1: return .predicted
    case 2: return .intra
    default: return nil
    }
  }

  /// Reads on up to the quantizer; nil when the header breaks off or makes no sense.
  mutating func quantizer(
    _ sequence: HEVCSliceSyntax, _ picture: HEVCPictureParameterSet, _ kind: SliceHeader.Kind
  ) -> Int? {
    if picture.hasOutputFlag { reader.skip(1) }
    if sequence.hasSeparatePlanes { reader.skip(2) }
    var references = 0
    var hasTemporalPrediction = false
    let isIDR = unitType == 19 || unitType == 20
    if !isIDR {
      guard let count = readReferences(sequence) else { return nil }
      references = count
      if sequence.hasTemporalPrediction { hasTemporalPrediction = reader.bit() }
    }
    if sequence.hasAdaptiveOffset { reader.skip(sequence.hasChroma ? 2 : 1) }
    if kind != .intra {
      let isReadable = skipPrediction(
        sequence, picture, isBidirectional: kind == .bidirectional, references: references,
        hasTemporalPrediction: hasTemporalPrediction)
      guard isReadable else { return nil }
    }
    let quantizer = picture.quantizer + Int(reader.signed())
    return reader.isExhausted ? nil : quantizer
  }

  /// Reads the reference pictures; the count of those the slice may refer to (`NumPicTotalCurr`).
  private mutating func readReferences(_ sequence: HEVCSliceSyntax) -> Int? {
    reader.skip(sequence.orderBits)
    let sets = sequence.referenceSets
    var count: Int
    if !reader.bit() {
      let own = HEVCReferenceSet(&reader, index: sets.count, among: sets, isInSlice: true)
      guard let own else { return nil }
      count = own.usedCount
    } else {
      let index = Int(reader.bits(BitReader.bits(for: sets.count)))
      guard sets.indices.contains(index) else { return nil }
      count = sets[index].usedCount
    }
    guard sequence.hasLongTermReferences else { return count }
    let named = sequence.longTermCount > 0 ? reader.unsigned() : 0
    let others = reader.unsigned()
    guard named <= 32, others <= 32 else { return nil }
    for number in 0..<named + others {
      if number < named {
        let index = reader.bits(BitReader.bits(for: sequence.longTermCount))
        if sequence.usedLongTerm >> index & 1 == 1 { count += 1 }
      } else {
        reader.skip(sequence.orderBits)
        if reader.bit() { count += 1 }
      }
      if reader.bit() { _ = reader.unsigned() }
    }
    return reader.isExhausted ? nil : count
  }

  /// Skips everything about prediction from other pictures; false when it cannot be.
  private mutating func skipPrediction(
    _ sequence: HEVCSliceSyntax, _ picture: HEVCPictureParameterSet, isBidirectional: Bool,
    references: Int, hasTemporalPrediction: Bool
  ) -> Bool {
    var (first, second) = picture.references
    if reader.bit() {
      first = Int(reader.unsigned()) + 1
      if isBidirectional { second = Int(reader.unsigned()) + 1 }
    }
    guard first <= 16, second <= 16 else { return false }
    if picture.modifiesLists, references > 1 {
      let entryBits = BitReader.bits(for: references)
      if reader.bit() { reader.skip(first * entryBits) }
      if isBidirectional, reader.bit() { reader.skip(second * entryBits) }
    }
    if isBidirectional { reader.skip(1) }  // differences of motion vectors
    if picture.hasInitialization { reader.skip(1) }
    if hasTemporalPrediction {
      let isFromFirst = !isBidirectional || reader.bit()
      if (isFromFirst ? first : second) > 1 { _ = reader.unsigned() }
    }
    if isBidirectional ? picture.weightsBidirectional : picture.weightsPredicted {
      _ = reader.unsigned()
      if sequence.hasChroma { _ = reader.signed() }
      skipWeights(first, sequence)
      if isBidirectional { skipWeights(second, sequence) }
    }
    _ = reader.unsigned()  // candidates for merging
    return !reader.isExhausted
  }

  /// Skips the weights of one list: all flags of luma, all of chroma, then the numbers.
  private mutating func skipWeights(_ count: Int, _ sequence: HEVCSliceSyntax) {
    let luma = reader.bits(count)
    let chroma = sequence.hasChroma ? reader.bits(count) : 0
    for index in 0..<UInt32(count) {
      if luma >> index & 1 == 1 {
        _ = reader.signed()
        _ = reader.signed()
      }
      if chroma >> index & 1 == 1 {
        for _ in 0..<4 { _ = reader.signed() }
      }
    }
  }
}
