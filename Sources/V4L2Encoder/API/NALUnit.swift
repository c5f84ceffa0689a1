/// One NAL unit of a packet, read in place.
public struct NALUnit: Sendable {
  private let data: PacketData
  private let codec: VideoCodec
  /// Where it is in the packet: its header and payload, without the start code or length.
  public let range: Range<Int>

  init(_ range: Range<Int>, in data: PacketData, codec: VideoCodec) {
    self.range = range
    self.data = data
    self.codec = codec
  }

  /// The header and the payload, emulation prevention bytes included.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = data.bytes
      return span.extracting(range)
    }
  }

  /// `nal_unit_type`: Table 7-1 of ITU-T H.264, Table 7-1 of ITU-T H.265.
  public var type: Int {
    let header = data.bytes.byte(at: range.lowerBound)
    return Int(codec == .hevc ? header >> 1 & 0x3f : header & 0x1f)
  }

  /// Whether it is a part of the picture itself.
  public var isSlice: Bool {
    if case .picture = kind { true } else { false }
  }

  /// Whether it is a video, sequence or picture parameter set.
  public var isParameterSet: Bool { kind.isParameterSet }

  private var kind: NALUnitKind {
    NALUnitKind(header: data.bytes.byte(at: range.lowerBound), codec: codec)
  }
}

/// The NAL units of a packet, in order; none in a FWHT frame.
///
/// Nothing is copied: start codes are looked for, or lengths followed, as the units are asked for.
public struct NALUnitSequence: Sequence, Sendable {
  fileprivate let data: PacketData
  fileprivate let codec: VideoCodec
  fileprivate let form: BitstreamForm

  init(_ data: PacketData, codec: VideoCodec, form: BitstreamForm) {
    self.data = data
    self.codec = codec
    self.form = form
  }

  /// Starts at the first unit.
  public func makeIterator() -> Iterator { Iterator(self) }

  /// Goes from unit to unit.
  public struct Iterator: IteratorProtocol, Sendable {
    private enum Position: Sendable {
      case startCode(AnnexBCursor)
      case length(at: Int)
      case end
    }

    private let data: PacketData
    private let codec: VideoCodec
    private var position: Position

    fileprivate init(_ units: NALUnitSequence) {
      data = units.data
      codec = units.codec
      position =
        switch (units.codec, units.form) {
        case (.fwht, _): .end
        case (_, .annexB): .startCode(AnnexBCursor(units.data.bytes))
        case (_, .lengthPrefixed): .length(at: 0)
        }
    }

    /// The next unit, or nil behind the last one.
    public mutating func next() -> NALUnit? {
      guard let range = nextRange() else {
        position = .end
        return nil
      }
      return NALUnit(range, in: data, codec: codec)
    }

    private mutating func nextRange() -> Range<Int>? {
      let data = data
      switch position {
      case .startCode(var cursor):
        let unit = cursor.next(in: data.bytes)
        position = .startCode(cursor)
        return unit?.payload
      case .length(let offset):
        let bytes = data.bytes
        let start = offset + 4
        guard start < bytes.byteCount else { return nil }
        var count = 0
        for place in offset..<start { count = count << 8 | Int(bytes.byte(at: place)) }
        guard count > 0, count <= bytes.byteCount - start else { return nil }
        position = .length(at: start + count)
        return start..<start + count
      case .end: return nil
      }
    }
  }
}
