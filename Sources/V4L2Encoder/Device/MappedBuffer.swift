/// The mapped planes of one driver buffer; unmapped when nobody holds them any more.
///
/// Ownership by reference keeps the memory alive for a call of `encode` that still writes while
/// the session is being closed.
@safe package final class MappedBuffer: PlaneMemory, Sendable {
  /// More planes than any raw format of this library has.
  package static let maximumPlaneCount = 3

  private let handle: any DeviceHandle
  private let bufferType: UInt32
  private let index: Int
  private let exported = Locked<ExportedBuffer?>(nil)
  /// The bytes of each mapping; there is one mapping only when it holds all planes.
  private let mappedLengths: [Int]
  package let planeLengths: [Int]
  // Set once in `init`; who may touch the bytes is decided by the buffer's holder in `InputPool`,
  // or by the driver having given the buffer back.
  private nonisolated(unsafe) let addresses: [UnsafeMutableRawPointer]

  /// Maps the planes that the driver described.
  ///
  /// The planes lie one after the other in the first one when `parts` gives their sizes.
  ///
  /// - Throws: what the driver, or the mapping, says.
  package init(
    handle: any DeviceHandle, bufferType: UInt32, index: Int, planes: [BufferPlane],
    dividedInto parts: [Int]? = nil
  ) throws(Errno) {
    self.handle = handle
    self.bufferType = bufferType
    self.index = index
    var addresses: [UnsafeMutableRawPointer] = unsafe []
    for (number, plane) in planes.enumerated() {
      let identity = PlaneIdentity(
        bufferType: bufferType, index: UInt32(index), plane: UInt32(number),
        memoryOffset: plane.memoryOffset)
      do throws(Errno) {
        unsafe addresses.append(try handle.map(identity, length: plane.length))
      } catch {
        for mapped in 0..<number {
          unsafe handle.unmap(addresses[mapped], length: planes[mapped].length)
        }
        throw error
      }
    }
    for size in parts?.dropLast() ?? [] {
      unsafe addresses.append(addresses[addresses.count - 1] + size)
    }
    unsafe self.addresses = addresses
    self.mappedLengths = planes.map(\.length)
    self.planeLengths = parts ?? mappedLengths
  }

  deinit {
    for mapping in mappedLengths.indices {
      unsafe handle.unmap(addresses[mapping], length: mappedLengths[mapping])
    }
  }

  /// The first byte of a memory plane.
  @unsafe package func address(ofPlane plane: Int) -> UnsafeMutableRawPointer {
    unsafe addresses[plane]
  }

  /// The buffer's memory planes as DMABUFs, exported at the first call and closed with the buffer.
  package func export() throws(Errno) -> ExportedBuffer {
    try exported.withLock { known throws(Errno) in
      if let known { return known }
      let new = try ExportedBuffer(
        handle: handle, bufferType: bufferType, index: index, planeCount: planeLengths.count)
      known = new
      return new
    }
  }

  /// Lends the first plane for reading; `giveBack` is called when nobody reads it any more.
  package func lend(_ giveBack: @escaping @Sendable () -> Void) -> FrameMemory {
    unsafe FrameMemory(unsafeStart: addresses[0], byteCount: planeLengths[0]) {
      withExtendedLifetime(self) { giveBack() }
    }
  }

  /// Lends a part of a memory plane for writing.
  package func withMutableBytes<Result, Failure: Error>(
    ofPlane plane: Int, _ range: Range<Int>,
    _ body: (inout MutableRawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(range.lowerBound >= 0 && range.upperBound <= planeLengths[plane])
    var span = unsafe MutableRawSpan(
      _unsafeStart: addresses[plane] + range.lowerBound, byteCount: range.count)
    return try body(&span)
  }

  /// Copies bytes of the first plane out, after `prefix` and behind `room` free bytes; one linear
  /// pass over the mapping, which is uncached memory on most boards.
  package func copy(
    _ range: Range<Int>, after prefix: [UInt8], room: Int, from pool: inout PacketPool
  ) -> PacketBuffer {
    precondition(range.lowerBound >= 0 && range.upperBound <= planeLengths[0])
    let byteCount = prefix.count + range.count
    return unsafe PacketBuffer(room: room, byteCount: byteCount, in: pool.take()) { target in
      unsafe prefix.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress {
          unsafe target.copyMemory(from: start, byteCount: bytes.count)
        }
      }
      unsafe (target + prefix.count).copyMemory(
        from: addresses[0] + range.lowerBound, byteCount: range.count)
    }
  }
}
