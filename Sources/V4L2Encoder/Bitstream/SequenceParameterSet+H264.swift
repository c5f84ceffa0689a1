/// The sequence parameter set of ITU-T H.264, 7.3.2.1.1 and E.1.1.
extension SequenceParameterSet {
  static func parseH264(_ bytes: RawSpan) -> SequenceParameterSet? {
    var reader = BitReader(bytes, from: 1, to: bytes.byteCount)
    var set = SequenceParameterSet()
    set.profile = Int(reader.bits(8))
    set.constraints = Int(reader.bits(8))
    set.level = Int(reader.bits(8))
    let id = reader.unsigned()
    guard id < 32 else { return nil }
    set.id = Int(id)
    var slices = H264SliceSyntax()
    guard set.readFormat(&reader, &slices), readPictureOrder(&reader, &slices) else { return nil }
    _ = reader.unsigned()  // reference frames
    reader.skip(1)  // gaps in frame numbers
    guard set.readSize(&reader, &slices) else { return nil }
    if slices.isPlausible { set.slices = .h264(slices) }
    let hasUsability = reader.bit()
    guard !reader.isExhausted else { return nil }
    // Usability information that breaks off takes nothing away from what was read before.
    if hasUsability { set.readUsability(&reader) }
    return set
  }

  private var hasHighSyntax: Bool {
    switch profile {
    case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135: true
    default: false
    }
  }

  private mutating func readFormat(
    _ reader: inout BitReader, _ slices: inout H264SliceSyntax
  ) -> Bool {
    guard hasHighSyntax else { return true }
    let format = reader.unsigned()
    guard format <= 3 else { return false }
    chromaFormat = Int(format)
    if format == 3 { slices.hasSeparatePlanes = reader.bit() }
    slices.hasChroma = format != 0 && !slices.hasSeparatePlanes
    guard readBitDepths(&reader) else { return false }
    reader.skip(1)  // lossless bypass
    guard reader.bit() else { return true }
    for list in 0..<(format == 3 ? 12 : 8) where reader.bit() {
      Self.skipScalingList(&reader, count: list < 6 ? 16 : 64)
    }
    return !reader.isExhausted
  }

  private static func skipScalingList(_ reader: inout BitReader, count: Int) {
    var last: Int32 = 8
    for _ in 0..<count where !reader.isExhausted {
      let next = (last &+ reader.signed()) & 0xff
      // The rest of the list repeats, nothing more is coded.
      if next == 0 { return }
      last = next
    }
  }

  private static func readPictureOrder(
    _ reader: inout BitReader, _ slices: inout H264SliceSyntax
  ) -> Bool {
    slices.frameNumberBits = Int(reader.unsigned()) + 4
    slices.orderKind = Int(reader.unsigned())
    switch slices.orderKind {
    case 0: slices.orderBits = Int(reader.unsigned()) + 4
    case 1:
      slices.hasOrderDeltas = !reader.bit()
      _ = reader.signed()
      _ = reader.signed()
      let cycle = reader.unsigned()
      guard cycle <= 255 else { return false }
      for _ in 0..<cycle where !reader.isExhausted { _ = reader.signed() }
    case 2: break
    default: return false
    }
    return !reader.isExhausted
  }

  private mutating func readSize(
    _ reader: inout BitReader, _ slices: inout H264SliceSyntax
  ) -> Bool {
    let widthInMacroblocks = UInt64(reader.unsigned()) + 1
    let heightInMapUnits = UInt64(reader.unsigned()) + 1
    let onlyFrames = reader.bit()
    slices.mayHaveFields = !onlyFrames
    if !onlyFrames { reader.skip(1) }  // macroblock-adaptive frame and field
    reader.skip(1)  // direct 8x8 inference
    let fields: UInt64 = onlyFrames ? 1 : 2
    let unitX: UInt64 = chromaFormat == 1 || chromaFormat == 2 ? 2 : 1
    let unitY = fields * (chromaFormat == 1 ? 2 : 1)
    var crop: (left: UInt64, right: UInt64, top: UInt64, bottom: UInt64) = (0, 0, 0, 0)
    if reader.bit() {
      crop.left = UInt64(reader.unsigned()) * unitX
      crop.right = UInt64(reader.unsigned()) * unitX
      crop.top = UInt64(reader.unsigned()) * unitY
      crop.bottom = UInt64(reader.unsigned()) * unitY
    }
    return setSize(
      width: widthInMacroblocks * 16, height: heightInMapUnits * 16 * fields, left: crop.left,
      right: crop.right, top: crop.top, bottom: crop.bottom)
  }

  private mutating func readUsability(_ reader: inout BitReader) {
    let before = self
    readSignal(&reader)
    if reader.bit() {
      readTiming(&reader)
      reader.skip(1)  // fixed frame rate
    }
    // A description that ends in the middle of a value has none of it.
    guard !reader.isExhausted else {
      self = before
      return
    }
    let nal = Self.skipReferenceDecoder(&reader)
    let vcl = Self.skipReferenceDecoder(&reader)
    if nal || vcl { reader.skip(1) }  // low delay
    reader.skip(1)  // picture structure
    guard reader.bit() else { return }
    reader.skip(1)  // motion vectors over picture boundaries
    for _ in 0..<4 { _ = reader.unsigned() }
    let depth = reader.unsigned()
    _ = reader.unsigned()  // decoded picture buffer
    if !reader.isExhausted, depth <= 16 { reorderDepth = Int(depth) }
  }

  /// Skips the parameters of a hypothetical reference decoder; false when there are none.
  private static func skipReferenceDecoder(_ reader: inout BitReader) -> Bool {
    guard reader.bit() else { return false }
    let count = reader.unsigned()
    reader.skip(8)
    for _ in 0...min(count, 31) where !reader.isExhausted {
      _ = reader.unsigned()
      _ = reader.unsigned()
      reader.skip(1)
    }
    reader.skip(20)
    return true
  }
}
