/// One colour plane of a picture in a DMABUF.
public struct DMABUFPlane: Hashable, Sendable {
  /// The DMABUF's descriptor; it stays the caller's, who closes it after `release`.
  public var descriptor: Int32
  /// Bytes from the start of the DMABUF to the plane's first row.
  public var offset: Int
  /// Bytes from one row to the next.
  public var bytesPerLine: Int

  /// Creates the description of one plane.
  public init(descriptor: Int32, offset: Int, bytesPerLine: Int) {
    self.descriptor = descriptor
    self.offset = offset
    self.bytesPerLine = bytesPerLine
  }
}

/// A picture in DMABUFs, on loan from its producer until nobody needs it any more.
public final class DMABUFImage: Sendable {
  /// The colour planes in the format's order.
  public let planes: [DMABUFPlane]
  private let release: @Sendable () -> Void

  init(planes: [DMABUFPlane], release: @escaping @Sendable () -> Void) {
    self.planes = planes
    self.release = release
  }

  deinit { release() }

  /// The descriptors of the memory planes: one, or one for each colour plane.
  package var memoryDescriptors: [Int32] {
    let all = planes.map(\.descriptor)
    return Set(all).count == 1 ? [all[0]] : all
  }
}
