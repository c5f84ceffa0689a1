internal import CV4L2
internal import Glibc
internal import V4L2Encoder
internal import VirtualV4L2Device

/// How a program gets at buffers that libv4l2 cannot map for it.
///
/// NVIDIA's planes are exported one by one and mapped at their `mem_offset`. All planes of a
/// buffer of rkmpp are in one DMABUF, exported by plane 0 and mapped at 0; `mem_offset` is no
/// offset there but the queue and the buffer, `type << 16 | index` (libv4l-rkmpp, `utils.c`).
final class PluginBuffers: Sendable {
  private let device: VirtualDevice
  private let served: any ServedHandle
  private let isContiguous: Bool
  private let planeCounts = Locked<[UInt32: UInt32]>([:])

  init(
    _ device: VirtualDevice, _ served: any ServedHandle,
    _ personality: VirtualDevice.Personality
  ) {
    self.device = device
    self.served = served
    isContiguous = personality.deviations.contains(.planesAreContiguous)
  }

  func query(_ buffer: inout v4l2_buffer) -> Int32 {
    let room = buffer.length
    let result = ask(&buffer)
    guard result == 0, isContiguous else { return result }
    // rkmpp takes the number of the format's planes and no other.
    guard room == buffer.length else { return -EINVAL }
    let (type, count) = (buffer.type, buffer.length)
    planeCounts.withLock { $0[type] = count }
    for plane in 0..<Int(count) {
      buffer.m.planes[plane].m.mem_offset = plane == 0 ? type << 16 | buffer.index : 0
    }
    return 0
  }

  /// Whether a buffer to be dequeued has the number of planes that rkmpp insists on.
  func hasRoomForPlanes(_ buffer: v4l2_buffer) -> Bool {
    guard isContiguous, let count = planeCounts.withLock({ $0[buffer.type] }) else { return true }
    return buffer.length == count
  }

  func export(_ argument: inout v4l2_exportbuffer) -> Int32 {
    guard let place = place(of: argument) else { return -EINVAL }
    guard isContiguous else {
      let copy = fcntl(device.memoryDescriptor, F_DUPFD_CLOEXEC, 0)
      argument.fd = copy
      return copy >= 0 ? 0 : -errno
    }
    guard argument.plane == 0 else { return -EINVAL }
    do throws(Errno) {
      argument.fd = try device.exportPlane(at: place)
      return 0
    } catch {
      return -error.rawValue
    }
  }

  /// Where the model keeps a plane.
  private func place(of argument: v4l2_exportbuffer) -> UInt32? {
    var raw = cv4l2_raw_buffer()
    var flat = cv4l2_buffer()
    let result = withUnsafeMutablePointer(to: &raw) { raw in
      cv4l2_buffer_prepare(
        raw, argument.type, V4L2_MEMORY_MMAP.rawValue, UInt32(VIDEO_MAX_PLANES))
      raw.pointee.buffer.index = argument.index
      let result = ask(&raw.pointee.buffer)
      if result == 0 { cv4l2_buffer_unpack(raw, &flat) }
      return result
    }
    guard result == 0, argument.plane < flat.plane_count else { return nil }
    switch argument.plane {
    case 0: return flat.planes.0.mem_offset
    case 1: return flat.planes.1.mem_offset
    case 2: return flat.planes.2.mem_offset
    default: return nil
    }
  }

  private func ask(_ buffer: inout v4l2_buffer) -> Int32 {
    served.ioctl(UInt32(CV4L2_VIDIOC_QUERYBUF), &buffer, caller: OwnMemory.shared)
  }
}
