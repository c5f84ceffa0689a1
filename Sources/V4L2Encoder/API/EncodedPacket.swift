/// One encoded picture: an access unit in Annex B byte stream form, or a FWHT frame.
public struct EncodedPacket: Sendable {
  /// The encoded bytes, starting with a start code, or with a FWHT header.
  public let data: PacketData
  /// When the picture is shown: the frame's own value, in units of the encoder's `timeBase`.
  public let presentationTime: Int64
  /// When the access unit is to be decoded, in units of the encoder's `timeBase`; never decreases
  /// from packet to packet while presentation times increase.
  public let decodeTime: Int64
  /// How long the picture is shown, in units of the encoder's `timeBase`.
  public let duration: Int64
  /// Whether decoding can start here: an IDR or intra picture, read from the bitstream.
  public let isKeyFrame: Bool
  /// Whether the packet starts with the parameter sets a decoder needs.
  public let hasParameterSets: Bool
  /// Whether the driver marked the data as spoiled (`V4L2_BUF_FLAG_ERROR`).
  public let isCorrupt: Bool
  /// Whether the driver did not copy the time, so that it was taken from the order of the frames.
  public let isTimeInferred: Bool
  /// From `encode` to the packet's arrival.
  public let latency: Duration
}

extension EncodedPacket {
  /// How many bytes the packet has.
  public var byteCount: Int { data.byteCount }
  /// The encoded bytes, readable while the packet is held.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = data.bytes
      return span
    }
  }
}
