/// How the NAL units of a packet are told apart.
///
/// FWHT has no NAL units; its frames are as they are, which is called `annexB` too.
public enum BitstreamForm: Hashable, Sendable {
  /// Start codes and parameter sets in band: the byte stream of Annex B of ITU-T H.264 and H.265,
  /// for files, MPEG transport streams and most decoders.
  case annexB
  /// A length of four bytes, highest first, before each unit: ISO/IEC 14496-15, for MP4, Matroska
  /// and FLV, and for players that want an `avcC` or `hvcC` record.
  case lengthPrefixed(parameterSets: ParameterSetPlacement)

  /// Where the parameter sets of the length-prefixed form are.
  public enum ParameterSetPlacement: Hashable, Sendable {
    /// Only in the configuration record, as sample entries `avc1` and `hvc1` want it.
    case outOfBand
    /// In the record and in front of every key frame, as `avc3` and `hev1` allow it: a decoder can
    /// go on when they change.
    case inBand
  }
}
