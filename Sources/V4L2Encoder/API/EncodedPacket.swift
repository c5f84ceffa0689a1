/// One encoded picture: an access unit in the form of `bitstreamForm`, or a FWHT frame.
public struct EncodedPacket: Sendable {
  private let unit: AccessUnit
  /// When the picture is shown: the frame's own value, in units of the encoder's `timeBase`.
  public let presentationTime: Int64
  /// When the access unit is to be decoded, in units of the encoder's `timeBase`; never decreases
  /// from packet to packet while presentation times increase.
  public package(set) var decodeTime: Int64
  /// How long the picture is shown, in units of the encoder's `timeBase`.
  public let duration: Int64
  /// Whether the driver marked the data as spoiled (`V4L2_BUF_FLAG_ERROR`).
  public let isCorrupt: Bool
  /// Whether the driver did not copy the time, so that it was taken from the order of the frames.
  public let isTimeInferred: Bool
  /// Whether another encoder than the one before made this packet, which begins a stream of its own
  /// (``RecoveringEncoder``).
  public package(set) var isDiscontinuity = false
  /// From `encode` to the packet's arrival.
  public let latency: Duration

  /// Wraps an access unit of an encoder of another kind than this library's (``VideoEncoder``).
  ///
  /// Whether it is a key frame, has its parameter sets and what `configurationRecord` they make is
  /// read from the bytes; parameter sets of other packets are not known here.
  ///
  /// - Parameters:
  ///   - bytes: an access unit of H.264 or HEVC in Annex B form, or a FWHT frame.
  ///   - codec: the codec of the bytes.
  ///   - presentationTime: the frame's own value, in units of the encoder's `timeBase`.
  ///   - decodeTime: when it is to be decoded, in the same units; nil where pictures come in the
  ///     order they are shown.
  ///   - duration: how long the picture is shown, in the same units.
  ///   - latency: from `encode` to the packet.
  /// - Throws: `protocolViolation` when there is no picture in the bytes.
  public init(
    _ bytes: [UInt8], codec: VideoCodec, presentationTime: Int64, decodeTime: Int64? = nil,
    duration: Int64, latency: Duration
  ) throws(EncoderError) {
    var assembler = PacketAssembler(codec: codec)
    guard case .picture(let unit) = assembler.accept(PacketBuffer(copying: bytes)) else {
      throw EncoderError(
        .protocolViolation,
        "\(bytes.count) bytes without a \(codec) picture; a packet is one whole access unit")
    }
    self.init(
      unit, presentationTime: presentationTime, decodeTime: decodeTime ?? presentationTime,
      duration: duration, isCorrupt: false, isTimeInferred: false, latency: latency)
  }

  package init(
    _ unit: AccessUnit, presentationTime: Int64, decodeTime: Int64, duration: Int64,
    isCorrupt: Bool, isTimeInferred: Bool, latency: Duration
  ) {
    self.unit = unit
    self.presentationTime = presentationTime
    self.decodeTime = decodeTime
    self.duration = duration
    self.isCorrupt = isCorrupt
    self.isTimeInferred = isTimeInferred
    self.latency = latency
  }
}

extension EncodedPacket {
  /// The encoded bytes, starting with a start code, a length or a FWHT header.
  public var data: PacketData { unit.data }
  /// The codec of the bytes.
  public var codec: VideoCodec { unit.codec }
  /// How the NAL units are told apart, as the configuration asked for.
  public var bitstreamForm: BitstreamForm { unit.form }
  /// Whether decoding can start here: an IDR or intra picture, read from the bitstream.
  public var isKeyFrame: Bool { unit.isKeyFrame }
  /// Whether the packet starts with the parameter sets a decoder needs.
  public var hasParameterSets: Bool { unit.hasParameterSets }
  /// Whether other parameter sets are in force from this packet on, as after a change of size.
  ///
  /// Never true for the first packet, nor for FWHT, whose frames each have a header of their own.
  public var changesParameterSets: Bool { unit.changesParameterSets }
  /// What a decoder of the length-prefixed form must know first, and containers store.
  ///
  /// Every key frame has it, in each form, and so has a packet from which on it is another one; nil
  /// between, for FWHT, and while the driver has not written all parameter sets.
  public var configurationRecord: ConfigurationRecord? { unit.configurationRecord }
  /// The mean of the quantizers that the picture's slices start from (`SliceQPY` of ITU-T H.264,
  /// 7.4.3, and `SliceQpY` of ITU-T H.265, 7.4.7.1).
  ///
  /// Blocks may deviate from their slice. Nil unless `measuresQuantizer` asked for it, for FWHT,
  /// and for slices that cannot be read.
  public var averageQuantizer: Double? { unit.averageQuantizer }
  /// The NAL units, found in place; none in a FWHT frame.
  public var nalUnits: NALUnitSequence {
    NALUnitSequence(unit.data, codec: unit.codec, form: unit.form)
  }
  /// How many bytes the packet has.
  public var byteCount: Int { unit.data.byteCount }
  /// The encoded bytes, readable while the packet is held.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unit.data.bytes
      return span
    }
  }
}
