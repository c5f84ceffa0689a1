/// The scaling lists of ITU-T H.265, 7.3.4, which no one here needs.
enum HEVCScalingLists {
  static func skip(_ reader: inout BitReader) {
    for size in 0..<4 {
      for _ in stride(from: 0, to: 6, by: size == 3 ? 3 : 1) {
        guard reader.bit() else {
          _ = reader.unsigned()
          continue
        }
        if size > 1 { _ = reader.signed() }
        for _ in 0..<min(64, 1 << (4 + 2 * size)) where !reader.isExhausted {
          _ = reader.signed()
        }
      }
    }
  }
}
