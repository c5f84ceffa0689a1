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
    case picture(AccessUnit)
  }

  /// More than any parameter sets and SEI messages need; beyond it a driver is broken.
  private static let carryLimit = 64 * 1024

  private let codec: VideoCodec
  private var cache: ParameterSetCache
  private var shaper: AccessUnitShaper
  /// Bytes that belong in front of the next buffer.
  package private(set) var carry: [UInt8] = []
  /// The picture size that the stream names for itself, once it is known.
  package private(set) var streamSize: VideoSize?
  /// How many pictures may overtake another one in this stream, as far as it says so itself.
  package private(set) var reorderDepth = 0

  package init(
    codec: VideoCodec, form: BitstreamForm = .annexB, addsDelimiters: Bool = false,
    measuresQuantizer: Bool = false
  ) {
    self.codec = codec
    cache = ParameterSetCache(codec: codec)
    shaper = AccessUnitShaper(
      codec: codec, form: form, addsDelimiters: addsDelimiters,
      measuresQuantizer: measuresQuantizer)
    carry.reserveCapacity(256)
  }

  /// How many free bytes should be in front of the next buffer's bytes.
  package var room: Int { shaper.room(cache) }

  /// Examines a buffer's bytes, which start with `carry`.
  package mutating func accept(_ buffer: consuming PacketBuffer) -> Outcome {
    var info = AccessUnitInspector.inspect(buffer.bytes, codec: codec)
    guard info.hasPicture else {
      var units = AnnexBUnits(buffer.bytes)
      guard units.next() != nil, buffer.byteCount <= Self.carryLimit else {
        carry.removeAll(keepingCapacity: true)
        return .unusable
      }
      carry = buffer.finish().array
      return .headersOnly
    }
    if !carry.isEmpty { carry.removeAll(keepingCapacity: true) }
    if let size = info.pictureSize { streamSize = size }
    var hasNewSets = false
    var replacesSets = false
    if info.hasAnyParameterSet, cache.update(from: buffer.bytes, info: info) {
      let sequence = cache.sequenceParameterSet
      streamSize = sequence?.visibleSize ?? streamSize
      reorderDepth = sequence?.reorderDepth ?? 0
      hasNewSets = true
      replacesSets = shaper.update(cache)
    }
    let sets = cache.bytes
    if info.isKeyFrame, !info.hasAllParameterSets, !sets.isEmpty, shaper.keepsParameterSets {
      buffer.insert(sets, at: info.insertionOffset)
      info.parameterSetsInserted(areComplete: cache.isComplete)
    }
    var unit = shaper.shape(buffer, info, sets: cache)
    if hasNewSets {
      unit.configurationRecord = shaper.record
      unit.changesParameterSets = replacesSets
    }
    return .picture(unit)
  }

  /// The queues were restarted: what was carried belongs to nothing any more.
  package mutating func reset() { carry.removeAll(keepingCapacity: true) }

  /// Another stream begins, whose key frames must not get the former one's parameter sets.
  package mutating func startAnew() {
    reset()
    cache.removeAll()
    streamSize = nil
    reorderDepth = 0
  }
}
