extension PacketBuffer {
  /// Turns start codes into lengths of four bytes, ISO/IEC 14496-15, without a second buffer.
  ///
  /// Units behind the last start code of three bytes stay where they are; those before it move
  /// towards the front by the one byte that each such code lacks. Zeros behind units are left out,
  /// as are the parameter sets that `omitted` holds.
  package mutating func replaceStartCodes(omitting omitted: ParameterSetCache?) {
    // Where the first length goes, so that no unit has to move towards the end.
    var start = Int.max
    var byteCount = 0
    var cursor = AnnexBCursor(bytes)
    while let unit = cursor.next(in: bytes) {
      if let omitted, omitted.contains(bytes.extracting(unit.payload)) { continue }
      byteCount += 4
      start = min(start, unit.header - byteCount)
      byteCount += unit.payload.count
    }
    guard byteCount > 0 else { return }
    reserve(-start)
    var place = start
    cursor = AnnexBCursor(bytes)
    while let unit = cursor.next(in: bytes) {
      if let omitted, omitted.contains(bytes.extracting(unit.payload)) { continue }
      move(unit.payload, to: place + 4)
      store(UInt32(truncatingIfNeeded: unit.payload.count), at: place)
      place += 4 + unit.payload.count
    }
    keep(start..<place)
  }
}
