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
    var slices = HEVCSliceSyntax()
    guard id < 16, set.readSize(&reader, &slices), set.readBitDepths(&reader) else { return nil }
    set.id = Int(id)
    let orderBits = reader.unsigned() &+ 4
    let hasAllLayers = reader.bit()
    var depth: UInt32 = 0
    for _ in (hasAllLayers ? 0 : subLayers)...subLayers {
      _ = reader.unsigned()
      depth = reader.unsigned()
      _ = reader.unsigned()
    }
    let smallestBlock = reader.unsigned()
    let blockSizes = reader.unsigned()
    for _ in 0..<4 { _ = reader.unsigned() }  // transform sizes and depths
    guard orderBits <= 16, !reader.isExhausted else { return nil }
    if depth <= 16 { set.reorderDepth = Int(depth) }
    // What breaks off from here on takes nothing away from what was read before.
    guard slices.setBlocks(set.codedSize, smallest: smallestBlock, sizes: blockSizes),
      readTools(&reader, &slices),
      slices.readReferences(&reader, orderBits: Int(orderBits))
    else { return set }
    slices.hasTemporalPrediction = reader.bit()
    reader.skip(1)  // intra smoothing
    // Screen content and layered profiles have slice headers of their own.
    if set.profile <= 5, !reader.isExhausted { set.slices = .hevc(slices) }
    if reader.bit() { set.readUsability(&reader, subLayers: subLayers) }
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

  private mutating func readSize(
    _ reader: inout BitReader, _ slices: inout HEVCSliceSyntax
  ) -> Bool {
    let format = reader.unsigned()
    guard format <= 3 else { return false }
    chromaFormat = Int(format)
    if format == 3 { slices.hasSeparatePlanes = reader.bit() }
    slices.hasChroma = format != 0 && !slices.hasSeparatePlanes
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

  /// Reads scaling lists and the flags of single tools.
  private static func readTools(
    _ reader: inout BitReader, _ slices: inout HEVCSliceSyntax
  ) -> Bool {
    if reader.bit(), reader.bit() { HEVCScalingLists.skip(&reader) }
    reader.skip(1)  // asymmetric partitions
    slices.hasAdaptiveOffset = reader.bit()
    if reader.bit() {  // pulse code modulation
      reader.skip(8)
      _ = reader.unsigned()
      _ = reader.unsigned()
      reader.skip(1)
    }
    return !reader.isExhausted
  }

  private mutating func readUsability(_ reader: inout BitReader, subLayers: Int) {
    let before = self
    readSignal(&reader)
    reader.skip(3)  // neutral chroma, fields
    if reader.bit() {  // display window
      for _ in 0..<4 { _ = reader.unsigned() }
    }
    let hasTiming = reader.bit()
    if hasTiming { readTiming(&reader) }
    // A description that ends in the middle of a value has none of it.
    guard !reader.isExhausted else {
      self = before
      return
    }
    if hasTiming {
      if reader.bit() { _ = reader.unsigned() }  // ticks from picture to picture
      if reader.bit() { Self.skipReferenceDecoder(&reader, subLayers: subLayers) }
    }
    guard reader.bit() else { return }
    reader.skip(3)  // tiles, motion vectors over picture boundaries, reference lists
    let segmentation = reader.unsigned()
    if !reader.isExhausted, segmentation <= 4095 {
      minimumSpatialSegmentation = Int(segmentation)
    }
  }

  /// Skips the parameters of a hypothetical reference decoder, E.2.2.
  private static func skipReferenceDecoder(_ reader: inout BitReader, subLayers: Int) {
    let hasNAL = reader.bit()
    let hasVCL = reader.bit()
    var hasSubPictures = false
    if hasNAL || hasVCL {
      hasSubPictures = reader.bit()
      if hasSubPictures { reader.skip(19) }
      reader.skip(8)  // scales
      if hasSubPictures { reader.skip(4) }
      reader.skip(15)  // lengths
    }
    for _ in 0...subLayers where !reader.isExhausted {
      let isFixed = reader.bit()
      let isFixedInSequence = isFixed || reader.bit()
      var isLowDelay = false
      if isFixedInSequence { _ = reader.unsigned() } else { isLowDelay = reader.bit() }
      let schedules = isLowDelay ? 0 : min(reader.unsigned(), 31)
      for isPresent in [hasNAL, hasVCL] where isPresent {
        for _ in 0...schedules where !reader.isExhausted {
          for _ in 0..<(hasSubPictures ? 4 : 2) { _ = reader.unsigned() }
          reader.skip(1)
        }
      }
    }
  }
}
