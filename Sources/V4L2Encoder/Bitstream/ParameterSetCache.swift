internal import Glibc

/// The newest parameter sets of a stream.
///
/// Drivers that write them only once are helped out with these at later key frames.
package struct ParameterSetCache: Sendable {
  private enum Kind: Int, Comparable {
    case video, sequence, picture

    static func < (left: Kind, right: Kind) -> Bool { left.rawValue < right.rawValue }
  }

  private struct Entry {
    var kind: Kind
    var id: Int
    /// With a four-byte start code.
    var bytes: [UInt8]
  }

  /// No encoder writes larger ones; the bound keeps a broken driver from filling memory.
  private static let largestSet = 1 << 14

  private let codec: VideoCodec
  private var entries: [Entry] = []

  /// All sets, each with a four-byte start code, in the order in which they refer to each other.
  package private(set) var bytes: [UInt8] = []

  /// Creates an empty cache.
  package init(codec: VideoCodec) { self.codec = codec }

  /// Whether a decoder can start with these sets.
  package var isComplete: Bool {
    switch codec {
    case .h264: has(.sequence) && has(.picture)
    case .hevc: has(.sequence) && has(.picture) && has(.video)
    case .fwht: true
    }
  }

  /// The newest sequence parameter set, if it can be understood.
  package var sequenceParameterSet: SequenceParameterSet? {
    guard !bytes.isEmpty else { return nil }
    return unsafe SequenceParameterSet.first(in: bytes.span.bytes, codec: codec)
  }

  /// Takes over what comes before an access unit's picture; true when that changed anything.
  ///
  /// Sets that are known already cost a comparison and no allocation.
  @discardableResult
  package mutating func update(from accessUnit: RawSpan, info: AccessUnitInfo) -> Bool {
    guard info.hasAnyParameterSet, info.parameterSets.lowerBound >= 0,
      info.parameterSets.upperBound <= accessUnit.byteCount
    else { return false }
    let sets = accessUnit.extracting(info.parameterSets)
    var hasChanged = false
    var units = AnnexBUnits(sets)
    while let unit = units.next() {
      if store(sets.extracting(unit.header..<unit.end)) { hasChanged = true }
    }
    if hasChanged { bytes = entries.flatMap(\.bytes) }
    return hasChanged
  }

  /// Whether this set, without its start code, is one of the newest.
  package func contains(_ set: RawSpan) -> Bool {
    entries.contains { $0.bytes.holdsAfterStartCode(set) }
  }

  /// Forgets everything.
  package mutating func removeAll() {
    entries.removeAll()
    bytes.removeAll()
  }

  private func has(_ kind: Kind) -> Bool { entries.contains { $0.kind == kind } }

  private mutating func store(_ set: RawSpan) -> Bool {
    guard set.byteCount <= Self.largestSet, let (kind, id) = identify(set) else { return false }
    let index = entries.firstIndex { ($0.kind, $0.id) >= (kind, id) } ?? entries.count
    let isKnown = index < entries.count && entries[index].kind == kind && entries[index].id == id
    if isKnown, entries[index].bytes.holdsAfterStartCode(set) { return false }
    var bytes: [UInt8] = [0, 0, 0, 1]
    unsafe set.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
    if isKnown {
      entries[index].bytes = bytes
    } else {
      entries.insert(Entry(kind: kind, id: id, bytes: bytes), at: index)
    }
    return true
  }

  /// The kind and number of a set; nil for what is none or has an impossible number.
  private func identify(_ set: RawSpan) -> (Kind, Int)? {
    let headerLength = codec == .h264 ? 1 : 2
    guard set.byteCount > headerLength else { return nil }
    var reader = BitReader(set, from: headerLength, to: set.byteCount)
    switch NALUnitKind(header: set.byte(at: 0), codec: codec) {
    case .videoParameterSet: return (.video, Int(reader.bits(4)))
    case .sequenceParameterSet:
      // One that is not understood is still the stream's; encoders number their only one zero.
      return (.sequence, SequenceParameterSet.parse(set, codec: codec)?.id ?? 0)
    case .pictureParameterSet:
      let id = reader.unsigned()
      guard !reader.isExhausted, id < (codec == .h264 ? 256 : 64) else { return nil }
      return (.picture, Int(id))
    case .delimiter, .picture, .other: return nil
    }
  }
}

extension [UInt8] {
  /// Whether these are a start code of four bytes and `payload`.
  fileprivate func holdsAfterStartCode(_ payload: RawSpan) -> Bool {
    guard count == payload.byteCount + 4 else { return false }
    return unsafe withUnsafeBytes { mine in
      unsafe payload.withUnsafeBytes { theirs in
        guard let own = mine.baseAddress, let other = theirs.baseAddress else { return false }
        return unsafe memcmp(own + 4, other, theirs.count) == 0
      }
    }
  }
}
