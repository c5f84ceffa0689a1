internal import CV4L2

/// The DMABUFs of one driver buffer; closed when nobody holds them any more.
package final class ExportedBuffer: Sendable {
  /// One descriptor per memory plane.
  package let descriptors: [Int32]

  /// Exports every memory plane of a buffer.
  ///
  /// - Throws: what the driver says; ENOTTY when it exports nothing.
  package init(
    handle: any DeviceHandle, bufferType: UInt32, index: Int, planeCount: Int
  ) throws(Errno) {
    var descriptors: [Int32] = []
    for plane in 0..<planeCount {
      do throws(Errno) {
        descriptors.append(
          try handle.exportBuffer(bufferType, index: index, plane: plane))
      } catch {
        for descriptor in descriptors { _ = cv4l2_close(descriptor) }
        throw error
      }
    }
    self.descriptors = descriptors
  }

  deinit { for descriptor in descriptors { _ = cv4l2_close(descriptor) } }
}
