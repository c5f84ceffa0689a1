/// What a stream says about its pictures.
package struct SequenceParameterSet: Hashable, Sendable {
  /// The set's number.
  package var id = 0
  /// `profile_idc` or `general_profile_idc`.
  package var profile = 0
  /// The constraint flags of H.264, first one in the highest bit; zero for HEVC.
  package var constraints = 0
  /// `level_idc` or `general_level_idc`: ten times the level's number, or thirty times.
  package var level = 0
  /// 0 for mono, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
  package var chromaFormat = 1
  /// Bits of a luma sample.
  package var lumaBitDepth = 8
  /// Bits of a chroma sample.
  package var chromaBitDepth = 8
  /// The size the codec works on.
  package var codedSize = VideoSize(width: 0, height: 0)
  /// The size that is shown: the coded size less the cropping.
  package var visibleSize = VideoSize(width: 0, height: 0)
  /// The colour description, if the stream has one.
  package var color: Color?
  /// Whether samples use the full range; nil when the stream does not say.
  package var isFullRange: Bool?
  /// Units of time per second and units per tick, if the stream says.
  package var timing: Timing?
  /// How many pictures may precede one in decoding and follow it in display, if the stream says.
  package var reorderDepth: Int?
  /// The least width of independent parts of a picture (`min_spatial_segmentation_idc`), HEVC only.
  package var minimumSpatialSegmentation = 0
  /// What slice headers depend on; nil when it is not all there.
  var slices: SliceSyntax?

  /// The part of the set that slice headers depend on.
  enum SliceSyntax: Hashable, Sendable {
    case h264(H264SliceSyntax)
    case hevc(HEVCSliceSyntax)
  }

  /// The numbers of ITU-T H.273.
  package struct Color: Hashable, Sendable {
    /// `colour_primaries`.
    package var primaries: Int
    /// `transfer_characteristics`.
    package var transfer: Int
    /// `matrix_coeffs`.
    package var matrix: Int
  }

  /// `num_units_in_tick` and `time_scale`; two ticks make a frame in H.264, one in HEVC.
  package struct Timing: Hashable, Sendable {
    /// Time units of one tick.
    package var unitsPerTick: Int
    /// Time units of a second.
    package var unitsPerSecond: Int
  }

  /// Parses a sequence parameter set without its start code; nil for what is none.
  package static func parse(_ bytes: RawSpan, codec: VideoCodec) -> SequenceParameterSet? {
    guard bytes.byteCount > 4,
      NALUnitKind(header: bytes.byte(at: 0), codec: codec) == .sequenceParameterSet
    else { return nil }
    return switch codec {
    case .h264: parseH264(bytes)
    case .hevc: parseHEVC(bytes)
    case .fwht: nil
    }
  }

  /// Parses the first sequence parameter set of an access unit.
  package static func first(
    in bytes: RawSpan, codec: VideoCodec
  ) -> SequenceParameterSet? {
    var units = AnnexBUnits(bytes)
    while let unit = units.next() {
      let kind = NALUnitKind(header: bytes.byte(at: unit.header), codec: codec)
      if case .picture = kind { return nil }
      if kind == .sequenceParameterSet {
        return parse(bytes.extracting(unit.header..<unit.end), codec: codec)
      }
    }
    return nil
  }

  /// Sets the sizes from the coded one and the cropping in luma samples.
  ///
  /// Returns false for a size no level has, or when nothing is left of the picture.
  mutating func setSize(
    width: UInt64, height: UInt64, left: UInt64, right: UInt64, top: UInt64, bottom: UInt64
  ) -> Bool {
    // Inputs are products of 33-bit numbers and small ones, so the sums cannot overflow.
    guard (1...65_536).contains(width), (1...65_536).contains(height), left + right < width,
      top + bottom < height
    else { return false }
    codedSize = VideoSize(width: Int(width), height: Int(height))
    visibleSize = VideoSize(
      width: Int(width - left - right), height: Int(height - top - bottom))
    return true
  }

  /// Reads what the usability information of both codecs begins with.
  mutating func readSignal(_ reader: inout BitReader) {
    if reader.bit(), reader.bits(8) == 255 { reader.skip(32) }  // sample aspect ratio
    if reader.bit() { reader.skip(1) }  // overscan
    if reader.bit() {
      reader.skip(3)  // video format
      isFullRange = reader.bit()
      if reader.bit() {
        color = Color(
          primaries: Int(reader.bits(8)), transfer: Int(reader.bits(8)),
          matrix: Int(reader.bits(8)))
      }
    }
    if reader.bit() {  // chroma sample location
      _ = reader.unsigned()
      _ = reader.unsigned()
    }
  }

  /// Reads how many bits the samples have; false for more than any profile allows.
  mutating func readBitDepths(_ reader: inout BitReader) -> Bool {
    let luma = reader.unsigned()
    let chroma = reader.unsigned()
    guard luma <= 8, chroma <= 8 else { return false }
    lumaBitDepth = Int(luma) + 8
    chromaBitDepth = Int(chroma) + 8
    return true
  }

  /// Reads a clock; a zero in it means nothing.
  mutating func readTiming(_ reader: inout BitReader) {
    let timing = Timing(
      unitsPerTick: Int(reader.bits(32)), unitsPerSecond: Int(reader.bits(32)))
    if timing.unitsPerTick > 0, timing.unitsPerSecond > 0 { self.timing = timing }
  }
}
