/// What the slice headers of ITU-T H.264 depend on in the picture parameter set, 7.3.2.2.
struct H264PictureParameterSet: Sendable {
  private(set) var id = 0
  private(set) var sequenceID = 0
  private(set) var usesCABAC = false
  /// `bottom_field_pic_order_in_frame_present_flag`.
  private(set) var hasOrderDeltas = false
  /// Reference pictures of the two lists where a slice says nothing else.
  private(set) var references: (Int, Int) = (1, 1)
  private(set) var weightsPredicted = false
  /// `weighted_bipred_idc`; 1 stands for weights in the slice header.
  private(set) var bidirectionalWeights = 0
  /// The quantizer that slices add to.
  private(set) var quantizer = 26
  private(set) var hasRedundantPictures = false

  /// Parses a set without its start code; nil for what is none.
  init?(_ bytes: RawSpan) {
    var reader = BitReader(bytes, from: 1, to: bytes.byteCount)
    let id = reader.unsigned()
    let sequenceID = reader.unsigned()
    guard id < 256, sequenceID < 32 else { return nil }
    self.id = Int(id)
    self.sequenceID = Int(sequenceID)
    usesCABAC = reader.bit()
    hasOrderDeltas = reader.bit()
    let groups = reader.unsigned()
    guard groups <= 7, Self.skipGroups(&reader, last: groups) else { return nil }
    let first = reader.unsigned()
    let second = reader.unsigned()
    guard first < 32, second < 32 else { return nil }
    references = (Int(first) + 1, Int(second) + 1)
    weightsPredicted = reader.bit()
    bidirectionalWeights = Int(reader.bits(2))
    quantizer = 26 + Int(reader.signed())
    _ = reader.signed()  // quantizer of switching pictures
    _ = reader.signed()  // offset of chroma
    reader.skip(2)  // deblocking, constrained intra
    hasRedundantPictures = reader.bit()
    if reader.isExhausted { return nil }
  }

  /// Skips the map of slice groups, whose highest number is `last`.
  private static func skipGroups(_ reader: inout BitReader, last: UInt32) -> Bool {
    guard last > 0 else { return true }
    switch reader.unsigned() {
    case 0: for _ in 0...last { _ = reader.unsigned() }
    case 1: break
    case 2: for _ in 0..<(2 * last) { _ = reader.unsigned() }
    case 3, 4, 5:
      reader.skip(1)
      _ = reader.unsigned()
    case 6:
      let units = reader.unsigned()
      guard units < 1 << 20 else { return false }
      reader.skip((Int(units) + 1) * BitReader.bits(for: Int(last) + 1))
    default: return false
    }
    return !reader.isExhausted
  }
}
