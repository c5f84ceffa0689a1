/// The sequence parameter set of ITU-T H.265, 7.3.2.2 and E.2.1.
extension SequenceParameterSet {
  static func parseHEVC(_ bytes: RawSpan) -> SequenceParameterSet? {
    var reader = BitReader(bytes, from: 2, to: bytes.byteCount)
    var set = SequenceParameterSet()
    reader.skip(4)  // video parameter set
    let subLayers = Int(reader.bits(3))
    guard subLayers <= 6 else { return nil }
    reader.skip(1)  // temporal nesting
    set.readProfile(&reader, subLayers: subLayers)
    let id = reader.unsigned()
    guard id < 16, set.readSize(&reader) else { return nil }
    set.id = Int(id)
    _ = reader.unsigned()  // bit depth of luma
    _ = reader.unsigned()  // bit depth of chroma
    let orderBits = reader.unsigned() &+ 4
    let hasAllLayers = reader.bit()
    var depth: UInt32 = 0
    for _ in (hasAllLayers ? 0 : subLayers)...subLayers {
      _ = reader.unsigned()
      depth = reader.unsigned()
      _ = reader.unsigned()
    }
    for _ in 0..<6 { _ = reader.unsigned() }  // block sizes and depths
    guard orderBits <= 16, !reader.isExhausted else { return nil }
    if depth <= 16 { set.reorderDepth = Int(depth) }
    // What breaks off from here on takes nothing away from what was read before.
    guard skipTools(&reader), skipReferences(&reader, orderBits: Int(orderBits)) else {
      return set
    }
    reader.skip(2)  // motion vector prediction, intra smoothing
    if reader.bit() { set.readUsability(&reader) }
    return set
  }

  private mutating func readProfile(_ reader: inout BitReader, subLayers: Int) {
    reader.skip(3)  // profile space, tier
    profile = Int(reader.bits(5))
    reader.skip(32 + 48)  // compatibility and constraints
    level = Int(reader.bits(8))
    var present: [(profile: Bool, level: Bool)] = []
    for _ in 0..<subLayers { present.append((reader.bit(), reader.bit())) }
    if subLayers > 0 { reader.skip((8 - subLayers) * 2) }
    for layer in present {
      if layer.profile { reader.skip(88) }
      if layer.level { reader.skip(8) }
    }
  }

  private mutating func readSize(_ reader: inout BitReader) -> Bool {
    let format = reader.unsigned()
    guard format <= 3 else { return false }
    chromaFormat = Int(format)
    if format == 3 { reader.skip(1) }  // separate colour planes
    let width = UInt64(reader.unsigned())
    let height = UInt64(reader.unsigned())
    let unitX: UInt64 = format == 1 || format == 2 ? 2 : 1
    let unitY: UInt64 = format == 1 ? 2 : 1
    var window: (left: UInt64, right: UInt64, top: UInt64, bottom: UInt64) = (0, 0, 0, 0)
    if reader.bit() {
      window.left = UInt64(reader.unsigned()) * unitX
      window.right = UInt64(reader.unsigned()) * unitX
      window.top = UInt64(reader.unsigned()) * unitY
      window.bottom = UInt64(reader.unsigned()) * unitY
    }
    return setSize(
      width: width, height: height, left: window.left, right: window.right, top: window.top,
      bottom: window.bottom)
  }

  /// Skips scaling lists and the flags of single tools.
  private static func skipTools(_ reader: inout BitReader) -> Bool {
    if reader.bit(), reader.bit() {
      for size in 0..<4 {
        for _ in stride(from: 0, to: 6, by: size == 3 ? 3 : 1) {
          guard reader.bit() else {
            _ = reader.unsigned()
            continue
          }
          if size > 1 { _ = reader.signed() }
          for _ in 0..<min(64, 1 << (4 + 2 * size)) where !reader.isExhausted {
            _ = reader.signed()
          }
        }
      }
    }
    reader.skip(2)  // asymmetric partitions, sample adaptive offset
    if reader.bit() {  // pulse code modulation
      reader.skip(8)
      _ = reader.unsigned()
      _ = reader.unsigned()
      reader.skip(1)
    }
    return !reader.isExhausted
  }

  /// Skips the short-term and long-term reference picture sets, 7.3.7.
  private static func skipReferences(_ reader: inout BitReader, orderBits: Int) -> Bool {
    let setCount = reader.unsigned()
    guard setCount <= 64 else { return false }
    var pictures = 0
    for index in 0..<setCount {
      guard !reader.isExhausted else { return false }
      if index > 0, reader.bit() {
        // Derived from the set before: one decision per picture of that set, and one more.
        reader.skip(1)
        _ = reader.unsigned()
        var kept = 0
        for _ in 0...pictures {
          let isUsed = reader.bit()
          if isUsed || reader.bit() { kept += 1 }
        }
        pictures = kept
      } else {
        let before = reader.unsigned()
        let after = reader.unsigned()
        guard before <= 16, after <= 16 else { return false }
        pictures = Int(before + after)
        for _ in 0..<pictures {
          _ = reader.unsigned()
          reader.skip(1)
        }
      }
      guard pictures <= 32 else { return false }
    }
    if reader.bit() {
      let count = reader.unsigned()
      guard count <= 32 else { return false }
      reader.skip(Int(count) * (orderBits + 1))
    }
    return !reader.isExhausted
  }

  private mutating func readUsability(_ reader: inout BitReader) {
    let before = self
    readSignal(&reader)
    reader.skip(3)  // neutral chroma, fields
    if reader.bit() {  // display window
      for _ in 0..<4 { _ = reader.unsigned() }
    }
    if reader.bit() { readTiming(&reader) }
    // A description that ends in the middle of a value has none of it.
    if reader.isExhausted { self = before }
  }
}
