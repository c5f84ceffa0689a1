/// Makes access units that can be decoded on their own out of what drivers return.
///
/// Parameter sets that come in a buffer of their own are carried to the next picture; key frames
/// that come without parameter sets get those that were seen last.
package struct PacketAssembler: Sendable {
  /// What became of one CAPTURE buffer (encoded bytes).
  package enum Outcome: Sendable {
    /// No picture inside; kept for the next one.
    case headersOnly
    /// Nothing of the codec's syntax inside, or more than any headers have.
    case unusable
    /// An access unit with a picture.
    case picture(PacketData, isKeyFrame: Bool, hasParameterSets: Bool)
  }

  /// More than any parameter sets and SEI messages need; beyond it a driver is broken.
  private static let carryLimit = 64 * 1024

  private let codec: VideoCodec
  private var cache: ParameterSetCache
  /// Bytes that belong in front of the next buffer.
  package private(set) var carry: [UInt8] = []
  /// The picture size that the stream names for itself, once it is known.
  package private(set) var streamSize: VideoSize?
  /// How many pictures may overtake another one in this stream, as far as it says so itself.
  package private(set) var reorderDepth = 0

  package init(codec: VideoCodec) {
    self.codec = codec
    cache = ParameterSetCache(codec: codec)
    carry.reserveCapacity(256)
  }

  /// Examines a buffer's bytes, which start with `carry`.
  package mutating func accept(_ data: PacketData) -> Outcome {
    let info = AccessUnitInspector.inspect(data.bytes, codec: codec)
    guard info.hasPicture else {
      var units = NALUnits(data.bytes)
      guard units.next() != nil, data.byteCount <= Self.carryLimit else {
        carry.removeAll(keepingCapacity: true)
        return .unusable
      }
      carry = data.array
      return .headersOnly
    }
    if !carry.isEmpty { carry.removeAll(keepingCapacity: true) }
    if let size = info.pictureSize { streamSize = size }
    if info.hasAnyParameterSet, cache.update(from: data.bytes, info: info) {
      let sequence = cache.sequenceParameterSet
      streamSize = sequence?.visibleSize ?? streamSize
      reorderDepth = sequence?.reorderDepth ?? 0
    }
    guard info.isKeyFrame, !info.hasAllParameterSets else {
      return .picture(
        data, isKeyFrame: info.isKeyFrame, hasParameterSets: info.hasAllParameterSets)
    }
    let sets = cache.bytes
    guard !sets.isEmpty else {
      return .picture(data, isKeyFrame: true, hasParameterSets: false)
    }
    return .picture(
      data.inserting(sets, at: info.insertionOffset), isKeyFrame: true,
      hasParameterSets: cache.isComplete)
  }

  /// The queues were restarted: what was carried belongs to nothing any more.
  package mutating func reset() { carry.removeAll(keepingCapacity: true) }
}
