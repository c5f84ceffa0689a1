/// What the slice headers of ITU-T H.265, 7.3.6, depend on in the sequence parameter set.
struct HEVCSliceSyntax: Hashable, Sendable {
  /// Bits of `slice_segment_address`.
  private(set) var addressBits = 0
  /// Bits of `slice_pic_order_cnt_lsb`.
  private(set) var orderBits = 0
  /// The short-term reference picture sets a slice may name by number.
  private(set) var referenceSets: [HEVCReferenceSet] = []
  /// Whether slices may name long-term reference pictures.
  private(set) var hasLongTermReferences = false
  /// How many long-term pictures a slice may name by number.
  private(set) var longTermCount = 0
  /// Which of those the current picture may refer to, the first in the lowest bit.
  private(set) var usedLongTerm: UInt32 = 0
  /// `sps_temporal_mvp_enabled_flag`.
  var hasTemporalPrediction = false
  /// `sample_adaptive_offset_enabled_flag`.
  var hasAdaptiveOffset = false
  /// Whether each slice belongs to one colour plane.
  var hasSeparatePlanes = false
  /// Whether there are chroma samples in a slice with luma samples.
  var hasChroma = true

  /// Takes over the sizes of coding blocks; false for sizes the standard does not have.
  mutating func setBlocks(_ size: VideoSize, smallest: UInt32, sizes: UInt32) -> Bool {
    guard smallest <= 3, sizes <= 3, smallest + sizes + 3 <= 6 else { return false }
    let shift = Int(smallest + sizes) + 3
    let mask = 1 << shift - 1
    let blocks = ((size.width + mask) >> shift) * ((size.height + mask) >> shift)
    addressBits = BitReader.bits(for: blocks)
    return true
  }

  /// Reads the short-term and long-term reference picture sets.
  mutating func readReferences(_ reader: inout BitReader, orderBits: Int) -> Bool {
    self.orderBits = orderBits
    let count = reader.unsigned()
    guard count <= 64 else { return false }
    for index in 0..<Int(count) {
      guard
        let set = HEVCReferenceSet(&reader, index: index, among: referenceSets, isInSlice: false)
      else { return false }
      referenceSets.append(set)
    }
    hasLongTermReferences = reader.bit()
    if hasLongTermReferences {
      let count = reader.unsigned()
      guard count <= 32 else { return false }
      longTermCount = Int(count)
      for index in 0..<longTermCount {
        reader.skip(orderBits)
        if reader.bit() { usedLongTerm |= 1 << UInt32(index) }
      }
    }
    return !reader.isExhausted
  }
}

/// A short-term reference picture set: ITU-T H.265, 7.3.7 and 7.4.8.
struct HEVCReferenceSet: Hashable, Sendable {
  /// Distances in the order count: first the pictures before, nearest first, then those behind.
  private var distances = SIMD16<Int32>()
  /// Which of them the current picture may refer to, the first in the lowest bit.
  private var used: UInt32 = 0
  private var beforeCount = 0
  private(set) var count = 0

  /// How many pictures the current one may refer to.
  var usedCount: Int { used.nonzeroBitCount }

  /// Reads the set of number `index`; nil for one that cannot be.
  ///
  /// - Parameters:
  ///   - reader: where the set starts.
  ///   - index: the set's number, that of the last one and one for a slice's own.
  ///   - sets: the sets before it.
  ///   - isInSlice: whether it stands in a slice header.
  init?(
    _ reader: inout BitReader, index: Int, among sets: [HEVCReferenceSet], isInSlice: Bool
  ) {
    if index > 0, reader.bit() {
      let back = isInSlice ? Int(reader.unsigned()) + 1 : 1
      guard back <= index, index - back < sets.count else { return nil }
      guard readPredicted(&reader, from: sets[index - back]) else { return nil }
    } else {
      guard readDistances(&reader) else { return nil }
    }
    if reader.isExhausted { return nil }
  }

  private mutating func readDistances(_ reader: inout BitReader) -> Bool {
    let before = reader.unsigned()
    let behind = reader.unsigned()
    guard before <= 16, behind <= 16, before + behind <= 16 else { return false }
    for (number, sign) in [(before, Int32(-1)), (behind, 1)] {
      var distance: Int32 = 0
      for _ in 0..<number {
        let step = reader.unsigned()
        guard step < 1 << 15 else { return false }
        distance += sign * Int32(step + 1)
        _ = append(distance, isUsed: reader.bit())
      }
    }
    return true
  }

  /// Derives the set from another one, (7-61) and (7-62).
  private mutating func readPredicted(
    _ reader: inout BitReader, from set: HEVCReferenceSet
  ) -> Bool {
    let isNegative = reader.bit()
    let step = reader.unsigned()
    guard step < 1 << 15 else { return false }
    let delta = isNegative ? -Int32(step + 1) : Int32(step + 1)
    var kept: UInt32 = 0
    var used: UInt32 = 0
    for index in 0...set.count {
      let isUsed = reader.bit()
      if isUsed { used |= 1 << UInt32(index) }
      if isUsed || reader.bit() { kept |= 1 << UInt32(index) }
    }
    func take(_ index: Int, sign: Int32) -> Bool {
      let distance = index < set.count ? set.distances[index] + delta : delta
      guard distance.signum() == sign, kept >> UInt32(index) & 1 == 1 else { return true }
      return append(distance, isUsed: used >> UInt32(index) & 1 == 1)
    }
    let before = 0..<set.beforeCount
    let behind = set.beforeCount..<set.count
    for index in behind.reversed() where !take(index, sign: -1) { return false }
    guard take(set.count, sign: -1) else { return false }
    for index in before where !take(index, sign: -1) { return false }
    for index in before.reversed() where !take(index, sign: 1) { return false }
    guard take(set.count, sign: 1) else { return false }
    for index in behind where !take(index, sign: 1) { return false }
    return true
  }

  private mutating func append(_ distance: Int32, isUsed: Bool) -> Bool {
    guard count < 16 else { return false }
    distances[count] = distance
    if isUsed { used |= 1 << UInt32(count) }
    count += 1
    if distance < 0 { beforeCount += 1 }
    return true
  }
}
