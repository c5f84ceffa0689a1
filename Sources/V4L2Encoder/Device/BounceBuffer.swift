internal import Glibc

/// Memory of this process laid out as the driver wants it, for frames that it cannot read where
/// they are.
@safe package final class BounceBuffer: PlaneMemory, Sendable {
  // Set once in `init`; who may touch the bytes is decided by the holder of the place in
  // `InputPool` that the buffer belongs to.
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer
  private let offsets: PlaneByteCounts
  /// Where the planes lie.
  package let addresses: PlaneAddresses

  /// Allocates zeroed memory for planes of these sizes.
  package init(planes sizes: PlaneByteCounts) {
    var starts: [Int] = []
    var end = 0
    for plane in 0..<sizes.planeCount {
      starts.append(end)
      end += (sizes[plane] + FrameMemory.alignment - 1) & ~(FrameMemory.alignment - 1)
    }
    unsafe base = UnsafeMutableRawPointer.allocate(
      byteCount: max(end, 1), alignment: FrameMemory.alignment)
    unsafe memset(base, 0, end)
    var addresses = PlaneAddresses()
    for plane in starts.indices {
      addresses[plane] = unsafe UInt(bitPattern: base) + UInt(starts[plane])
    }
    self.addresses = addresses
    offsets = PlaneByteCounts(starts)
  }

  deinit { unsafe base.deallocate() }

  @unsafe package func address(ofPlane plane: Int) -> UnsafeMutableRawPointer {
    unsafe base + offsets[plane]
  }
}
