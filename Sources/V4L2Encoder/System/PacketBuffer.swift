internal import Glibc

/// The bytes of a packet in the making, with room in front of them.
///
/// What is put before or into the first bytes goes into that room, so that the many bytes behind
/// stay where the copy out of the driver's buffer put them.
@safe package struct PacketBuffer: ~Copyable {
  /// Where the bytes are; nobody else uses it before `finish`.
  private let data: PacketData
  /// How many bytes are free in front of the first one.
  package private(set) var room: Int
  /// How many bytes there are.
  package private(set) var byteCount: Int
  /// How many bytes were copied again after the buffer was filled.
  package private(set) var movedByteCount = 0

  private var allocation: UnsafeMutableRawPointer { unsafe data.memory }

  /// Lets `fill` initialize `byteCount` bytes behind `room` free ones, in memory that nobody else
  /// holds; larger memory takes its place if it must.
  @unsafe package init(
    room: Int, byteCount: Int, in data: PacketData = PacketData(capacity: 0),
    fill: (UnsafeMutableRawPointer) -> Void
  ) {
    self.data = data
    self.room = room
    self.byteCount = byteCount
    unsafe data.makeRoom(for: room + byteCount)
    unsafe fill(data.memory + room)
  }

  /// Copies an array.
  package init(copying bytes: [UInt8], room: Int = 0) {
    unsafe self.init(room: room, byteCount: bytes.count) { target in
      unsafe bytes.withUnsafeBytes { source in
        if let start = source.baseAddress {
          unsafe target.copyMemory(from: start, byteCount: source.count)
        }
      }
    }
  }

  /// Ends the changes; the bytes stay where they are.
  package consuming func finish() -> PacketData {
    unsafe data.finish(room..<room + byteCount)
    return data
  }

  /// The bytes.
  package var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe RawSpan(_unsafeStart: allocation + room, byteCount: byteCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Puts bytes in at an offset; what comes before them moves into the room in front.
  package mutating func insert(_ inserted: RawSpan, at offset: Int) {
    let offset = min(max(offset, 0), byteCount)
    reserve(inserted.byteCount)
    if offset > 0 { move(0..<offset, to: -inserted.byteCount) }
    let place = unsafe allocation + room + offset - inserted.byteCount
    unsafe inserted.withUnsafeBytes { source in
      if let start = source.baseAddress {
        unsafe place.copyMemory(from: start, byteCount: source.count)
      }
    }
    keep(-inserted.byteCount..<byteCount)
  }

  /// Puts bytes in at an offset; what comes before them moves into the room in front.
  package mutating func insert(_ inserted: [UInt8], at offset: Int) {
    unsafe insert(inserted.span.bytes, at: offset)
  }

  /// Sees to it that there is that much room in front, which takes a second copy when there is not.
  package mutating func reserve(_ wanted: Int) {
    guard wanted > room else { return }
    let larger = UnsafeMutableRawPointer.allocate(
      byteCount: wanted + byteCount, alignment: 16)
    unsafe (larger + wanted).copyMemory(from: allocation + room, byteCount: byteCount)
    unsafe data.exchange(for: larger, byteCount: wanted + byteCount)
    room = wanted
    movedByteCount += byteCount
  }

  /// Moves bytes; places before the first byte are negative, as far as there is room.
  package mutating func move(_ range: Range<Int>, to place: Int) {
    guard range.lowerBound != place else { return }
    check(range)
    check(place..<place + range.count)
    let first = unsafe allocation + room
    unsafe memmove(first + place, first + range.lowerBound, range.count)
    movedByteCount += range.count
  }

  /// Writes a number of four bytes, the highest first.
  package mutating func store(_ number: UInt32, at place: Int) {
    check(place..<place + 4)
    unsafe (allocation + room + place).storeBytes(of: number.bigEndian, as: UInt32.self)
  }

  /// Makes these all the bytes there are.
  package mutating func keep(_ range: Range<Int>) {
    check(range)
    room += range.lowerBound
    byteCount = range.count
  }

  private func check(_ range: Range<Int>) {
    precondition(range.lowerBound >= -room && range.upperBound <= data.memoryByteCount - room)
  }
}
