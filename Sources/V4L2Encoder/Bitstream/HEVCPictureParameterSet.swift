/// What the slice headers of ITU-T H.265 depend on in the picture parameter set, 7.3.2.3.
struct HEVCPictureParameterSet: Sendable {
  let id: Int
  let sequenceID: Int
  let mayHaveDependentSlices: Bool
  /// `output_flag_present_flag`.
  let hasOutputFlag: Bool
  /// `num_extra_slice_header_bits`.
  let extraHeaderBits: Int
  /// `cabac_init_present_flag`.
  let hasInitialization: Bool
  /// Reference pictures of the two lists where a slice says nothing else.
  let references: (Int, Int)
  /// The quantizer that slices add to.
  let quantizer: Int
  let weightsPredicted: Bool
  let weightsBidirectional: Bool
  let hasTiles: Bool
  /// `entropy_coding_sync_enabled_flag`: rows of blocks can be decoded in parallel.
  let hasWavefronts: Bool
  /// `lists_modification_present_flag`.
  let modifiesLists: Bool

  /// Parses a set without its start code; nil for what is none.
  init?(_ bytes: RawSpan) {
    var reader = BitReader(bytes, from: 2, to: bytes.byteCount)
    let id = reader.unsigned()
    let sequenceID = reader.unsigned()
    guard id < 64, sequenceID < 16 else { return nil }
    self.id = Int(id)
    self.sequenceID = Int(sequenceID)
    mayHaveDependentSlices = reader.bit()
    hasOutputFlag = reader.bit()
    extraHeaderBits = Int(reader.bits(3))
    reader.skip(1)  // hidden signs
    hasInitialization = reader.bit()
    let first = reader.unsigned()
    let second = reader.unsigned()
    guard first < 15, second < 15 else { return nil }
    references = (Int(first) + 1, Int(second) + 1)
    quantizer = 26 + Int(reader.signed())
    reader.skip(2)  // constrained intra, transform skipping
    if reader.bit() { _ = reader.unsigned() }  // depth of quantizer changes
    _ = reader.signed()  // offsets of chroma
    _ = reader.signed()
    reader.skip(1)
    weightsPredicted = reader.bit()
    weightsBidirectional = reader.bit()
    reader.skip(1)  // lossless bypass
    hasTiles = reader.bit()
    hasWavefronts = reader.bit()
    if hasTiles { guard Self.skipTiles(&reader) else { return nil } }
    reader.skip(1)  // loop filter across slices
    if reader.bit() {  // deblocking
      reader.skip(1)
      if !reader.bit() {
        _ = reader.signed()
        _ = reader.signed()
      }
    }
    if reader.bit() { HEVCScalingLists.skip(&reader) }
    modifiesLists = reader.bit()
    if reader.isExhausted { return nil }
  }

  private static func skipTiles(_ reader: inout BitReader) -> Bool {
    let columns = reader.unsigned()
    let rows = reader.unsigned()
    // Level 6.2 allows 20 columns and 22 rows; what lies far beyond is no set.
    guard columns < 64, rows < 64 else { return false }
    if !reader.bit() {
      for _ in 0..<(columns + rows) { _ = reader.unsigned() }
    }
    reader.skip(1)  // loop filter across tiles
    return !reader.isExhausted
  }
}
