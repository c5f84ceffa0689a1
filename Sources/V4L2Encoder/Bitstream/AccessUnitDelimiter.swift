/// The NAL unit that may begin an access unit: 7.3.2.4 of ITU-T H.264, 7.3.2.5 of ITU-T H.265.
enum AccessUnitDelimiter {
  /// Puts a delimiter in front of an access unit in Annex B form that has none.
  static func insert(into buffer: inout PacketBuffer, codec: VideoCodec, slices: SliceSurvey) {
    let payload = kinds(of: slices, codec: codec) << 5 | 0x10
    switch codec {
    case .h264:
      let unit: [6 of UInt8] = [0, 0, 0, 1, 0x09, payload]
      unsafe buffer.insert(unit.span.bytes, at: 0)
    case .hevc:
      let unit: [7 of UInt8] = [0, 0, 0, 1, 0x46, slices.temporalID + 1, payload]
      unsafe buffer.insert(unit.span.bytes, at: 0)
    case .fwht: break
    }
  }

  /// Bytes of the longest one with its start code.
  static let byteCount = 7

  /// `primary_pic_type` and `pic_type`: the kinds of slices there may be, Table 7-5 and Table 7-2.
  private static func kinds(of slices: SliceSurvey, codec: VideoCodec) -> UInt8 {
    // 7 allows everything in H.264; HEVC has nothing beyond 2.
    if slices.hasOther { return codec == .h264 ? 7 : 2 }
    return slices.hasBidirectional ? 2 : slices.hasPredicted ? 1 : 0
  }
}
