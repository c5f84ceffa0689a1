/// An open memory-to-memory device: its handle and the numbers of its two queues.
///
/// The single- and the multi-planar API differ below this type only.
package struct EncoderDevice: Sendable {
  package let handle: any DeviceHandle
  package let path: String
  package let capabilities: DeviceCapabilities
  /// What is known of drivers like this one.
  package let family: DriverFamily
  package let isMultiplanar: Bool
  /// The type of the OUTPUT queue (raw frames).
  package let outputType: UInt32
  /// The type of the CAPTURE queue (encoded bytes).
  package let captureType: UInt32

  package init(handle: any DeviceHandle, path: String, capabilities: DeviceCapabilities) {
    self.handle = handle
    self.path = path
    self.capabilities = capabilities
    self.family = DriverFamily.recognise(
      driver: capabilities.driver, card: capabilities.card, path: path)
    self.isMultiplanar = capabilities.isMultiplanarMemoryToMemory
    self.outputType = QueueDirection.output.bufferType(multiplanar: isMultiplanar)
    self.captureType = QueueDirection.capture.bufferType(multiplanar: isMultiplanar)
  }

  package func bufferType(_ direction: QueueDirection) -> UInt32 {
    switch direction {
    case .output: outputType
    case .capture: captureType
    }
  }

  /// Allocates and maps a queue's buffers; returns them in the driver's order.
  ///
  /// - Throws: what the driver says, or `EINVAL` when its planes are shorter than its own format
  ///   says or more than this library maps.
  package func allocateBuffers(
    _ direction: QueueDirection, count: Int, planeSizes: [Int]
  ) throws(DeviceRequestError) -> [MappedBuffer] {
    let type = bufferType(direction)
    let granted: Int
    do throws(Errno) {
      granted = try handle.requestBuffers(type, count: count)
    } catch {
      throw DeviceRequestError("VIDIOC_REQBUFS", error)
    }
    guard granted > 0, granted <= 1024 else {
      throw DeviceRequestError("VIDIOC_REQBUFS", .invalidArgument)
    }
    return try mapBuffers(direction, count: granted, planeSizes: planeSizes)
  }

  /// Maps buffers that are allocated already.
  ///
  /// - Throws: as `allocateBuffers`.
  package func mapBuffers(
    _ direction: QueueDirection, count: Int, planeSizes: [Int]
  ) throws(DeviceRequestError) -> [MappedBuffer] {
    let type = bufferType(direction)
    var buffers: [MappedBuffer] = []
    for index in 0..<count {
      let planes: [BufferPlane]
      do throws(Errno) {
        planes = try handle.queryBuffer(type, index: index, planeCount: planeSizes.count)
      } catch {
        throw DeviceRequestError("VIDIOC_QUERYBUF", error)
      }
      guard planes.count == planeSizes.count, planes.count <= MappedBuffer.maximumPlaneCount
      else { throw DeviceRequestError("VIDIOC_QUERYBUF", .invalidArgument) }
      let isContiguous = Self.areContiguous(planes, planeSizes)
      guard
        isContiguous || zip(planes, planeSizes).allSatisfy({ $0.length > 0 && $0.length >= $1 })
      else { throw DeviceRequestError("VIDIOC_QUERYBUF", .invalidArgument) }
      do throws(Errno) {
        buffers.append(
          try MappedBuffer(
            handle: handle, bufferType: type, index: index,
            planes: isContiguous ? Array(planes.prefix(1)) : planes,
            dividedInto: isContiguous ? planeSizes : nil))
      } catch {
        throw DeviceRequestError("mmap", error)
      }
    }
    return buffers
  }

  /// Whether all planes lie one after the other in the memory of the first, as in rkmpp's buffers
  /// (libv4l-rkmpp, `utils.c`): it has the length of all, the others have none.
  private static func areContiguous(_ planes: [BufferPlane], _ planeSizes: [Int]) -> Bool {
    guard planes.count > 1, planes.dropFirst().allSatisfy({ $0.length == 0 }) else { return false }
    return planes[0].length >= planeSizes.reduce(0, +)
  }
}

/// A failed request with its C name.
package struct DeviceRequestError: Error, Hashable, Sendable {
  package var operation: String
  package var errno: Errno

  package init(_ operation: String, _ errno: Errno) {
    self.operation = operation
    self.errno = errno
  }
}
