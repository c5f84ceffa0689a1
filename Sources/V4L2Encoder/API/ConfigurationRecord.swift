/// What a decoder must know before the first packet, in the form of ISO/IEC 14496-15.
///
/// Containers store the bytes as they are: in the `avcC` or `hvcC` box of MP4, as `CodecPrivate` of
/// Matroska, as the sequence header of FLV. Lengths before NAL units have four bytes.
public struct ConfigurationRecord: Hashable, Sendable {
  /// The codec, which decides on the record's kind: `AVCDecoderConfigurationRecord` (5.3.3.1) of
  /// H.264 or `HEVCDecoderConfigurationRecord` (8.3.3.1) of HEVC.
  public let codec: VideoCodec
  /// The record.
  public let bytes: [UInt8]

  /// Makes the record of parameter sets; nil when they are not complete or not understood.
  package init?(_ sets: ParameterSetCache, codec: VideoCodec, form: BitstreamForm) {
    let isComplete = form == .lengthPrefixed(parameterSets: .outOfBand)
    let record = ConfigurationRecordWriter.record(
      sets.bytes, codec: codec, isComplete: isComplete)
    guard let record else { return nil }
    self.codec = codec
    bytes = record
  }
}
