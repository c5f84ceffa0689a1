internal import Glibc

/// One NAL unit of a byte stream, by its place.
package struct AnnexBUnit: Hashable, Sendable {
  /// The first byte of the start code, the optional leading zero included.
  package var start: Int
  /// The first byte of the header.
  package var header: Int
  /// Behind the last byte, trailing zeros excluded.
  package var end: Int

  /// The unit without its start code.
  var payload: Range<Int> { header..<end }
}

/// The NAL units of an Annex B byte stream (ITU-T H.264 and H.265), found without copying.
package struct AnnexBUnits: ~Escapable {
  private let bytes: RawSpan
  private var cursor: AnnexBCursor

  /// Looks at `bytes`, which start with a start code; what comes before the first one is skipped.
  @_lifetime(copy bytes)
  package init(_ bytes: RawSpan) {
    self.bytes = bytes
    cursor = AnnexBCursor(bytes)
  }

  /// The next NAL unit, or nil behind the last one.
  ///
  /// Start codes with nothing behind them give no unit.
  package mutating func next() -> AnnexBUnit? { cursor.next(in: bytes) }
}

/// Goes through a byte stream whose units may be moved once they have been passed.
struct AnnexBCursor: Sendable {
  private var pending: StartCodeScanner.StartCode?

  init(_ bytes: RawSpan) { pending = StartCodeScanner(bytes).next(from: 0) }

  /// The next NAL unit; what lies behind it must be as it was at the call before.
  mutating func next(in bytes: RawSpan) -> AnnexBUnit? {
    let scanner = StartCodeScanner(bytes)
    while let current = pending {
      pending = scanner.next(from: current.header)
      let end = scanner.endOfData(in: current.header..<(pending?.start ?? bytes.byteCount))
      if end > current.header {
        return AnnexBUnit(start: current.start, header: current.header, end: end)
      }
    }
    return nil
  }
}

/// Finds start codes.
struct StartCodeScanner: ~Escapable {
  struct StartCode {
    /// Its first byte, the optional leading zero included.
    var start: Int
    /// The first byte behind it.
    var header: Int
  }

  let bytes: RawSpan

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) { self.bytes = bytes }

  /// The first start code at or behind `offset` that has a byte behind it.
  func next(from offset: Int) -> StartCode? {
    unsafe bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return nil }
      let lowest = max(offset, 0)
      var position = lowest + 2
      // memchr for the one is many bytes per cycle; zeros are far too frequent to look for.
      while position < buffer.count,
        let found = unsafe memchr(base + position, 1, buffer.count - position)
      {
        let one = unsafe UnsafeRawPointer(found) - base
        if unsafe buffer[one - 1] == 0 && buffer[one - 2] == 0 {
          guard one + 1 < buffer.count else { return nil }
          let hasLongForm = unsafe one - 3 >= lowest && buffer[one - 3] == 0
          return StartCode(start: one - (hasLongForm ? 3 : 2), header: one + 1)
        }
        position = one + 1
      }
      return nil
    }
  }

  /// Where the bytes of a unit end when zeros behind it are left out.
  func endOfData(in range: Range<Int>) -> Int {
    var end = range.upperBound
    while end > range.lowerBound, bytes.byte(at: end - 1) == 0 { end -= 1 }
    return end
  }
}

extension RawSpan {
  /// The byte at an offset, which must be within the span.
  func byte(at offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
}
