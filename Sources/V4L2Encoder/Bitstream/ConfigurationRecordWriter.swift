/// Writes the decoder configuration records of ISO/IEC 14496-15.
enum ConfigurationRecordWriter {
  /// Makes the record of parameter sets, each behind a start code.
  ///
  /// - Parameters:
  ///   - sets: the sets in the order in which they refer to each other.
  ///   - codec: H.264 or HEVC.
  ///   - isComplete: whether the stream itself repeats none of them; only HEVC says so.
  /// - Returns: the record; nil unless there is a set of each kind and the first sequence parameter
  ///   set is understood.
  static func record(_ sets: [UInt8], codec: VideoCodec, isComplete: Bool) -> [UInt8]? {
    let sets = unsafe sets.span.bytes
    return switch codec {
    case .h264: avcC(sets)
    case .hevc: hvcC(sets, isComplete: isComplete)
    case .fwht: nil
    }
  }

  /// `AVCDecoderConfigurationRecord`, 5.3.3.1.
  private static func avcC(_ sets: RawSpan) -> [UInt8]? {
    let sequences = Units(.sequenceParameterSet, in: sets, codec: .h264)
    let pictures = Units(.pictureParameterSet, in: sets, codec: .h264)
    guard let first = sequences.first, (1...31).contains(sequences.count),
      (1...255).contains(pictures.count), first.count >= 4,
      let parsed = SequenceParameterSet.first(in: sets, codec: .h264)
    else { return nil }
    var record: [UInt8] = [1, first[1], first[2], first[3], 0xfc | 3]
    record.append(0xe0 | UInt8(sequences.count))
    sequences.append(to: &record)
    record.append(UInt8(pictures.count))
    pictures.append(to: &record)
    switch parsed.profile {
    case 66, 77, 88: break
    default:
      record += [
        0xfc | UInt8(parsed.chromaFormat), 0xf8 | UInt8(parsed.lumaBitDepth - 8),
        0xf8 | UInt8(parsed.chromaBitDepth - 8), 0,
      ]
    }
    return record
  }

  /// `HEVCDecoderConfigurationRecord`, 8.3.3.1.
  private static func hvcC(_ sets: RawSpan, isComplete: Bool) -> [UInt8]? {
    let kinds: [(kind: NALUnitKind, type: UInt8)] = [
      (.videoParameterSet, 32), (.sequenceParameterSet, 33), (.pictureParameterSet, 34),
    ]
    let arrays = kinds.map { ($0.type, Units($0.kind, in: sets, codec: .hevc)) }
    guard arrays.allSatisfy({ (1...64).contains($0.1.count) }), let first = arrays[1].1.first,
      let parsed = SequenceParameterSet.first(in: sets, codec: .hevc)
    else { return nil }
    var reader = unsafe BitReader(first.span.bytes, from: 2, to: first.count)
    reader.skip(4)
    let layers = UInt8(reader.bits(3)) + 1
    let isNested: UInt8 = reader.bit() ? 1 : 0
    var record: [UInt8] = [1]
    // Profile, compatibility, constraints and level stand in both in the same way.
    for _ in 0..<12 { record.append(UInt8(reader.bits(8))) }
    let segmentation = parsed.minimumSpatialSegmentation
    record += [0xf0 | UInt8(segmentation >> 8), UInt8(segmentation & 0xff)]
    record.append(0xfc | (segmentation == 0 ? 0 : parallelism(arrays[2].1)))
    record += [
      0xfc | UInt8(parsed.chromaFormat), 0xf8 | UInt8(parsed.lumaBitDepth - 8),
      0xf8 | UInt8(parsed.chromaBitDepth - 8), 0, 0, layers << 3 | isNested << 2 | 3, 3,
    ]
    for (type, units) in arrays {
      record += [(isComplete ? 0x80 : 0) | type, 0, UInt8(units.count)]
      units.append(to: &record)
    }
    return record
  }

  /// `parallelismType`: what kind of parts a picture can be decoded in; 0 for mixed ones.
  private static func parallelism(_ pictures: Units) -> UInt8 {
    let types = pictures.payloads.map { bytes -> UInt8 in
      guard let set = unsafe HEVCPictureParameterSet(bytes.span.bytes) else { return 0 }
      return switch (set.hasTiles, set.hasWavefronts) {
      case (true, true): 0
      case (true, false): 2
      case (false, true): 3
      case (false, false): 1
      }
    }
    return types.allSatisfy { $0 == types[0] } ? types[0] : 0
  }

  /// The units of one kind.
  private struct Units {
    var payloads: [[UInt8]] = []

    init(_ kind: NALUnitKind, in sets: RawSpan, codec: VideoCodec) {
      var units = AnnexBUnits(sets)
      while let unit = units.next() {
        guard NALUnitKind(header: sets.byte(at: unit.header), codec: codec) == kind else {
          continue
        }
        payloads.append(unit.payload.map { sets.byte(at: $0) })
      }
    }

    var first: [UInt8]? { payloads.first }
    var count: Int { payloads.count }

    /// Writes each behind its length of two bytes, which the cache's limit of size keeps in range.
    func append(to record: inout [UInt8]) {
      for payload in payloads {
        record += [UInt8(payload.count >> 8), UInt8(payload.count & 0xff)] + payload
      }
    }
  }
}
