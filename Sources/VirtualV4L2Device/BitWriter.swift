/// Writes the syntax elements of a NAL unit, with emulation prevention at the end.
struct BitWriter {
  private var payload: [UInt8] = []
  private var current: UInt8 = 0
  private var bitCount = 0

  /// u(n).
  mutating func bits(_ value: Int, _ count: Int) {
    for position in stride(from: count - 1, through: 0, by: -1) {
      current = current << 1 | UInt8((value >> position) & 1)
      bitCount += 1
      if bitCount == 8 {
        payload.append(current)
        current = 0
        bitCount = 0
      }
    }
  }

  /// ue(v).
  mutating func unsigned(_ value: Int) {
    let coded = value + 1
    let length = Int.bitWidth - coded.leadingZeroBitCount
    bits(0, length - 1)
    bits(coded, length)
  }

  /// se(v).
  mutating func signed(_ value: Int) { unsigned(value > 0 ? 2 * value - 1 : -2 * value) }

  mutating func flag(_ value: Bool) { bits(value ? 1 : 0, 1) }

  /// rbsp_trailing_bits(), or byte_alignment() of HEVC.
  mutating func trailing() {
    bits(1, 1)
    while bitCount != 0 { bits(0, 1) }
  }

  /// The NAL unit with a start code before it.
  func unit(header: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0, 0, 0, 1] + header
    var zeros = 0
    for byte in payload {
      if zeros >= 2, byte <= 3 {
        bytes.append(3)
        zeros = 0
      }
      bytes.append(byte)
      zeros = byte == 0 ? zeros + 1 : 0
    }
    return bytes
  }
}
