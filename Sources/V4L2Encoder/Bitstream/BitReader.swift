/// Reads the bits of a NAL unit's payload, emulation prevention bytes removed.
///
/// Reading beyond the end gives zeros and sets `isExhausted`, so that parsers need one check at the
/// end; no input makes it trap.
struct BitReader: ~Escapable {
  private let bytes: RawSpan
  private var offset: Int
  private let end: Int
  private var zeros = 0
  private var current: UInt8 = 0
  private var bitsLeft = 0
  /// Whether more was read than there is, or a number too large for its kind.
  private(set) var isExhausted = false

  /// Reads `bytes` from `start` up to, not including, `end`.
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan, from start: Int, to end: Int) {
    self.bytes = bytes
    self.end = min(end, bytes.byteCount)
    self.offset = max(start, 0)
  }

  /// One bit.
  mutating func bit() -> Bool {
    if bitsLeft == 0 {
      guard let byte = nextByte() else {
        isExhausted = true
        return false
      }
      current = byte
      bitsLeft = 8
    }
    bitsLeft -= 1
    return current >> UInt8(bitsLeft) & 1 == 1
  }

  /// An unsigned number of up to 32 bits.
  mutating func bits(_ count: Int) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count { value = value << 1 | (bit() ? 1 : 0) }
    return value
  }

  /// Skips bits of no interest.
  mutating func skip(_ count: Int) {
    for _ in 0..<count {
      if isExhausted { return }
      _ = bit()
    }
  }

  /// An unsigned Exp-Golomb number, ue(v).
  mutating func unsigned() -> UInt32 {
    var leadingZeros = 0
    while !bit() {
      leadingZeros += 1
      guard leadingZeros < 32, !isExhausted else {
        isExhausted = true
        return 0
      }
    }
    return (1 << UInt32(leadingZeros) - 1) &+ bits(leadingZeros)
  }

  /// A signed Exp-Golomb number, se(v).
  mutating func signed() -> Int32 {
    let code = Int64(unsigned())
    return Int32(truncatingIfNeeded: code & 1 == 1 ? (code + 1) / 2 : -(code / 2))
  }

  /// Bits of a number below `count`, which u(v) fields of indices have.
  static func bits(for count: Int) -> Int {
    count > 1 ? Int.bitWidth - (count - 1).leadingZeroBitCount : 0
  }

  private mutating func nextByte() -> UInt8? {
    guard offset < end else { return nil }
    var byte = bytes.byte(at: offset)
    if zeros >= 2, byte == 3 {
      offset += 1
      zeros = 0
      guard offset < end else { return nil }
      byte = bytes.byte(at: offset)
    }
    zeros = byte == 0 ? zeros + 1 : 0
    offset += 1
    return byte
  }
}
